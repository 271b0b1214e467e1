// A library to be preloaded: the program ends by SIGKILL in the KILL_AT-th call, from 1, of those that change files
// (open to write, write, fsync, rename, unlink), before the call is made; half of a write is made. With KILL_COUNT=FILE
// the number of such calls that the program made is written to FILE when it ends.

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace {

int calls = 0;
const int kill_at = std::getenv("KILL_AT") != nullptr ? std::atoi(std::getenv("KILL_AT")) : 0;
const pid_t program = getpid();  // not its children

bool is_last() { return program == getpid() && ++calls == kill_at; }

void end() { kill(getpid(), SIGKILL); }

template <class F>
F* real(F* /*own*/, const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

struct Report {
  ~Report() {
    const char* path = std::getenv("KILL_COUNT");
    if (std::FILE* file = path != nullptr && program == getpid() ? std::fopen(path, "w") : nullptr) {
      std::fprintf(file, "%d\n", calls);
      std::fclose(file);
    }
  }
} report;

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) : 0;
  va_end(arguments);
  if ((flags & O_ACCMODE) != O_RDONLY && is_last()) {
    end();
  }
  return real(&open, "open")(path, flags, mode);
}

ssize_t write(int descriptor, const void* data, size_t bytes) {
  static const auto next = real(&write, "write");
  if (is_last()) {
    next(descriptor, data, bytes / 2);
    end();
  }
  return next(descriptor, data, bytes);
}

int fsync(int descriptor) {
  if (is_last()) {
    end();
  }
  return real(&fsync, "fsync")(descriptor);
}

int rename(const char* from, const char* to) {
  if (is_last()) {
    end();
  }
  return real(&rename, "rename")(from, to);
}

int unlink(const char* path) {
  if (is_last()) {
    end();
  }
  return real(&unlink, "unlink")(path);
}

}  // extern "C"
