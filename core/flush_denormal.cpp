#include "evenkeel/core/flush_denormal.hpp"

#include "evenkeel/core/kernels/simd/flush_denormal.hpp"
#include "evenkeel/core/thread_state.hpp"

namespace evenkeel {

namespace {
[[maybe_unused]] const bool flush_inherited =
    inherit_setting([]() -> std::function<void()> { return [mode = flush_denormal()] { set_flush_denormal(mode); }; });
}  // namespace

bool flush_denormal() { return kernels::simd::flushes_denormal(); }

bool set_flush_denormal(bool mode) {
  kernels::simd::flush_denormal(mode);
  return kernels::simd::kCanFlushDenormal;
}

}  // namespace evenkeel
