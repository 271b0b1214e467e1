#pragma once

#include "evenkeel/core/parallel.hpp"

#include <cstdint>
#include <functional>

namespace evenkeel {

/// A parallel loop that a LoopListener hears of.
struct HeardLoop {
  std::int64_t units = 0, grain = 0;
  int threads = 1;  ///< that would share it; of 1, it would not be handed to other threads
  double ms = 0;    ///< all chunks one after the other, loops inside that are heard of themselves apart
  std::int64_t chunks() const { return (units - 1) / grain + 1; }
};

/// While one lives, the parallel loops of this thread are cut as for num_threads() threads, but run in this thread,
/// chunk after chunk, and it hears of each, also of loops of one chunk. So the work of many threads can be looked at
/// where there are few cores. Loops inside a loop of several threads belong to their chunk. One at a time per thread.
class LoopListener {
 public:
  using Hear = std::function<void(const HeardLoop& loop)>;
  explicit LoopListener(Hear hear);
  ~LoopListener();
  LoopListener(const LoopListener&) = delete;
  LoopListener& operator=(const LoopListener&) = delete;

  /// For parallel_for: takes the time of `all_chunks` and tells of the loop.
  void run(HeardLoop loop, const std::function<void()>& all_chunks);

 private:
  Hear hear_;
  double heard_ms_ = 0;
};

}  // namespace evenkeel
