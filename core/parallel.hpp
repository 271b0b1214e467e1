#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace evenkeel {

class LoopListener;

namespace detail {
extern constinit thread_local LoopListener* loop_listener;  ///< of this thread, if there is one (loop_listener.hpp)

void parallel_chunks(std::int64_t begin, std::int64_t end, std::int64_t grain,
                     const std::function<void(std::int64_t, std::int64_t)>& body);
}  // namespace detail

/// Threads that kernels and matrix products use: set_num_threads() on this thread's behalf, else what OpenMP would use
/// (omp_set_num_threads(), OMP_NUM_THREADS, the number of cores). There is one team of threads, kept for the life of
/// the process, that serves one loop at a time; OpenBLAS itself always runs single-threaded inside it. Where the system
/// has no more threads the team is smaller; results do not depend on its size. A forked child has a team of its own; a
/// child that was forked inside a loop's body has to end or to call exec there.
int num_threads();
/// Throws unless n >= 1.
void set_num_threads(int n);

/// Sets the thread count for a scope and restores the former state: where none was chosen, OpenMP's counts again.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int n);
  ~ThreadsGuard();
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int before_;  ///< what set_num_threads() had chosen; 0: nothing
};

/// Calls body(first, last) over consecutive chunks of [begin, end), possibly at the same time. Every chunk but the last
/// has `grain` elements, whatever the thread count, so a result can only depend on the chunk boundaries. Threads are as
/// many as chunks of at least half the grain, and at most num_threads(). Runs in the calling thread when that is one,
/// the call is inside another parallel_for (one level of threads), or the team serves another thread's loop. The caller
/// takes the chunks that no other thread has started, so it never waits for a thread that the system keeps from
/// running, except in the middle of a chunk.
/// An exception in `body` reaches the caller after all chunks stopped.
template <class Body>
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, const Body& body) {
  if (begin < end && grain >= 1 && end - begin <= grain && detail::loop_listener == nullptr) {
    body(begin, end);  // one chunk
  } else {
    detail::parallel_chunks(begin, end, grain, std::cref(body));
  }
}

/// The cores that the process's threads may run on, ascending: OpenMP's places where OMP_PLACES, OMP_PROC_BIND or
/// GOMP_CPU_AFFINITY bind threads to them (main is bound to the first one then), else the affinity mask of main, which
/// is the process's. Empty if unknown.
std::vector<int> process_cores();

/// True inside the body of a parallel_for that runs on more than one thread.
bool in_parallel();

/// Threads of the parallel_for that the caller runs in; 1 outside of one.
int team_size();

/// Elements of elementwise work per chunk: 2 to 3 microseconds in the second-level cache, so that a loop calls as many
/// threads as pay for it (0.3 microseconds each while they wait for the next loop), and sixteen from 131072 on.
inline constexpr std::int64_t kElementGrain = 8192;

/// Units per chunk where each touches `elements` elements: as many as make up `chunk`, at least one.
inline std::int64_t grain_of(std::int64_t elements, std::int64_t chunk = kElementGrain) {
  return elements >= chunk ? 1 : elements > 1 ? chunk / elements : chunk;
}

}  // namespace evenkeel
