#include "evenkeel/autograd/grad_mode.hpp"

namespace evenkeel {

namespace {
thread_local bool enabled = true;
}  // namespace

bool grad_enabled() { return enabled; }

void set_grad_enabled(bool value) { enabled = value; }

}  // namespace evenkeel
