#pragma once

namespace evenkeel {

/// Whether ops record the graph in this thread (true at start).
bool grad_enabled();
void set_grad_enabled(bool enabled);

/// Sets the grad mode of this thread for a scope; nests, and restores the former mode also when an exception leaves.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool enabled) : before_(grad_enabled()) { set_grad_enabled(enabled); }
  ~GradModeGuard() { set_grad_enabled(before_); }
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;

 private:
  bool before_;
};

/// Nothing is recorded in this scope.
class NoGradGuard : public GradModeGuard {
 public:
  NoGradGuard() : GradModeGuard(false) {}
};

/// Calls f with recording off and returns its result.
template <class F>
decltype(auto) no_grad(F&& f) {
  NoGradGuard guard;
  return f();
}

}  // namespace evenkeel
