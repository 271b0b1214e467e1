#include "evenkeel/core/parallel.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/loop_listener.hpp"
#include "evenkeel/core/thread.hpp"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <iterator>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace evenkeel {
namespace {

constexpr int kMaxThreads = 256;  // of one team; a larger num_threads() is allowed, but gains nothing

/// How long a helper looks for the next loop before it sleeps: longer than the serial stretches of a training step (a
/// sleeping helper costs the caller 7 us to wake, and comes 50 us late), short enough to leave the core to others then.
constexpr std::chrono::microseconds kIdleSpin{1000};
/// How often a helper asks to be moved away from the caller's core.
constexpr std::chrono::milliseconds kMovePause{5};
/// How long a caller looks for its helpers' last chunks before it sleeps.
constexpr std::chrono::microseconds kJoinSpin{100};
/// When a system that refused a thread is asked again.
constexpr std::chrono::milliseconds kHirePause{100};

thread_local int chosen_threads = 0;  // 0: not chosen on this thread
thread_local int team_threads = 1;    // of the loop that this thread works for

using Body = std::function<void(std::int64_t, std::int64_t)>;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Waits until `value` is no longer `old`: looks for so long, while `useful`, then sleeps until notified.
template <class Useful>
void await_change(const std::atomic<std::uint32_t>& value, std::uint32_t old, std::chrono::microseconds spin,
                  const Useful& useful) {
  constexpr int kLooks = 64;
  const auto end = std::chrono::steady_clock::now() + spin;
  while (useful() && std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < kLooks; ++i) {
      if (value.load(std::memory_order_acquire) != old) {
        return;
      }
      pause();
    }
  }
  value.wait(old, std::memory_order_acquire);
}

/// Moves this thread to another core than `core`, if it may run on any; where it runs later is the system's choice
/// again.
void leave_core(int core) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || core < 0 || core >= CPU_SETSIZE) {
    return;
  }
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<std::size_t>(core), &others);
  if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof(others), &others) == 0) {
    sched_setaffinity(0, sizeof(allowed), &allowed);
  }
}

struct Chunks {
  std::int64_t begin, end, grain;
  std::int64_t count() const { return (end - begin - 1) / grain + 1; }
  void run(std::int64_t i, const Body& body) const {
    const std::int64_t first = begin + i * grain;
    body(first, end - first > grain ? first + grain : end);
  }
};

/// One loop and its chunks. They are dealt out in consecutive shares, one per thread, so that a thread meets the data
/// it had in its cache after the last call; a thread that is done helps with the others' shares.
class SharedLoop {
 public:
  void start(const Chunks& chunks, int threads, const Body& body) {
    chunks_ = chunks;
    threads_ = threads;
    body_ = &body;
    error_ = nullptr;
    stop_ = false;
    for (int i = 0; i < threads; ++i) {
      share(i).next = chunks.count() * i / threads;
      share(i).end = chunks.count() * (i + 1) / threads;
    }
  }

  void work(int thread) noexcept {
    team_threads = threads_;
    try {
      for (int k = 0; k < threads_; ++k) {
        Share& s = share((thread + k) % threads_);
        for (std::int64_t i = s.next++; i < s.end && !stop_; i = s.next++) {
          chunks_.run(i, *body_);
        }
      }
    } catch (...) {
      if (!stop_.exchange(true)) {
        error_ = std::current_exception();
      }
    }
    team_threads = 1;
  }

  int threads() const { return threads_; }
  std::exception_ptr take_error() { return std::exchange(error_, nullptr); }

 private:
  struct alignas(64) Share {
    std::atomic<std::int64_t> next = 0;
    std::int64_t end = 0;
  };
  Share& share(int i) { return shares_[static_cast<std::size_t>(i)]; }

  Chunks chunks_{};
  int threads_ = 0;
  const Body* body_ = nullptr;
  std::exception_ptr error_;
  std::atomic<bool> stop_ = false;
  std::array<Share, kMaxThreads> shares_;
};

/// The threads that help with loops. They are hired once and stay; a team per loop, as OpenMP's, ends in a barrier
/// where each of its threads is awaited, also one that another process keeps off its core (a training step of 1.2 ms
/// took 130 ms then). Here a loop is open to helpers while it lasts; the caller works through the chunks itself, closes
/// the loop, and awaits only helpers that are inside it. So nothing depends on how many there are: a system that has no
/// more threads gives fewer helpers, and a forked child begins without any and hires its own.
class Team {
 public:
  /// False, and nothing has run, if the team is busy with another thread's loop, or there are no helpers.
  bool run(const Chunks& chunks, int threads, const Body& body) {
    if (busy_.exchange(true, std::memory_order_acquire)) {
      return false;
    }
    if (threads > helpers_ + 1) {
      hire(threads - 1);
      threads = std::min(threads, helpers_ + 1);
    }
    if (threads == 1) {
      busy_.store(false, std::memory_order_release);
      return false;
    }
    loop_.start(chunks, threads, body);
    caller_core_.store(sched_getcpu(), std::memory_order_relaxed);
    gate_.store(kOpen, std::memory_order_release);
    for (int i = 1; i < threads; ++i) {
      bell(i).rings.fetch_add(1);
      bell(i).rings.notify_one();
    }
    loop_.work(0);
    close();
    const std::exception_ptr error = loop_.take_error();
    if (!busy_.exchange(false, std::memory_order_release)) {
      fail<StateError>("parallel_for", "the process forked inside a loop, whose other threads the child lacks");
    }
    if (error) {
      std::rethrow_exception(error);
    }
    return true;
  }

  /// In the child of a fork: of its threads only the caller is left. Where that is inside a loop, run() will say so.
  void forget_helpers() {
    helpers_ = 0;
    gate_ = 0;
    busy_ = false;
  }

 private:
  static constexpr std::uint32_t kOpen = std::uint32_t{1} << 31;  // of gate_; the other bits count helpers inside

  struct alignas(64) Bell {
    std::atomic<std::uint32_t> rings = 0;
  };
  Bell& bell(int helper) { return bells_[static_cast<std::size_t>(helper)]; }

  /// Sees to it that there are that many helpers, or as many as the system has threads for.
  void hire(int helpers) {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_hire_) {
      return;
    }
    try {
      cores_.store(std::max(1, static_cast<int>(process_cores().size())), std::memory_order_relaxed);
      while (helpers_ < helpers) {
        start_thread("parallel_for: can't start a thread", [this, id = helpers_ + 1] { help(id); }).detach();
        ++helpers_;
      }
    } catch (const std::exception&) {
      next_hire_ = now + kHirePause;
    }
  }

  /// A helper's life.
  [[noreturn]] void help(int id) {
    const std::atomic<std::uint32_t>& rings = bell(id).rings;
    std::chrono::steady_clock::time_point moved{};
    for (std::uint32_t heard = 0;;) {
      // Looking on the caller's own core (as where other processes fill the rest) would only delay the caller.
      await_change(rings, heard, kIdleSpin, [&] { return id < cores() && !on_callers_core(); });
      heard = rings.load(std::memory_order_acquire);
      if (on_callers_core() && std::chrono::steady_clock::now() - moved > kMovePause) {
        // Woken there it comes too late for each loop, and the system may leave it there beside an idle core: a step
        // of 58 us took 80 us for as long as 0.1 s.
        leave_core(caller_core_.load(std::memory_order_relaxed));
        moved = std::chrono::steady_clock::now();
      }
      enter_loop(id);
    }
  }

  int cores() const { return cores_.load(std::memory_order_relaxed); }
  bool on_callers_core() const { return caller_core_.load(std::memory_order_relaxed) == sched_getcpu(); }

  /// Works for the loop that is open, if there is one and it wants this helper.
  void enter_loop(int id) {
    std::uint32_t gate = gate_.load(std::memory_order_acquire);
    do {
      if ((gate & kOpen) == 0) {
        return;
      }
    } while (!gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel, std::memory_order_acquire));
    if (id < loop_.threads()) {
      loop_.work(id);
    }
    if (gate_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      gate_.notify_one();
    }
  }

  /// Nobody enters any more; returns when the helpers inside have left.
  void close() {
    std::uint32_t count = gate_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
    while (count != 0) {
      await_change(gate_, count, kJoinSpin, [&] { return loop_.threads() <= cores(); });
      count = gate_.load(std::memory_order_acquire);
    }
  }

  std::atomic<bool> busy_ = false;
  SharedLoop loop_;
  int helpers_ = 0;
  std::chrono::steady_clock::time_point next_hire_{};
  std::atomic<int> cores_ = 1;  // that helpers may run on
  std::atomic<int> caller_core_ = -1;
  alignas(64) std::atomic<std::uint32_t> gate_ = 0;
  std::array<Bell, kMaxThreads> bells_;
};

// Never destroyed, as its helpers outlive main; no local static, so that a fork never finds it half made.
constinit std::atomic<Team*> the_team = nullptr;

void begin_child() {
  if (Team* const team = the_team) {
    team->forget_helpers();
  }
}

Team& team() {
  Team* made = the_team.load(std::memory_order_acquire);
  if (made == nullptr) [[unlikely]] {
    pthread_atfork(nullptr, nullptr, begin_child);  // by two threads at the same time: does no harm
    auto fresh = std::make_unique<Team>();
    if (the_team.compare_exchange_strong(made, fresh.get(), std::memory_order_acq_rel)) {
      made = fresh.release();
    }
  }
  return *made;
}

/// Runs the loop chunk after chunk in this thread, as one of so many, and tells the listener.
void run_heard(const Chunks& chunks, int threads, const Body& body) {
  struct TeamSize {
    explicit TeamSize(int n) { team_threads = n; }
    ~TeamSize() { team_threads = 1; }
  };
  detail::loop_listener->run({chunks.end - chunks.begin, chunks.grain, threads}, [&] {
    const TeamSize size(threads);
    for (std::int64_t i = 0; i < chunks.count(); ++i) {
      chunks.run(i, body);
    }
  });
}

}  // namespace

constinit thread_local LoopListener* detail::loop_listener = nullptr;

int num_threads() { return chosen_threads > 0 ? chosen_threads : omp_get_max_threads(); }

void set_num_threads(int n) {
  require(n >= 1, "set_num_threads", "the number of threads must be at least 1, got ", n);
  chosen_threads = n;
}

ThreadsGuard::ThreadsGuard(int n) : before_(chosen_threads) { set_num_threads(n); }
ThreadsGuard::~ThreadsGuard() { chosen_threads = before_; }

std::vector<int> process_cores() {
  std::vector<int> cores;
  const int places = omp_get_proc_bind() == omp_proc_bind_false ? 0 : omp_get_num_places();
  for (int place = 0; place < places; ++place) {
    std::vector<int> members(static_cast<std::size_t>(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, members.data());
    std::copy_if(members.begin(), members.end(), std::back_inserter(cores),
                 [](int core) { return core >= 0 && core < CPU_SETSIZE; });
  }
  cpu_set_t mask;
  if (cores.empty() && sched_getaffinity(getpid(), sizeof(mask), &mask) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(static_cast<std::size_t>(core), &mask)) {
        cores.push_back(core);
      }
    }
  }
  std::sort(cores.begin(), cores.end());
  cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
  return cores;
}

bool in_parallel() { return team_threads > 1 || omp_in_parallel() != 0; }
int team_size() { return team_threads; }

void detail::parallel_chunks(std::int64_t begin, std::int64_t end, std::int64_t grain, const Body& body) {
  require(grain >= 1, "parallel_for", "the grain must be at least 1, got ", grain);
  if (begin >= end) {
    return;
  }
  const Chunks chunks{begin, end, grain};
  const std::int64_t limit = in_parallel() ? 1 : std::min(num_threads(), kMaxThreads);
  const int threads = static_cast<int>(std::min(limit, chunks.count()));
  if (loop_listener != nullptr && !in_parallel()) [[unlikely]] {
    run_heard(chunks, threads, body);
    return;
  }
  if (threads > 1 && team().run(chunks, threads, body)) {
    return;
  }
  for (std::int64_t i = 0; i < chunks.count(); ++i) {
    chunks.run(i, body);
  }
}

}  // namespace evenkeel
