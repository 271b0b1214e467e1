#include "evenkeel/nn/norm/conversion.hpp"

#include <algorithm>
#include <ostream>

namespace evenkeel::nn {
namespace {

using detail::MakeLayer;

struct Step {
  Slot* slot;
  std::unique_ptr<Layer> now;
  Conversion what;
};

/// The new layer, in the old one's mode; errors name the place.
std::unique_ptr<Layer> attempt(const std::string& name, Layer& layer, const MakeLayer& make) {
  try {
    std::unique_ptr<Layer> now = make(name, layer);
    if (now != nullptr) {
      require<StateError>(!layer.parametrized(), layer.type_name(),
                          "parameters have a parametrization; remove_parametrizations first");
      now->train(layer.training());
    }
    return now;
  } catch (Error& error) {
    error.set_path(name);
    throw;
  }
}

void plan(Module& parent, const std::string& prefix, const MakeLayer& make, std::vector<Step>& steps) {
  for (Slot* slot : parent.children()) {
    auto* layer = dynamic_cast<Layer*>(&**slot);
    const std::string name = prefix + slot->name();
    if (std::unique_ptr<Layer> now = layer == nullptr ? nullptr : attempt(name, *layer, make)) {
      Conversion what{name, layer->type_name(), now->type_name()};
      steps.push_back({slot, std::move(now), std::move(what)});
    } else {
      plan(**slot, name + ".", make, steps);
    }
  }
}

/// The layers replaced, without notes.
Conversions replaced(const char* op, const ConversionRoot& root, const MakeLayer& make) {
  if (auto* whole = dynamic_cast<Layer*>(&root.module())) {
    if (std::unique_ptr<Layer> now = attempt("", *whole, make)) {
      require(root.replaceable(), op, "the model is itself a ", whole->type_name(),
              ", which can't be replaced through a reference; give the unique_ptr<Layer> or the Slot that owns it");
      Conversions done;
      done.push_back({"", whole->type_name(), now->type_name()});
      root.replace(std::move(now));
      return done;
    }
  }
  std::vector<Step> steps;
  plan(root.module(), "", make, steps);
  Conversions done;
  for (Step& step : steps) {
    step.slot->replace(std::move(step.now));
    done.push_back(std::move(step.what));
  }
  return done;
}

}  // namespace

ConversionRoot::ConversionRoot(std::unique_ptr<Layer>& owner) : module_(owner.get()), owner_(&owner) {
  require(module_ != nullptr, "ConversionRoot", "the unique_ptr is empty");
}

Module& ConversionRoot::module() const { return slot_ != nullptr ? **slot_ : owner_ != nullptr ? **owner_ : *module_; }

void ConversionRoot::replace(std::unique_ptr<Layer> layer) const {
  if (slot_ != nullptr) {
    slot_->replace(std::move(layer));
  } else {
    *owner_ = std::move(layer);
  }
}

std::string to_string(const Conversions& conversions) {
  std::string text;
  for (const Conversion& c : conversions) {
    text += concat(c.name.empty() ? "the model" : c.name, ": ", c.from, " -> ", c.to, "\n");
  }
  for (const KeptNorm& k : conversions.kept) {
    text += concat(k.name.empty() ? "the model" : k.name, ": ", k.type, " stays: ", k.why, "\n");
  }
  for (const std::string& note : conversions.notes) {
    text += concat("note: ", note, "\n");
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const Conversions& conversions) { return out << to_string(conversions); }

void detail::compare_parameters(Conversions& done, const std::vector<Tensor>& before,
                                const std::vector<Tensor>& after) {
  const auto count_missing = [](const std::vector<Tensor>& of, const std::vector<Tensor>& in) {
    return std::count_if(of.begin(), of.end(), [&](const Tensor& one) {
      return std::none_of(in.begin(), in.end(), [&](const Tensor& other) { return one.is(other); });
    });
  };
  done.removed_parameters = count_missing(before, after);
  done.new_parameters = count_missing(after, before);
  if (done.removed_parameters + done.new_parameters > 0) {
    done.notes.push_back(concat("of the model's ", before.size(), " parameters ", done.removed_parameters,
                                " are gone, ", done.new_parameters,
                                " are new: make an optimizer of before anew from model.parameters()"));
  }
}

Conversions detail::replace_layers(const char* op, const ConversionRoot& root, const MakeLayer& make) {
  const std::vector<Tensor> before = root.module().parameters();
  Conversions done = replaced(op, root, make);
  compare_parameters(done, before, root.module().parameters());
  return done;
}

}  // namespace evenkeel::nn
