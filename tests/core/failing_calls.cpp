#include "tests/core/failing_calls.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>

namespace evenkeel::test {

namespace {
thread_local WatchCalls* watch = nullptr;
}

WatchCalls::WatchCalls(Strike strike) : strike_(strike) { watch = this; }
WatchCalls::~WatchCalls() { watch = nullptr; }

struct Interception {
  /// Makes the call real(part): all of it for part 1. Fails, ends or leaves out what the strike says.
  template <class Real>
  static long run(const char* name, const Real& real) {
    WatchCalls* const current = watch;
    if (current == nullptr) {
      return real(1.0);
    }
    const Strike& strike = current->strike_;
    const bool struck = static_cast<int>(current->calls_.size()) == strike.call;
    watch = nullptr;  // what is done to note a call is none
    current->calls_.emplace_back(name);
    if (struck && strike.meanwhile) {
      strike.meanwhile();
    }
    watch = current;
    if (!struck || strike.meanwhile) {
      return real(1.0);
    }
    if (strike.part == 0 && !strike.kill && std::string_view(name) == "close") {
      real(1.0);  // the descriptor is gone even if close fails
    }
    const long result = strike.part > 0 ? real(strike.part) : 0;
    if (strike.kill) {
      kill(getpid(), SIGKILL);
    }
    if (strike.error != 0) {
      errno = strike.error;
      return -1;
    }
    return result;
  }
};

}  // namespace evenkeel::test

// In the place of the C library's, for the whole program.
using evenkeel::test::Interception;
extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) : 0;
  va_end(arguments);
  return static_cast<int>(
      Interception::run("open", [&](double) { return syscall(SYS_openat, AT_FDCWD, path, flags, mode); }));
}

ssize_t write(int descriptor, const void* data, size_t bytes) {
  return Interception::run("write", [&](double part) {
    return syscall(SYS_write, descriptor, data, static_cast<size_t>(static_cast<double>(bytes) * part));
  });
}

int fsync(int descriptor) {
  return static_cast<int>(Interception::run("fsync", [&](double) { return syscall(SYS_fsync, descriptor); }));
}

int close(int descriptor) {
  return static_cast<int>(Interception::run("close", [&](double) { return syscall(SYS_close, descriptor); }));
}

int rename(const char* from, const char* to) noexcept {
  return static_cast<int>(
      Interception::run("rename", [&](double) { return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); }));
}

int fchmod(int descriptor, mode_t mode) noexcept {
  return static_cast<int>(Interception::run("fchmod", [&](double) { return syscall(SYS_fchmod, descriptor, mode); }));
}

int flock(int descriptor, int operation) noexcept {
  return static_cast<int>(
      Interception::run("flock", [&](double) { return syscall(SYS_flock, descriptor, operation); }));
}

int unlink(const char* path) noexcept {
  return static_cast<int>(
      Interception::run("unlink", [&](double) { return syscall(SYS_unlinkat, AT_FDCWD, path, 0); }));
}
}
