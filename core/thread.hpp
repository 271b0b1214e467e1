#pragma once

#include <functional>
#include <string>
#include <thread>

namespace evenkeel {

/// Starts a thread of the library's own: it may run wherever the process may (process_cores()), whereas a std::thread
/// inherits the cores of the one that starts it, which may be bound to a single one. Throws std::system_error with the
/// text "<failure>: <the system's reason>" where the system has no more threads.
std::thread start_thread(const std::string& failure, std::function<void()> work);

}  // namespace evenkeel
