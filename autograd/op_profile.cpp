#include "evenkeel/autograd/op_profile.hpp"

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

}  // namespace

OpProfile::OpProfile() : last_(now_ms()) {
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

void OpProfile::mark(const std::string& name, const std::string& shape) {
  const double now = now_ms();
  Row& row = rows_.try_emplace({name, shape}, Row{.op = name, .shape = shape}).first->second;
  ++row.calls;
  row.ms += now - last_;
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
    active->mark(std::string(op), concat(result));
  }
}

ProfileFormula::ProfileFormula(std::string_view op, const Shape& dy, std::string_view suffix) {
  if (active != nullptr && !in_formula) [[unlikely]] {
    active->mark("engine");
    name_ = concat(op, suffix);
    shape_ = concat(dy);
    in_formula = true;
  }
}

ProfileFormula::~ProfileFormula() {
  if (!name_.empty()) [[unlikely]] {
    in_formula = false;
    if (active != nullptr) {
      active->mark(name_, shape_);
    }
  }
}

}  // namespace detail

}  // namespace evenkeel
