#pragma once

#include "evenkeel/core/array.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

// What anomaly mode (AnomalyGuard, autograd/engine.hpp) asks of record() and of the engine.

namespace evenkeel::detail {

/// Where an op was called: the open NameScopes and the call stack.
struct Origin {
  std::string path;
  std::vector<void*> frames;
};

/// True if this op's result is to be checked: anomaly mode is on and no backward formula is running.
bool check_results();
/// The caller's place; null unless check_results().
std::unique_ptr<Origin> capture_origin();
/// Throws std::runtime_error if `value`, the result of `op`, has a NaN or an infinity.
void check_result(std::string_view op, const Array& value);
/// The same for the gradient that the backward of `op` gave for input `index`; `origin` may be null.
void check_gradient(std::string_view op, std::size_t index, const Array& gradient, const Origin* origin);

/// While one lives, check_results() is false: a backward formula answers for all of its ops.
class FormulaScope {
 public:
  FormulaScope();
  ~FormulaScope();
  FormulaScope(const FormulaScope&) = delete;
  FormulaScope& operator=(const FormulaScope&) = delete;
};

}  // namespace evenkeel::detail
