#include "core/parallel.hpp"

#include "core/error.hpp"

#include <omp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>

namespace evenkeel {
namespace {

constexpr int kMaxThreads = 256;  // of one team; a larger num_threads() is allowed, but gains nothing

thread_local int chosen_threads = 0;  // 0: not chosen on this thread

using Body = std::function<void(std::int64_t, std::int64_t)>;

struct Chunks {
  std::int64_t begin, end, grain;
  std::int64_t count() const { return (end - begin - 1) / grain + 1; }
  void run(std::int64_t i, const Body& body) const {
    const std::int64_t first = begin + i * grain;
    body(first, end - first > grain ? first + grain : end);
  }
};

// The chunks are dealt out in consecutive shares, one per thread, so that a thread meets the data it had in its cache
// after the last call; a thread that is done helps with the others' shares.
class Shares {
 public:
  Shares(std::int64_t chunks, int threads) : threads_(threads) {
    for (int i = 0; i < threads; ++i) {
      share(i).next = chunks * i / threads;
      share(i).end = chunks * (i + 1) / threads;
    }
  }

  template <class F>
  void work(int thread, const F& run) {
    for (int k = 0; k < threads_; ++k) {
      Share& s = share((thread + k) % threads_);
      for (std::int64_t i = s.next++; i < s.end && !stop_; i = s.next++) {
        run(i);
      }
    }
  }
  void stop() { stop_ = true; }

 private:
  struct alignas(64) Share {
    std::atomic<std::int64_t> next = 0;
    std::int64_t end = 0;
  };
  Share& share(int i) { return shares_[static_cast<std::size_t>(i)]; }

  int threads_;
  std::atomic<bool> stop_ = false;
  std::array<Share, kMaxThreads> shares_;
};

void run_team(const Chunks& chunks, int threads, const Body& body) {
  Shares shares(chunks.count(), threads);
  std::exception_ptr error;
  std::atomic_flag failed;
#pragma omp parallel num_threads(threads)
  {
    try {
      shares.work(omp_get_thread_num(), [&](std::int64_t i) { chunks.run(i, body); });
    } catch (...) {
      shares.stop();
      if (!failed.test_and_set()) {
        error = std::current_exception();
      }
    }
  }
  if (error) {
    std::rethrow_exception(error);
  }
}

}  // namespace

int num_threads() { return chosen_threads > 0 ? chosen_threads : omp_get_max_threads(); }

void set_num_threads(int n) {
  require(n >= 1, "set_num_threads", "expected at least 1, got ", n);
  chosen_threads = n;
}

bool in_parallel() { return omp_in_parallel() != 0; }

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain, const Body& body) {
  require(grain >= 1, "parallel_for", "the grain must be at least 1, got ", grain);
  if (begin >= end) {
    return;
  }
  const Chunks chunks{begin, end, grain};
  const std::int64_t limit = in_parallel() ? 1 : std::min(num_threads(), kMaxThreads);
  const int threads = static_cast<int>(std::min(limit, chunks.count()));
  if (threads > 1) {
    run_team(chunks, threads, body);
    return;
  }
  for (std::int64_t i = 0; i < chunks.count(); ++i) {
    chunks.run(i, body);
  }
}

}  // namespace evenkeel
