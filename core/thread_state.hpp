#pragma once

#include <functional>

namespace evenkeel {

/// Takes down one setting of the calling thread, such as the grad mode, and returns what makes another thread have it.
using CaptureSetting = std::function<void()> (*)();

/// Registers a setting that threads inherit which compute on another one's behalf (the ranks of ThreadGroup::run).
/// Returns true, to be called from the initializer of a variable beside the setting. Settings whose state belongs to
/// one thread alone, as a profile that is being taken, stay with it.
bool inherit_setting(CaptureSetting capture);

/// The registered settings of the calling thread; a call makes the thread that calls it have them.
std::function<void()> capture_settings();

}  // namespace evenkeel
