#pragma once

#include <functional>
#include <string>
#include <vector>

namespace evenkeel::test {

/// What happens to one of the calls of open, write, fsync, rename, close, fchmod, flock and unlink that a thread makes
/// while a WatchCalls of it lives.
struct Strike {
  int call = -1;      ///< which of them, from 0 on; below 0: none
  int error = 0;      ///< it fails with this errno
  bool kill = false;  ///< the process ends in it, by SIGKILL
  double part = 0;    ///< a write has written so much of its bytes then; of other calls all (1) or nothing is done
  std::function<void()> meanwhile = {};  ///< called before it, as if by another thread; the call itself is not struck
};

/// Notes the calls of this thread, and strikes one.
class WatchCalls {
 public:
  explicit WatchCalls(Strike strike = {});
  ~WatchCalls();
  WatchCalls(const WatchCalls&) = delete;
  WatchCalls& operator=(const WatchCalls&) = delete;

  /// Their names so far, in order.
  const std::vector<std::string>& calls() const { return calls_; }

 private:
  friend struct Interception;
  Strike strike_;
  std::vector<std::string> calls_;
};

}  // namespace evenkeel::test
