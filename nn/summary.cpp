#include "evenkeel/nn/summary.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/op_profile.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/nn/scoped_hooks.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <ostream>

namespace evenkeel::nn {

namespace {

std::int64_t bytes(const Tensor& tensor) {
  return tensor.numel() * static_cast<std::int64_t>(item_size(tensor.dtype()));
}

std::vector<Shape> shapes_of(const std::vector<Tensor>& tensors) {
  std::vector<Shape> shapes;
  std::transform(tensors.begin(), tensors.end(), std::back_inserter(shapes), [](const Tensor& t) { return t.shape(); });
  return shapes;
}

/// What `outputs` need beside the memory of `inputs`.
std::int64_t new_bytes(const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
  std::int64_t sum = 0;
  for (const Tensor& y : outputs) {
    const bool shared =
        std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& x) { return y.array().shares_storage(x.array()); });
    sum += shared ? 0 : bytes(y);
  }
  return sum;
}

/// Watches every module and every op for a scope.
class Watch {
 public:
  explicit Watch(Module& model) : ops_([this](std::string_view op, const OpInputs& inputs) { hear(op, inputs); }) {
    for (const auto& [name, module] : model.named_modules()) {
      hooks_.add(*module, [this](const auto& m, const auto& in, const auto& out) {
        LayerSummary& seen = seen_[&m];
        ++seen.calls;
        seen.inputs = shapes_of(in);
        seen.outputs = shapes_of(out);
        seen.macs += m.macs(seen.inputs, seen.outputs);
        seen.output_bytes += m.children().empty() ? new_bytes(in, out) : 0;
        if (dynamic_cast<const FusibleNorm*>(&m) != nullptr) {
          normalized_.push_back({&m, out[0]});
        }
      });
    }
  }

  /// What was seen of a module.
  LayerSummary of(const Module* module) const {
    const auto found = seen_.find(module);
    LayerSummary result = found == seen_.end() ? LayerSummary{} : found->second;
    for (const Output& norm : normalized_) {
      result.apart = norm.module == module && norm.uses == 1 ? norm.apart : result.apart;
    }
    return result;
  }

 private:
  /// What a norm gave, and what became of it.
  struct Output {
    const Module* module;
    Tensor y;
    int uses = 0;
    std::string apart = "";
  };
  void hear(std::string_view op, const OpInputs& inputs) {
    for (Output& norm : normalized_) {
      const bool used = std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& x) {
        return x.defined() && norm.y.defined() && x.array().shares_storage(norm.y.array());
      });
      if (!used) {
        continue;
      }
      ++norm.uses;
      if (is_fusible(op)) {
        norm.apart = detail::taken_apart() ? "" : op.substr(0, op.find_last_not_of('_') + 1);
        norm.y = op.ends_with('_') ? Tensor() : norm.y;  // overwritten
      }
    }
  }

  ScopedHooks hooks_;
  std::map<const Module*, LayerSummary> seen_;
  std::vector<Output> normalized_;
  OpListener ops_;
};

std::string owner(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

void count_state(const Module& model, Summary& summary) {
  std::map<std::string, LayerSummary*> by_name;
  for (LayerSummary& layer : summary.layers) {
    by_name[layer.name] = &layer;
  }
  for (const auto& [name, parameter] : model.named_parameters()) {
    by_name.at(owner(name))->parameters += parameter.numel();
    by_name.at(owner(name))->parameter_bytes += bytes(parameter);
  }
  for (const auto& [name, buffer] : model.named_buffers()) {
    by_name.at(owner(name))->parameter_bytes += bytes(buffer);
  }
  summary.trainable_parameters = model.num_parameters(true);
}

}  // namespace

DType parameter_dtype(const Module& model) {
  const auto parameters = model.parameters();
  const auto floating =
      std::find_if(parameters.begin(), parameters.end(), [](const Tensor& p) { return is_floating(p.dtype()); });
  return floating == parameters.end() ? DType::float32 : floating->dtype();
}

std::int64_t Summary::total(std::int64_t LayerSummary::*column) const {
  std::int64_t sum = 0;
  for (const LayerSummary& layer : layers) {
    sum += layer.*column;
  }
  return sum;
}

Summary summary(Layer& model, const Shape& input_shape) {
  return summary(model, [&] { model(zeros(input_shape, {.dtype = parameter_dtype(model)})); });
}

Summary summary(Module& model, const std::function<void()>& run) {
  const NoGradGuard no_grad;
  const EvalGuard eval(model);
  const Watch watch(model);
  run();
  Summary result;
  for (const auto& [name, module] : model.named_modules()) {
    LayerSummary layer = watch.of(module);
    layer.name = name;
    layer.type = module->type_name();
    layer.remark = remarks(*module);
    result.layers.push_back(std::move(layer));
  }
  count_state(model, result);
  return result;
}

namespace {

/// Of (type, remark) pairs; see remark_counts.
std::vector<std::string> counted(const std::vector<std::pair<std::string, std::string>>& layers) {
  std::map<std::string, int> of_type;
  std::map<std::pair<std::string, std::string>, int> with_remark;
  for (const auto& layer : layers) {
    ++of_type[layer.first];
    ++with_remark[layer];
  }
  std::vector<std::string> lines;
  for (const auto& [layer, count] : with_remark) {
    if (!layer.second.empty()) {
      lines.push_back(concat(layer.first, ": ", count, " of ", of_type[layer.first], " have ", layer.second));
    }
  }
  return lines;
}

/// "1,234,567"
std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3;) {
    i -= 3;
    text.insert(i, 1, ',');
  }
  return text;
}

std::string kibibytes(std::int64_t size) {
  std::array<char, 32> digits;
  const double kib = static_cast<double>(size) / 1024;
  const auto end = std::to_chars(digits.begin(), digits.end(), kib, std::chars_format::fixed, 1).ptr;
  return concat(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())), " KiB");
}

/// "[2, 3], [2, 8]"
std::string listed(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) {
    text += concat(text.empty() ? "" : ", ", shape);
  }
  return text;
}

using Row = std::array<std::string, 5>;

Row row_of(const LayerSummary& layer) {
  const std::size_t depth =
      layer.name.empty() ? 0 : 1 + static_cast<std::size_t>(std::count(layer.name.begin(), layer.name.end(), '.'));
  const std::string own_name = layer.name.substr(layer.name.rfind('.') + 1);
  const std::string label = std::string(2 * depth, ' ') + (own_name.empty() ? "" : own_name + ": ") + layer.type +
                            (layer.apart.empty() ? "" : " *") + (layer.remark.empty() ? "" : " +");
  return {label, layer.calls == 0 ? "-" : listed(layer.outputs), grouped(layer.parameters), grouped(layer.macs),
          kibibytes(layer.parameter_bytes + layer.output_bytes)};
}

}  // namespace

std::vector<std::string> remark_counts(const Module& model) {
  std::vector<std::pair<std::string, std::string>> layers;
  for (const auto& [name, module] : model.named_modules()) {
    layers.emplace_back(module->type_name(), remarks(*module));
  }
  return counted(layers);
}

std::string to_string(const Summary& summary) {
  std::vector<Row> rows = {{"Layer", "Output shape", "Parameters", "MACs", "Memory"}};
  std::transform(summary.layers.begin(), summary.layers.end(), std::back_inserter(rows), row_of);
  std::array<std::size_t, 5> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::size_t line = 2 * (widths.size() - 1);
  for (const std::size_t width : widths) {
    line += width;
  }
  const std::string rule(line, '-');
  std::string text;
  const auto pad = [](const std::string& cell, std::size_t width) { return std::string(width - cell.size(), ' '); };
  for (const Row& row : rows) {
    text += concat(row[0], pad(row[0], widths[0]), "  ", row[1], pad(row[1], widths[1]));
    for (std::size_t i = 2; i < row.size(); ++i) {
      text += concat("  ", pad(row[i], widths[i]), row[i]);
    }
    text += "\n";
    if (&row == &rows.front()) {
      text += concat(rule, "\n");
    }
  }
  const std::int64_t parameters = summary.total(&LayerSummary::parameters);
  text += concat(rule, "\nInput ", listed(summary.layers.front().inputs), "; ", grouped(parameters), " parameters, ",
                 grouped(summary.trainable_parameters), " trainable; ", grouped(summary.total(&LayerSummary::macs)),
                 " MACs\nParameters and buffers ", kibibytes(summary.total(&LayerSummary::parameter_bytes)),
                 ", layer outputs ", kibibytes(summary.total(&LayerSummary::output_bytes)), "\n");
  for (const LayerSummary& layer : summary.layers) {
    if (!layer.apart.empty()) {
      text += concat("* ", layer.name, " could run the ", layer.apart,
                     " behind it in its own op: norm(x, nn::", layer.apart, ")\n");
    }
  }
  std::vector<std::pair<std::string, std::string>> remarked;
  for (const LayerSummary& layer : summary.layers) {
    remarked.emplace_back(layer.type, layer.remark);
  }
  for (const std::string& remark : counted(remarked)) {
    text += concat("+ ", remark, "\n");
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const Summary& summary) { return out << to_string(summary); }

}  // namespace evenkeel::nn
