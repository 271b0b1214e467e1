#include "evenkeel/nn/parametrize.hpp"

#include "evenkeel/autograd/grad_mode.hpp"

#include <algorithm>

namespace evenkeel::nn {
namespace {

constexpr const char* kChild = "parametrizations";

/// What right_inverse of `layer` gives, without recording; nothing if it has none.
std::vector<Tensor> inverse_of(Layer& layer, const Tensor& value) {
  auto* parametrization = dynamic_cast<Parametrization*>(&layer);
  return parametrization == nullptr ? std::vector<Tensor>()
                                    : no_grad([&] { return parametrization->right_inverse(value); });
}

void check_alike(const Tensor& before, const Tensor& after) {
  require<ShapeError>(before.shape() == after.shape(), "register_parametrization",
                      "Registering a parametrization may not change the shape of the tensor, expected ", before.shape(),
                      ", got ", after.shape());
  require<DtypeError>(before.dtype() == after.dtype(), "register_parametrization",
                      "Registering a parametrization may not change the dtype of the tensor, expected ", before.dtype(),
                      ", got ", after.dtype());
}

}  // namespace

std::vector<Tensor> Parametrization::right_inverse(const Tensor& /*value*/) { return {}; }

Tensor Parametrization::combine(const std::vector<Tensor>& originals) { return (*this)(originals.at(0)); }

void Parametrization::rename_old(const std::string& prefix,
                                 std::initializer_list<std::pair<std::string_view, std::string_view>> suffixes,
                                 StateDict& state) {
  // prefix: "<layer>parametrizations.<name>.0."
  constexpr std::string_view kLevel = "parametrizations.", kFirst = ".0.";
  const std::size_t level = prefix.rfind(kLevel);
  if (level == std::string::npos || !prefix.ends_with(kFirst)) {
    return;
  }
  const std::string list = prefix.substr(0, prefix.size() - kFirst.size());
  const std::string beside = prefix.substr(0, level) + list.substr(level + kLevel.size());
  for (auto& [name, value] : state) {
    for (const auto& [suffix, now] : suffixes) {
      if (name == concat(beside, suffix)) {
        name = concat(list, ".", now);
        break;
      }
    }
  }
}

ParametrizationList::ParametrizationList(const Tensor& value, std::unique_ptr<Layer> parametrization) {
  std::vector<Tensor> originals = inverse_of(*parametrization, value);
  originals = originals.empty() ? std::vector{value} : originals;
  for (std::size_t i = 0; i < originals.size(); ++i) {
    // Each is a parameter of its own, also where two begin as one tensor; the first that is `value` stays it.
    const auto same = [&](const Tensor& other) { return other.is(originals[i]); };
    const bool again = std::any_of(originals.begin(), originals.begin() + static_cast<std::ptrdiff_t>(i), same);
    const Array& array = originals[i].array();
    Tensor& original =
        parameter(originals.size() == 1 ? "original" : concat("original", i), again ? array.clone() : array);
    original = originals[i].is(value) && !again ? value : original.requires_grad_(value.requires_grad());
  }
  append(std::move(parametrization));
}

std::string ParametrizationList::printed() const {
  return size() == 1 ? to_string(**children()[0]) : ModuleList::printed();
}

std::vector<Tensor> ParametrizationList::originals() const {
  std::vector<Tensor> result;
  for (const auto& [name, tensor] : named_parameters()) {
    if (name.starts_with("original")) {
      result.push_back(tensor);
    }
  }
  return result;
}

Tensor ParametrizationList::value() {
  const std::vector<Slot*> all = children();
  auto* first = dynamic_cast<Parametrization*>(&**all[0]);
  const std::vector<Tensor> from = originals();
  Tensor value = first != nullptr ? first->combine(from) : (*all[0])(from.at(0));
  for (std::size_t i = 1; i < all.size(); ++i) {
    value = (*all[i])(value);
  }
  return value;
}

void ParametrizationList::commit() {
  for (Slot* slot : children()) {
    if (auto* parametrization = dynamic_cast<Parametrization*>(&**slot)) {
      parametrization->commit();
    }
  }
}

/// What may reach into a module's registry.
struct detail::Parametrizing {
  using Computed = Module::Computed;

  static Computed* find(const Module& module, const std::string& name) {
    auto& all = const_cast<Module&>(module).computed_;
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.entry->name == name; });
    return found == all.end() ? nullptr : &*found;
  }
  static Computed& get(const Module& module, const std::string& name, const char* what) {
    Computed* found = find(module, name);
    require<StateError>(found != nullptr, module.type_name(), "the ", name, " has no parametrization", what);
    return *found;
  }
  static void check_idle(const Module& module, const char* op) {
    require<StateError>(!module.running_, op, "the ", module.type_name(), " is running");
  }

  static void append(Module& module, ParametrizationList& list, std::unique_ptr<Layer> next) {
    const Tensor before = no_grad([&] { return list.value(); });
    require(inverse_of(*next, before).size() <= 1, "register_parametrization",
            "a parametrization behind others must have one original, ", next->type_name(), " has several");
    check_alike(before, no_grad([&] { return (*next)(before); }));
    next->train(module.training());
    list.append(std::move(next));
  }

  static void begin(Module& module, Module::Entry& entry, std::unique_ptr<Layer> first) {
    first->train(module.training());
    auto list = std::make_unique<ParametrizationList>(entry.tensor, std::move(first));
    check_alike(entry.tensor, no_grad([&] { return list->value(); }));
    ParametrizationList* kept = list.get();
    level(module).add_slot(entry.name, std::move(list));
    const std::vector<Tensor> originals = kept->originals();
    if (originals.size() == 1 && !originals[0].is(entry.tensor)) {
      entry.tensor.set_data(originals[0].array());
      kept->get_parameter("original") = entry.tensor;
    }
    module.computed_.push_back({&entry, kept});
    entry.kind = Module::Kind::computed;
    entry.tensor = Tensor();
  }

  /// The child that holds the lists; a new one if there is none.
  static Module& level(Module& module) {
    for (Slot& slot : module.slots_) {
      if (slot.name() == kChild) {
        return *slot;
      }
    }
    module.add_slot(kChild, std::make_unique<ModuleDict>())->train(module.training());
    return *module.slots_.back();
  }

  static void add(Module& module, const std::string& name, std::unique_ptr<Layer> parametrization) {
    constexpr const char* kOp = "register_parametrization";
    require(parametrization != nullptr, kOp, "the parametrization must not be nullptr");
    check_idle(module, kOp);
    if (const Computed* known = find(module, name)) {
      return append(module, *known->list, std::move(parametrization));
    }
    const auto entry = std::find_if(module.entries_.begin(), module.entries_.end(), [&](const Module::Entry& e) {
      return e.name == name && e.kind == Module::Kind::parameter && e.tensor.defined();
    });
    require(entry != module.entries_.end(), kOp, "Module '", module.type_name(),
            "' does not have a parameter with name '", name, "'");
    begin(module, *entry, std::move(parametrization));
  }

  static void remove(Module& module, const std::string& name, bool leave_parametrized) {
    constexpr const char* kOp = "remove_parametrizations";
    check_idle(module, kOp);
    Computed& one = get(module, name, " to remove");
    const std::vector<Tensor> originals = one.list->originals();
    require(leave_parametrized || originals.size() == 1, kOp,
            "Cannot leave unparametrized (leave_parametrized=false) a tensor that is parametrized in terms of a "
            "sequence of tensors");
    Tensor value = originals[0];
    if (leave_parametrized) {
      const EvalGuard eval(*one.list);
      const Array now = no_grad([&] { return one.list->value(); }).array().clone();
      if (originals.size() == 1) {
        value.set_data(now);
      } else {
        value = Tensor(now, std::any_of(originals.begin(), originals.end(),
                                        [](const Tensor& original) { return original.requires_grad(); }));
      }
    }
    one.entry->tensor = value;
    one.entry->kind = Module::Kind::parameter;
    std::erase_if(module.computed_, [&](const Computed& other) { return other.entry == one.entry; });
    level(module).remove_child(name);
    if (module.computed_.empty()) {
      module.remove_child(kChild);
    }
  }

  static void assign(Module& module, const std::string& name, const Tensor& value) {
    constexpr const char* kOp = "set_parametrized";
    check_idle(module, kOp);
    ParametrizationList& list = *get(module, name, "").list;
    std::vector<Tensor> from = {value};
    const std::vector<Slot*> all = list.children();
    for (auto slot = all.rbegin(); slot != all.rend(); ++slot) {
      from = inverse_of(*(*slot)->layer(), from[0]);
      require(!from.empty(), kOp, (**slot)->type_name(), " does not implement right_inverse");
    }
    const std::vector<Tensor> originals = list.originals();
    for (std::size_t i = 0; i < originals.size(); ++i) {
      require<ShapeError>(from[i].shape() == originals[i].shape(), kOp, "the original must have shape ",
                          originals[i].shape(), ", got ", from[i].shape());
      require<DtypeError>(from[i].dtype() == originals[i].dtype(), kOp, "the original must have dtype ",
                          originals[i].dtype(), ", got ", from[i].dtype());
    }
    for (std::size_t i = 0; i < originals.size(); ++i) {
      Tensor(originals[i]).mutable_array().copy_(from[i].array());
    }
  }
};

using detail::Parametrizing;

void register_parametrization(Module& module, const std::string& name, std::unique_ptr<Layer> parametrization) {
  Parametrizing::add(module, name, std::move(parametrization));
}

void remove_parametrizations(Module& module, const std::string& name, bool leave_parametrized) {
  Parametrizing::remove(module, name, leave_parametrized);
}

void remove_parametrization(Module& module) { remove_parametrizations(module, "weight"); }

bool is_parametrized(const Module& module, const std::string& name) {
  return name.empty() ? module.parametrized() : Parametrizing::find(module, name) != nullptr;
}

Tensor parametrized_value(const Module& module, const std::string& name) {
  return Parametrizing::get(module, name, "").list->value();
}

void set_parametrized(Module& module, const std::string& name, const Tensor& value) {
  Parametrizing::assign(module, name, value);
}

Tensor detail::parameter_for(const char* op, const Module& module, const std::string& name, int least_rank) {
  require<StateError>(!is_parametrized(module, name), op, "the ", name, " of this ", module.type_name(),
                      " has a parametrization already");
  for (const auto& [own, parameter] : module.named_parameters()) {
    if (own == name && parameter.rank() >= least_rank) {
      return parameter;
    }
  }
  fail(op, "a ", module.type_name(), " was given, expected ",
       name == "weight" ? "a Linear, Conv2d or ConvTranspose2d" : concat("a layer with a parameter '", name, "'"));
}

}  // namespace evenkeel::nn
