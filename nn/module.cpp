#include "evenkeel/nn/module.hpp"

#include "evenkeel/nn/state_copies.hpp"

#include <algorithm>
#include <cstdlib>
#include <cxxabi.h>
#include <iterator>
#include <map>
#include <ostream>
#include <set>

namespace evenkeel::nn {

namespace {

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : concat(prefix, ".", name);
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "\"" : ", \"") + name + "\"";
  }
  return text;
}

/// Calls f(name, module) for `module` and everything below it, parents first. M is Module or const Module.
template <class M, class F>
void walk(M& module, const std::string& prefix, const F& f) {
  f(prefix, module);
  for (auto* slot : module.children()) {
    walk<M>(**slot, join(prefix, slot->name()), f);
  }
}

}  // namespace

// ---- Running

Tensor Layer::operator()(const Tensor& x) { return call(*this, x); }

Tensor Layer::operator()(const Tensor& x, const Activation& act) {
  if (!fuses(*this, act)) {
    return detail::run_apart(act, (*this)(x));
  }
  try {
    const detail::ParameterScope parameters(*this);
    Tensor y = dynamic_cast<FusibleNorm&>(*this).forward_activated(x, *act.fused());
    parameters.commit();
    return y;
  } catch (Error& error) {
    error.set_layer(type_name());
    throw;
  }
}

std::string class_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status),
                                                         &std::free);
  const std::string full = status == 0 && text ? text.get() : type.name();
  std::size_t begin = 0;
  int depth = 0;  // of brackets: what stands in them is part of a name
  for (std::size_t i = 0; i < full.size(); ++i) {
    depth += full[i] == '<' || full[i] == '(' ? 1 : full[i] == '>' || full[i] == ')' ? -1 : 0;
    if (depth == 0 && full[i] == ':') {
      begin = i + 1;
    }
  }
  const std::string name = full.substr(begin);
  const std::size_t bracket = name.find('<');
  const bool of_dims = bracket != std::string::npos && bracket + 2 < name.size() &&
                       name.find_first_not_of("0123456789", bracket + 1) == name.size() - 1;
  return of_dims ? name.substr(0, bracket) + name.substr(bracket + 1, name.size() - bracket - 2) + "d" : name;
}

Module::Module() = default;
Module::~Module() = default;

detail::ModuleHooks& Module::hooks() {
  if (hooks_ == nullptr) {
    hooks_ = std::make_shared<detail::ModuleHooks>();
  }
  return *hooks_;
}

std::string Module::type_name() const { return class_name(typeid(*this)); }

// ---- Registration

void Module::check_name(const std::string& name, std::string_view what) const {
  require(!name.empty(), what, what, " name can't be empty string \"\"");
  require(name.find('.') == std::string::npos, what, what, " name can't contain \".\", got: ", name);
  const bool taken =
      std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; }) ||
      std::any_of(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.name() == name; }) ||
      std::any_of(generators_.begin(), generators_.end(), [&](const auto& g) { return g.first == name; });
  require(!taken, what, "attribute '", name, "' already exists");
}

Module::Entry& Module::add_entry(const std::string& name, Array value, Kind kind, std::string_view what) {
  check_name(name, what);
  const bool is_parameter = kind == Kind::parameter;
  entries_.push_back({name, value.defined() ? Tensor(std::move(value), is_parameter) : Tensor(), kind});
  return entries_.back();
}

Tensor& Module::parameter(const std::string& name, Array value) {
  return add_entry(name, std::move(value), Kind::parameter, "parameter").tensor;
}

Tensor& Module::buffer(const std::string& name, Array value) {
  return add_entry(name, std::move(value), Kind::buffer, "buffer").tensor;
}

Tensor& Module::optional_buffer(const std::string& name, Array value) {
  return add_entry(name, std::move(value), Kind::optional_buffer, "buffer").tensor;
}

Generator& Module::generator(const std::string& name, Generator& source) {
  check_name(name, "generator");
  const std::uint64_t stream = source.reserve(1);
  return generators_.emplace_back(name, source.fork(stream)).second;
}

Slot& Module::add_slot(const std::string& name, std::unique_ptr<Module> module) {
  check_name(name, "module");
  return slots_.emplace_back(name, std::move(module), *this);
}

void Module::remove_child(const std::string& name) {
  require<IndexError>(slots_.remove_if([&](const Slot& slot) { return slot.name() == name; }) == 1, "remove_child",
                      type_name(), " has no child named '", name, "'");
}

std::unique_ptr<Module> Module::clone_structure() const { return nullptr; }

Generator& Module::unused_generator() {
  thread_local Generator generator(0);
  return generator;
}

// ---- Listing

std::vector<Slot*> Module::children() {
  std::vector<Slot*> result;
  std::transform(slots_.begin(), slots_.end(), std::back_inserter(result), [](Slot& slot) { return &slot; });
  return result;
}

std::vector<const Slot*> Module::children() const {
  std::vector<const Slot*> result;
  std::transform(slots_.begin(), slots_.end(), std::back_inserter(result), [](const Slot& slot) { return &slot; });
  return result;
}

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::vector<std::pair<std::string, Module*>> result;
  walk(*this, "", [&](const std::string& name, Module& module) { result.emplace_back(name, &module); });
  return result;
}

std::vector<std::pair<std::string, const Module*>> Module::named_modules() const {
  std::vector<std::pair<std::string, const Module*>> result;
  walk(*this, "", [&](const std::string& name, const Module& module) { result.emplace_back(name, &module); });
  return result;
}

void Module::for_each_entry(const std::function<void(const std::string&, const Entry&)>& f) const {
  walk(*this, "", [&](const std::string& prefix, const Module& module) {
    for (const bool parameters_now : {true, false}) {
      for (const Entry& entry : module.entries_) {
        const bool listed = entry.tensor.defined() && entry.kind != Kind::computed;
        if (listed && (entry.kind == Kind::parameter) == parameters_now) {
          f(join(prefix, entry.name), entry);
        }
      }
    }
  });
}

std::vector<std::pair<std::string, Tensor>> Module::named_parameters() const {
  std::vector<std::pair<std::string, Tensor>> result;
  for_each_entry([&](const std::string& name, const Entry& entry) {
    const bool listed =
        std::any_of(result.begin(), result.end(), [&](const auto& other) { return other.second.is(entry.tensor); });
    if (entry.kind == Kind::parameter && !listed) {
      result.emplace_back(name, entry.tensor);
    }
  });
  return result;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> result;
  for (auto& [name, tensor] : named_parameters()) {
    result.push_back(std::move(tensor));
  }
  return result;
}

std::vector<std::pair<std::string, Tensor>> Module::named_buffers() const {
  std::vector<std::pair<std::string, Tensor>> result;
  for_each_entry([&](const std::string& name, const Entry& entry) {
    if (entry.kind != Kind::parameter) {
      result.emplace_back(name, entry.tensor);
    }
  });
  return result;
}

const Slot& Module::child(const std::string& name) const {
  const std::size_t dot = name.find('.');
  const std::string first = name.substr(0, dot);
  std::vector<std::string> known;
  for (const Slot& slot : slots_) {
    if (slot.name() == first) {
      return dot == std::string::npos ? slot : std::as_const(*slot).child(name.substr(dot + 1));
    }
    known.push_back(slot.name());
  }
  fail<IndexError>("child", type_name(), " has no child named '", first, "'; it has ",
                   known.empty() ? "none" : quoted_list(known));
}

Slot& Module::child(const std::string& name) { return const_cast<Slot&>(std::as_const(*this).child(name)); }

Module::Entry& Module::entry(const std::string& name, bool is_parameter) {
  const std::size_t dot = name.rfind('.');
  Module& owner = dot == std::string::npos ? *this : *child(name.substr(0, dot));
  const std::string last = dot == std::string::npos ? name : name.substr(dot + 1);
  const char* op = is_parameter ? "get_parameter" : "get_buffer";
  for (Entry& e : owner.entries_) {
    if (e.name == last) {
      require<StateError>(e.kind != Kind::computed, op, "'", name, "' of ", type_name(),
                          " is computed; see parametrized_value, and for its originals parametrizations.", last);
      require((e.kind == Kind::parameter) == is_parameter, op, "'", name, "' of ", type_name(),
              is_parameter ? " is a buffer, not a parameter" : " is a parameter, not a buffer");
      return e;
    }
  }
  fail<IndexError>(op, owner.type_name(), " has no attribute '", last, "' (asked for '", name, "')");
}

Tensor& Module::get_parameter(const std::string& name) { return entry(name, true).tensor; }

Tensor& Module::get_buffer(const std::string& name) { return entry(name, false).tensor; }

std::int64_t Module::num_parameters(bool trainable_only) const {
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters()) {
    count += !trainable_only || parameter.requires_grad() ? parameter.numel() : 0;
  }
  return count;
}

// ---- Changing everything

Module& Module::train(bool mode) {
  on_train(mode);
  for (Slot& slot : slots_) {
    slot->train(mode);
  }
  return *this;
}

EvalGuard::EvalGuard(Module& module) {
  for (const auto& [name, part] : module.named_modules()) {
    before_.emplace_back(part, part->training());
  }
  module.eval();
}

EvalGuard::~EvalGuard() {
  // Parents come first, so a child's own mode is what stays.
  for (const auto& [part, mode] : before_) {
    part->train(mode);
  }
}

Module& Module::apply(const std::function<void(Module&)>& f) {
  for (Slot& slot : slots_) {
    slot->apply(f);
  }
  f(*this);
  return *this;
}

Module& Module::to(DType dtype) {
  require<DtypeError>(is_floating(dtype), "Module::to",
                      "only accepts floating point dtypes, but got desired dtype=", dtype);
  const auto convert = [&](Module& module) {
    for (Entry& e : module.entries_) {
      if (e.kind == Kind::computed || !e.tensor.defined() || !is_floating(e.tensor.dtype()) ||
          e.tensor.dtype() == dtype) {
        continue;
      }
      const Tensor grad = e.tensor.grad();
      e.tensor.set_grad({});
      e.tensor.set_data(e.tensor.array().to(dtype));
      if (grad.defined()) {
        e.tensor.set_grad(Tensor(grad.array().to(dtype)));
      }
    }
  };
  return apply(convert);
}

Module& Module::requires_grad_(bool requires_grad) {
  for (Tensor& parameter : parameters()) {
    parameter.requires_grad_(requires_grad);
  }
  return *this;
}

void Module::zero_grad(bool set_to_none) {
  for (Tensor& parameter : parameters()) {
    parameter.zero_grad(set_to_none);
  }
}

// ---- State

StateDict Module::state_dict() const {
  StateDict state;
  for_each_entry([&](const std::string& name, const Entry& entry) { state.emplace_back(name, entry.tensor.array()); });
  return state;
}

LoadReport Module::load_state_dict(const StateDict& state, bool strict) {
  LoadReport report;
  plan_load_state_dict(state, strict, &report).commit();
  return report;
}

namespace {

void fail_to_load(const std::string& type, const std::vector<std::string>& errors) {
  std::string text = concat("Error(s) in loading state_dict for ", type, ":");
  for (const std::string& error : errors) {
    text += concat("\n\t", error);
  }
  fail("load_state_dict", text);
}

}  // namespace

LoadPlan Module::plan_load_state_dict(const StateDict& loaded, bool strict, LoadReport* wanted_report) {
  StateDict state = loaded;
  walk(std::as_const(*this), "", [&](const std::string& prefix, const Module& module) {
    module.upgrade_state(prefix.empty() ? "" : prefix + ".", state);
  });
  std::map<std::string, const Array*> given;
  std::vector<std::string> errors;
  for (const auto& [name, value] : state) {
    if (!given.emplace(name, &value).second) {
      errors.push_back(concat("Duplicate key in state_dict: \"", name, "\"."));
    }
  }
  LoadReport report;
  std::vector<detail::StateCopy> copies;
  std::set<std::string> known;
  for_each_entry([&](const std::string& name, const Entry& entry) {
    known.insert(name);
    const auto found = given.find(name);
    if (found != given.end()) {
      const std::string error = detail::misfit(name, *found->second, entry.tensor.array());
      if (!error.empty()) {
        errors.push_back(error);
      } else {
        copies.push_back({name, entry.tensor, found->second});
      }
    } else if (entry.kind != Kind::optional_buffer) {
      report.missing.push_back(name);
    }
  });
  for (const auto& [name, value] : state) {
    if (!known.contains(name)) {
      report.unexpected.push_back(name);
    }
  }
  std::ranges::copy(detail::conflicts(copies), std::back_inserter(errors));
  if (strict && !report.unexpected.empty()) {
    errors.insert(errors.begin(), concat("Unexpected key(s) in state_dict: ", quoted_list(report.unexpected), "."));
  }
  if (strict && !report.missing.empty()) {
    errors.insert(errors.begin(), concat("Missing key(s) in state_dict: ", quoted_list(report.missing), "."));
  }
  if (!errors.empty()) {
    fail_to_load(type_name(), errors);
  }
  LoadPlan plan = detail::plan_copies(copies);
  if (wanted_report != nullptr) {
    *wanted_report = std::move(report);
  }
  return plan;
}

StateDict Module::generator_state() const {
  StateDict state;
  walk(*this, "", [&](const std::string& prefix, const Module& module) {
    for (const auto& [name, own] : module.generators_) {
      state.emplace_back(join(prefix, name), state_array(own));
    }
  });
  return state;
}

LoadPlan Module::plan_load_generator_state(const StateDict& state) {
  const StateDict present = generator_state();
  require(state.size() == present.size(), "load_generator_state", "got ", state.size(), " generators, ", type_name(),
          " has ", present.size());
  std::map<std::string, Generator::State> wanted;
  for (const auto& [name, value] : state) {
    wanted[name] = state_from_array(value, "load_generator_state", name);
  }
  for (const auto& [name, value] : present) {
    require(wanted.contains(name), "load_generator_state", "no state for '", name, "' of ", type_name());
  }
  LoadPlan plan;
  walk(*this, "", [&](const std::string& prefix, Module& module) {
    for (auto& [name, own] : module.generators_) {
      plan.add([&own = own, state = wanted.at(join(prefix, name))] { own.set_state(state); });
    }
  });
  return plan;
}

// ---- Printing

namespace {

std::string indent_following_lines(const std::string& text) {
  std::string result;
  for (const char c : text) {
    result += c;
    if (c == '\n') {
      result += "  ";
    }
  }
  return result;
}

}  // namespace

std::string remarks(const Module& module) {
  std::string text = module.remark();
  bool some = false, frozen = true;
  for (const auto& [name, parameter] : module.named_parameters()) {
    if (name.find('.') == std::string::npos) {
      some = true;
      frozen = frozen && !parameter.requires_grad();
    }
  }
  return some && frozen ? concat(text, text.empty() ? "" : ", ", "parameters frozen") : text;
}

std::string Module::printed() const {
  const std::string extra = extra_repr(), remark = remarks(*this);
  const std::string end = remark.empty() ? ")" : concat(")  # ", remark);
  if (slots_.empty() && extra.find('\n') == std::string::npos) {
    return concat(type_name(), "(", extra, end);
  }
  std::string body = extra.empty() ? "" : concat("\n", extra);
  for (const Slot& slot : slots_) {
    body += concat("\n(", slot.name(), "): ", to_string(*slot));
  }
  return concat(type_name(), "(", indent_following_lines(body), "\n", end);
}

std::string to_string(const Module& module) { return module.printed(); }

std::ostream& operator<<(std::ostream& out, const Module& module) { return out << to_string(module); }

}  // namespace evenkeel::nn
