#pragma once

namespace evenkeel {

/// Whether this thread takes denormal numbers (of float32 those below 1.2e-38 in magnitude, of float64 below 2.2e-308)
/// for 0, as results and as operands of all its arithmetic, not only the library's. False at start: denormals are
/// numbers as others, but processors may need a hundred cycles for each.
bool flush_denormal();

/// Switches that for this thread, the parallel loops that it starts, and ranks that it runs (torch.set_flush_denormal).
/// Returns whether the machine can; if not, nothing has changed. Other threads of the program keep their own mode.
bool set_flush_denormal(bool mode);

/// set_flush_denormal() for a scope; restores the former mode also when an exception leaves.
class FlushDenormalGuard {
 public:
  explicit FlushDenormalGuard(bool mode) : before_(flush_denormal()) { set_flush_denormal(mode); }
  ~FlushDenormalGuard() { set_flush_denormal(before_); }
  FlushDenormalGuard(const FlushDenormalGuard&) = delete;
  FlushDenormalGuard& operator=(const FlushDenormalGuard&) = delete;

 private:
  bool before_;
};

}  // namespace evenkeel
