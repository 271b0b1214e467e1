#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <fstream>
#include <signal.h>
#include <thread>

namespace evenkeel::testing {

/// Whether body() in a forked child returns true within two minutes. The child ends without its parent's destructors.
template <class Body>
bool child_succeeds(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    bool good = false;
    try {
      good = body();
    } catch (...) {
    }
    _exit(good ? 0 : 1);
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  int status = 0;
  while (child > 0 && waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Leaves this process only room for the stacks of about `count` more threads, none for more.
inline bool allow_threads(int count) {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  statm >> pages;
  rlimit stack{};
  getrlimit(RLIMIT_STACK, &stack);
  const rlim_t each = stack.rlim_cur == RLIM_INFINITY ? rlim_t{2} << 20 : stack.rlim_cur;
  const rlim_t bytes =
      static_cast<rlim_t>(pages) * static_cast<rlim_t>(getpagesize()) + each * static_cast<rlim_t>(count) + each / 2;
  const rlimit limit{bytes, bytes};
  return pages > 0 && setrlimit(RLIMIT_AS, &limit) == 0;
}

}  // namespace evenkeel::testing
