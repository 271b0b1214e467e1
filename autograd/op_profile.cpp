#include "evenkeel/autograd/op_profile.hpp"

#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/core/error.hpp"

#include <algorithm>
#include <chrono>

namespace evenkeel {

namespace {

thread_local OpProfile* active = nullptr;
thread_local const OpListener::Listen* listening = nullptr;
thread_local bool in_formula = false;

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

OpShapes shapes_of(const OpInputs& inputs, const Shape& result) {
  OpShapes shapes{.result = result, .inputs = {}};
  for (const Tensor& input : inputs) {
    shapes.inputs.push_back(input.defined() ? std::optional(input.shape()) : std::nullopt);
  }
  return shapes;
}

OpShapes backward_shapes(const Node& node, const Shape& dy, std::uint64_t wanted) {
  OpShapes shapes{.result = dy, .inputs = {}, .wanted = wanted};
  for (std::size_t i = 0; i < node.edges.size(); ++i) {
    const bool gets_gradient = node.edges[i] != nullptr && detail::wants(wanted, i);
    shapes.inputs.push_back(gets_gradient ? std::optional(node.edges[i]->shape) : std::nullopt);
  }
  for (const SavedValue& kept : node.saved) {
    if (!kept.value.defined()) {
      continue;
    }
    const auto bytes = kept.value.numel() * static_cast<std::int64_t>(item_size(kept.value.dtype()));
    if (kept.kind == SavedValue::Kind::input) {
      shapes.inputs[kept.index] = kept.value.shape();
      shapes.kept_inputs += bytes;
    } else {
      shapes.kept_others += bytes;
    }
  }
  return shapes;
}

/// What tells rows apart.
std::string key_of(const std::string& name, const OpShapes& shapes) {
  std::string key = concat(name, " ", shapes.result, " ", shapes.wanted);
  for (const std::optional<Shape>& input : shapes.inputs) {
    key += input ? concat(" ", *input) : " -";
  }
  return key;
}

}  // namespace

OpProfile::OpProfile(Heard heard) : heard_(std::move(heard)), last_(now_ms()) {
  require<StateError>(active == nullptr, "OpProfile", "another one lives in this thread");
  active = this;
}

OpProfile::~OpProfile() { active = nullptr; }

std::vector<OpProfile::Row> OpProfile::rows() const {
  std::vector<Row> result;
  for (const auto& [key, row] : rows_) {
    result.push_back(row);
  }
  std::stable_sort(result.begin(), result.end(), [](const Row& a, const Row& b) { return a.ms > b.ms; });
  return result;
}

void OpProfile::mark(const std::string& name) {
  const double ms = now_ms() - last_;
  count(name, {.op = name, .shape = "", .shapes = {}}, ms);
}

void OpProfile::mark(const std::string& name, const std::function<OpShapes()>& shapes) {
  const double ms = now_ms() - last_;
  const OpShapes of = shapes();
  count(key_of(name, of), {.op = name, .shape = concat(of.result), .shapes = of}, ms);
}

void OpProfile::count(const std::string& key, const Row& fresh, double ms) {
  Row& row = rows_.try_emplace(key, fresh).first->second;
  ++row.calls;
  row.ms += ms;
  if (heard_) {
    heard_(row, ms);
  }
  last_ = now_ms();  // what the bookkeeping took is nobody's
}

void OpProfile::reset() {
  rows_.clear();
  last_ = now_ms();
}

OpListener::OpListener(Listen listen) : listen_(std::move(listen)) {
  require<StateError>(listening == nullptr, "OpListener", "another one lives in this thread");
  listening = &listen_;
}

OpListener::~OpListener() { listening = nullptr; }

namespace detail {

void tell_op(std::string_view op, const OpInputs& inputs, const Shape& result) {
  if (listening != nullptr && !in_formula) [[unlikely]] {
    (*listening)(op, inputs);
  }
  if (active != nullptr && !in_formula) [[unlikely]] {
    active->mark(std::string(op), [&] { return shapes_of(inputs, result); });
  }
}

ProfileFormula::ProfileFormula(const Node& node, const Shape& dy, std::uint64_t wanted) {
  if (active != nullptr && !in_formula) [[unlikely]] {
    active->mark("engine");
    node_ = &node;
    dy_ = dy;
    wanted_ = wanted;
    in_formula = true;
  }
}

ProfileFormula::~ProfileFormula() {
  if (node_ != nullptr) [[unlikely]] {
    in_formula = false;
    if (active != nullptr) {
      active->mark(concat(node_->name, " backward"), [this] { return backward_shapes(*node_, dy_, wanted_); });
    }
  }
}

ProfileSum::ProfileSum() : counts_(active != nullptr && !in_formula) {
  if (counts_) [[unlikely]] {
    active->mark("engine");
    in_formula = true;
  }
}

ProfileSum::~ProfileSum() {
  if (counts_) [[unlikely]] {
    in_formula = false;
    if (active != nullptr) {
      active->mark("sum of gradients");
    }
  }
}

}  // namespace detail

}  // namespace evenkeel
