#pragma once

#include "evenkeel/core/array.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace evenkeel {

/// An AnomalyGuard found NaN or infinity.
class AnomalyError : public ErrorOf<std::runtime_error> {
  using ErrorOf::ErrorOf;
};

/// While one lives (per thread), every op checks its result and every backward its gradients for NaN and infinity; the
/// error names the op, where it was created (module path and call stack) and the shape. Slow; for debugging. A program
/// linked with -rdynamic shows function names in the call stack, others show addresses for addr2line.
class AnomalyGuard {
 public:
  AnomalyGuard();
  ~AnomalyGuard();
  AnomalyGuard(const AnomalyGuard&) = delete;
  AnomalyGuard& operator=(const AnomalyGuard&) = delete;
};
bool anomaly_enabled();

/// Names a part of the model for errors and anomaly reports while it runs ("features.0"); modules open one around each
/// child.
class NameScope {
 public:
  explicit NameScope(std::string name);
  virtual ~NameScope();
  NameScope(const NameScope&) = delete;
  NameScope& operator=(const NameScope&) = delete;
  /// The names of the open scopes of this thread, joined by ".".
  static std::string path();

 protected:
  /// Of a class that makes its name() when it is asked for, which it seldom is.
  NameScope();

 private:
  virtual std::string name() const { return name_; }

  std::string name_;
  const NameScope* outer_;
};

// What anomaly mode asks of record() and of the engine.
namespace detail {

/// Where an op was called: the open NameScopes and the call stack.
struct Origin {
  std::string path;
  std::vector<void*> frames;
};

/// True if this op's result is to be checked: anomaly mode is on and no backward formula is running.
bool check_results();
/// The caller's place; null unless check_results().
std::unique_ptr<Origin> capture_origin();
/// Throws AnomalyError if `value`, the result of `op`, has a NaN or an infinity.
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

}  // namespace detail

}  // namespace evenkeel
