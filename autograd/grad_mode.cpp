#include "evenkeel/autograd/grad_mode.hpp"

#include "evenkeel/core/thread_state.hpp"

namespace evenkeel {

namespace {
thread_local bool enabled = true;

[[maybe_unused]] const bool grad_mode_inherited =
    inherit_setting([]() -> std::function<void()> { return [mode = enabled] { enabled = mode; }; });
}  // namespace

bool grad_enabled() { return enabled; }

void set_grad_enabled(bool value) { enabled = value; }

}  // namespace evenkeel
