#include "evenkeel/autograd/dot.hpp"

#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/ops/checks.hpp"

#include <map>
#include <memory>
#include <utility>

namespace evenkeel {
namespace {

/// In quotes; a line break in the text is one in the picture.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
    }
    result += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return result + '"';
}

std::vector<std::shared_ptr<AutogradMeta>> places(const std::vector<Tensor>& tensors) {
  std::vector<std::shared_ptr<AutogradMeta>> result;
  for (const Tensor& tensor : tensors) {
    if (tensor.defined() && tensor.meta() != nullptr) {
      result.push_back(tensor.meta());
    }
  }
  return result;
}

}  // namespace

DotBox::DotBox(std::string label, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs)
    : label_(std::move(label)), inputs_(places(inputs)), outputs_(places(outputs)) {
  for (const auto& input : inputs_) {
    std::erase(outputs_, input);
  }
}

/// Walks from the result to the leaves. What is drawn once (a leaf, an op, a box) is told apart by its address.
class DotPicture {
 public:
  explicit DotPicture(const DotOptions& options) {
    for (const auto& [name, tensor] : options.names) {
      if (tensor.defined() && tensor.meta() != nullptr) {
        names_.emplace(tensor.meta().get(), name);
      }
    }
    for (const DotBox& box : options.boxes) {
      for (const auto& output : box.outputs_) {
        boxes_.emplace(output.get(), &box);
      }
    }
  }

  std::string draw(const Tensor& result) {
    const std::string end = next_name();
    line(concat(end, " [label=", quoted(concat("result\n", result.shape())), ", shape=ellipse]"));
    edge(*result.meta(), end);
    while (!waiting_.empty()) {
      const Part part = waiting_.back();
      waiting_.pop_back();
      edges_of(part);
    }
    return concat("digraph {\n  node [shape=box, fontname=\"sans-serif\"]\n  edge [fontname=\"sans-serif\"]\n", text_,
                  "}\n");
  }

 private:
  struct Part {
    const DotBox* box;
    const Node* node;  ///< of an op that no box has
    std::string name;
  };

  std::string next_name() { return concat("n", count_++); }
  void line(const std::string& text) { text_ += concat("  ", text, "\n"); }

  /// From what made `meta` to the part `to`.
  void edge(const AutogradMeta& meta, const std::string& to) {
    line(concat(part_of(meta), " -> ", to, " [label=", quoted(concat(" ", meta.shape)), "]"));
  }

  /// The name of what made `meta`; draws it when it is met first.
  const std::string& part_of(const AutogradMeta& meta) {
    const auto box = boxes_.find(&meta);
    const bool in_box = box != boxes_.end();
    const void* key = &meta;
    if (in_box) {
      key = box->second;
    } else if (meta.node != nullptr) {
      key = meta.node.get();
    }
    const auto [place, is_new] = parts_.try_emplace(key);
    if (is_new) {
      place->second = next_name();
      if (in_box) {
        line(concat(place->second, " [label=", quoted(box->second->label_), ", style=filled, fillcolor=\"#e8eef7\"]"));
        waiting_.push_back({box->second, nullptr, place->second});
      } else if (meta.node != nullptr) {
        line(concat(place->second, " [label=", quoted(meta.node->name), "]"));
        waiting_.push_back({nullptr, meta.node.get(), place->second});
      } else {
        const auto name = names_.find(&meta);
        line(concat(place->second, " [label=", quoted(name == names_.end() ? "leaf" : name->second),
                    ", shape=ellipse]"));
      }
    }
    return place->second;
  }

  void edges_of(const Part& part) {
    if (part.box != nullptr) {
      for (const auto& input : part.box->inputs_) {
        edge(*input, part.name);
      }
      return;
    }
    for (std::size_t i = 0; i < part.node->edges.size(); ++i) {
      if (part.node->edges[i] != nullptr) {
        edge(*part.node->edges[i], part.name);
      }
    }
  }

  std::map<const AutogradMeta*, std::string> names_;
  std::map<const AutogradMeta*, const DotBox*> boxes_;  // by their outputs
  std::map<const void*, std::string> parts_;
  std::vector<Part> waiting_;
  std::string text_;
  int count_ = 0;
};

std::string to_dot(const Tensor& result, const DotOptions& options) {
  check_defined("to_dot", result);
  require<StateError>(result.meta() != nullptr, "to_dot", "the tensor of shape ", result.shape(),
                      " was not recorded: no input of its ops requires a gradient, or grad mode was off");
  return DotPicture(options).draw(result);
}

}  // namespace evenkeel
