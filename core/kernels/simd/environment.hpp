#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>

namespace evenkeel {

/// What `read` makes of an environment variable. If it throws, the process prints the error as one line and exits with
/// 1: nobody could catch it, since variables are read while the program starts.
template <class Read>
auto from_environment(const Read& read) {
  try {
    return read();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::_Exit(1);
  }
}

}  // namespace evenkeel
