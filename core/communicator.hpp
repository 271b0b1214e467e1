#pragma once

#include "evenkeel/core/error.hpp"

#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

namespace evenkeel {

/// A rank could not finish a collective call because another one failed, left, or did not come in time.
class CommunicationError : public ErrorOf<std::runtime_error> {
  using ErrorOf::ErrorOf;
};

/// One rank's end of a group that computes together; all that SyncBatchNorm knows of the other ranks. Every rank makes
/// the same calls in the same order.
class Communicator {
 public:
  Communicator() = default;
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  virtual int rank() const = 0;  ///< 0 .. size() - 1
  virtual int size() const = 0;
  /// Replaces values by their elementwise sums over all ranks. The sums are taken in the order of the ranks, so every
  /// rank gets the same bits, whoever comes last. Throws CommunicationError instead of waiting for ever, and on every
  /// rank if the ranks bring different numbers of values.
  virtual void all_reduce_sum(std::span<double> values) = 0;
};

/// The group of one rank: all_reduce_sum leaves the values as they are.
std::shared_ptr<Communicator> local_communicator();

struct ThreadGroupOptions {
  double timeout = 60;  ///< seconds that a rank waits for the others in one call
};

/// Ranks that are threads of this process. A group in which a rank failed stays failed: make a new one.
class ThreadGroup {
 public:
  explicit ThreadGroup(int size, ThreadGroupOptions options = {});
  ~ThreadGroup();
  ThreadGroup(const ThreadGroup&) = delete;
  ThreadGroup& operator=(const ThreadGroup&) = delete;

  int size() const;
  /// The end of rank `rank`, for one thread at a time. Lives as long as anyone holds it, also without the group.
  std::shared_ptr<Communicator> communicator(int rank) const;
  /// Makes every present and later call on the group throw CommunicationError with this reason.
  void abort(const std::string& reason);
  /// Calls body(communicator of the rank) in one thread per rank and waits for all. If a body throws or returns while
  /// others wait for it, those get a CommunicationError at once. Rethrows the lowest rank's own error, if there is one,
  /// else the lowest rank's CommunicationError. The caller's num_threads() are shared out among the ranks, which take
  /// over its other settings: grad mode, AnomalyGuards, NameScopes, the ConvAlgorithmGuard and set_flush_denormal(). No
  /// rank begins before all have their thread: where the system has too few, std::system_error is thrown at once, and
  /// the group is as before.
  void run(const std::function<void(const std::shared_ptr<Communicator>& self)>& body);

 private:
  struct State;
  class Member;
  std::shared_ptr<State> state_;
};

}  // namespace evenkeel
