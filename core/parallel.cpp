#include "evenkeel/core/parallel.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/flush_denormal.hpp"
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
#include <limits>
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
/// sleeping helper costs 7 us to wake, and comes 50 us late), short enough to leave the core to others then.
constexpr std::chrono::microseconds kIdleSpin{1000};
/// After so long it offers its core between two looks, so that another process's thread need not wait for its sleep.
constexpr std::chrono::microseconds kPoliteSpin{50};
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

/// Looks until `found` for so long at most, while `useful`; true if it found.
template <class Found, class Useful>
bool look(std::chrono::microseconds most, const Found& found, const Useful& useful) {
  constexpr int kLooks = 64;
  const auto start = std::chrono::steady_clock::now();
  for (auto now = start; now < start + most && useful(); now = std::chrono::steady_clock::now()) {
    for (int i = 0; i < kLooks; ++i) {
      if (found()) {
        return true;
      }
      pause();
    }
    if (now > start + kPoliteSpin) {
      sched_yield();
    }
  }
  return false;
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
  /// Threads that have work enough: a last chunk of less than half the size is no reason to call another one.
  std::int64_t worth() const { return (end - begin) / grain + ((end - begin) % grain >= grain - grain / 2 ? 1 : 0); }
  void run(std::int64_t i, const Body& body) const {
    const std::int64_t first = begin + i * grain;
    body(first, end - first > grain ? first + grain : end);
  }
};

/// One loop and its chunks. They are dealt out in consecutive shares, one per thread, so that a thread meets the data
/// it had in its cache after the last call; a thread that is done helps with the others' shares.
class SharedLoop {
 public:
  static bool can_count(std::int64_t chunks) { return chunks <= std::numeric_limits<std::uint32_t>::max(); }

  /// Writes nothing that the threads of the last loop wrote: fetching a line per thread took longer than a short loop.
  void start(const Chunks& chunks, int threads, const Body& body) {
    chunks_ = chunks;
    threads_ = threads;
    per_thread_ = chunks.count() / threads;
    left_over_ = chunks.count() % threads;
    body_ = &body;
    error_ = nullptr;
    stop_ = false;
    flush_denormal_ = flush_denormal();
    if (++number_ == 0) {  // the shares' numbers would seem new
      for (Share& share : shares_) {
        share.taken.store(0, std::memory_order_relaxed);
      }
      number_ = 1;
    }
  }

  void work(int thread) noexcept {
    team_threads = threads_;
    if (flush_denormal() != flush_denormal_) {
      set_flush_denormal(flush_denormal_);  // as the caller, so that who computes a chunk makes no difference
    }
    try {
      for (int k = 0; k < threads_; ++k) {
        const int owner = thread + k < threads_ ? thread + k : thread + k - threads_;
        for (std::int64_t i = claim(owner); i >= 0 && !stop_; i = claim(owner)) {
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

  std::exception_ptr take_error() { return std::exchange(error_, nullptr); }

 private:
  static constexpr int kNumberShift = 32;
  struct alignas(64) Share {
    std::atomic<std::uint64_t> taken = 0;  ///< the loop's number, and below it how many chunks of the share are taken
  };

  /// Takes the next chunk of a thread's share; -1 if none is left. Where none is, it only reads.
  std::int64_t claim(int owner) {
    const std::int64_t size = per_thread_ + (owner < left_over_ ? 1 : 0);
    std::atomic<std::uint64_t>& taken = shares_[static_cast<std::size_t>(owner)].taken;
    for (std::uint64_t seen = taken.load(std::memory_order_relaxed);;) {
      const std::int64_t place = seen >> kNumberShift == number_ ? static_cast<std::uint32_t>(seen) : 0;
      if (place >= size) {
        return -1;
      }
      const std::uint64_t next = (std::uint64_t{number_} << kNumberShift) + static_cast<std::uint64_t>(place) + 1;
      if (taken.compare_exchange_weak(seen, next, std::memory_order_relaxed)) {
        return owner * per_thread_ + std::min<std::int64_t>(owner, left_over_) + place;
      }
    }
  }

  Chunks chunks_{};
  int threads_ = 0;
  std::int64_t per_thread_ = 0, left_over_ = 0;  // chunks; the first threads have one of the latter each
  std::uint32_t number_ = 0;
  const Body* body_ = nullptr;
  std::exception_ptr error_;
  std::atomic<bool> stop_ = false;
  bool flush_denormal_ = false;
  std::array<Share, kMaxThreads> shares_;
};

/// What a helper has to know of the caller, in one aligned word, so that a call costs one line of the cache.
struct alignas(std::uint64_t) Call {
  std::uint32_t number = 0;   ///< of the loop
  std::uint16_t threads = 0;  ///< that it is open to: those with smaller numbers; 0: closed
  std::int16_t core = -1;     ///< where the caller runs

  bool operator==(const Call&) const = default;
};
static_assert(std::atomic<Call>::is_always_lock_free);

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
    Call call = call_.load(std::memory_order_relaxed);
    call = {.number = call.number + 1,
            .threads = static_cast<std::uint16_t>(threads),
            .core = static_cast<std::int16_t>(sched_getcpu())};
    call_.store(call);
    wake_next(0, threads);
    loop_.work(0);
    call.threads = 0;
    call_.store(call);
    await_helpers(threads);
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
    for (int i = 0; i <= helpers_; ++i) {
      place(i) = kOutside;
      asleep(i) = kAwake;
    }
    helpers_ = 0;
    Call call = call_;
    call.threads = 0;
    call_ = call;
    busy_ = false;
  }

 private:
  // Of Member::place; kAwaited: inside, and the caller sleeps until it leaves.
  static constexpr std::uint32_t kOutside = 0, kInside = 1, kAwaited = 2;
  // Of Member::asleep.
  static constexpr std::uint32_t kAwake = 0, kAsleep = 1;

  struct Member {
    alignas(64) std::atomic<std::uint32_t> place = kOutside;
    alignas(64) std::atomic<std::uint32_t> asleep = kAwake;
  };
  std::atomic<std::uint32_t>& place(int helper) { return members_[static_cast<std::size_t>(helper)].place; }
  std::atomic<std::uint32_t>& asleep(int helper) { return members_[static_cast<std::size_t>(helper)].asleep; }

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

  /// Each thread that enters a loop wakes two others, if they sleep: waking all would take the caller 7 us each.
  void wake_next(int thread, int threads) {
    for (int next = 2 * thread + 1; next <= 2 * thread + 2 && next < threads; ++next) {
      if (asleep(next).load() == kAsleep && asleep(next).exchange(kAwake) == kAsleep) {
        asleep(next).notify_one();
      }
    }
  }

  /// A helper's life.
  [[noreturn]] void help(int id) {
    std::chrono::steady_clock::time_point moved{};
    for (Call call;;) {
      call = await_call(id, call.number);
      if (on_callers_core() && std::chrono::steady_clock::now() - moved > kMovePause) {
        // Woken there it comes too late for each loop, and the system may leave it there beside an idle core: a step
        // of 58 us took 80 us for as long as 0.1 s.
        leave_core(call.core);
        moved = std::chrono::steady_clock::now();
      }
      // Either the caller still finds this one inside, or this one finds the loop closed.
      place(id).store(kInside);
      if (call_.load() == call) {
        wake_next(id, call.threads);
        loop_.work(id);
      }
      if (place(id).exchange(kOutside, std::memory_order_acq_rel) == kAwaited) {
        place(id).notify_one();
      }
    }
  }

  /// The next loop after that of a number that wants this helper.
  Call await_call(int id, std::uint32_t number) {
    Call call;
    const auto wanted = [&] {
      call = call_.load();
      return call.threads > id && call.number != number;
    };
    // Looking on the caller's own core (as where other processes fill the rest) would only delay the caller.
    while (!look(kIdleSpin, wanted, [&] { return id < cores() && !on_callers_core(); })) {
      asleep(id).store(kAsleep);
      if (wanted()) {  // perhaps it was called before it could be seen asleep
        asleep(id).store(kAwake);
        break;
      }
      asleep(id).wait(kAsleep);
    }
    return call;
  }

  int cores() const { return cores_.load(std::memory_order_relaxed); }
  bool on_callers_core() const { return call_.load(std::memory_order_relaxed).core == sched_getcpu(); }

  /// Nobody enters any more; returns when the helpers inside have left.
  void await_helpers(int threads) {
    for (int i = 1; i < threads; ++i) {
      const auto outside = [&] { return place(i).load() == kOutside; };
      if (outside() || look(kJoinSpin, outside, [&] { return threads <= cores(); })) {
        continue;
      }
      std::uint32_t seen = kInside;
      if (place(i).compare_exchange_strong(seen, kAwaited)) {
        place(i).wait(kAwaited);
      }
    }
  }

  std::atomic<bool> busy_ = false;
  SharedLoop loop_;
  int helpers_ = 0;
  std::chrono::steady_clock::time_point next_hire_{};
  std::atomic<int> cores_ = 1;  // that helpers may run on
  alignas(64) std::atomic<Call> call_ = Call{};
  std::array<Member, kMaxThreads> members_;
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
  const int threads = static_cast<int>(std::min(limit, std::max<std::int64_t>(1, chunks.worth())));
  if (loop_listener != nullptr && !in_parallel()) [[unlikely]] {
    run_heard(chunks, threads, body);
    return;
  }
  if (threads > 1 && SharedLoop::can_count(chunks.count()) && team().run(chunks, threads, body)) {
    return;
  }
  for (std::int64_t i = 0; i < chunks.count(); ++i) {
    chunks.run(i, body);
  }
}

}  // namespace evenkeel
