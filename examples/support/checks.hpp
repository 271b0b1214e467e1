#pragma once

#include "examples/support/text.hpp"

#include <string>

namespace evenkeel::examples {

/// The claims that a demo makes about its own numbers, each printed with its verdict.
class Checks {
 public:
  void expect(bool holds, const std::string& claim) {
    say("  [%s] %s\n", holds ? "ok" : "WRONG", claim.c_str());
    failed_ = failed_ || !holds;
  }
  /// 1 if a claim did not hold.
  int exit_code() const { return failed_ ? 1 : 0; }

 private:
  bool failed_ = false;
};

}  // namespace evenkeel::examples
