#include "evenkeel/core/parallel.hpp"

#include "evenkeel/core/loop_listener.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <sched.h>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace evenkeel;

extern "C" {  // OpenMP's
int omp_get_num_procs();
int omp_get_proc_bind();
void omp_set_num_threads(int count);
}

namespace {

std::vector<int> cores_of(pid_t thread) {
  cpu_set_t mask;
  REQUIRE(sched_getaffinity(thread, sizeof(mask), &mask) == 0);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<std::size_t>(core), &mask)) {
      cores.push_back(core);
    }
  }
  return cores;
}

/// Binds the calling thread to the last core of its mask.
void bind_to_one_core() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(static_cast<std::size_t>(cores_of(0).back()), &mask);
  REQUIRE(sched_setaffinity(0, sizeof(mask), &mask) == 0);
}

using Range = std::pair<std::int64_t, std::int64_t>;

std::multiset<Range> chunks_of(std::int64_t begin, std::int64_t end, std::int64_t grain) {
  std::mutex mutex;
  std::multiset<Range> chunks;
  parallel_for(begin, end, grain, [&](std::int64_t first, std::int64_t last) {
    const std::lock_guard lock(mutex);
    chunks.emplace(first, last);
  });
  return chunks;
}

}  // namespace

TEST_CASE("the chunks cover the range and do not depend on the thread count") {
  for (int threads : {1, 2, 3, 7}) {
    const ThreadsGuard guard(threads);
    CHECK(chunks_of(3, 13, 4) == std::multiset<Range>{{3, 7}, {7, 11}, {11, 13}});
    CHECK(chunks_of(-5, -2, 1) == std::multiset<Range>{{-5, -4}, {-4, -3}, {-3, -2}});
    CHECK(chunks_of(0, 3, 100) == std::multiset<Range>{{0, 3}});
    CHECK(chunks_of(4, 4, 1).empty());
    CHECK(chunks_of(5, 4, 1).empty());
    CHECK(chunks_of(0, 1001, 1).size() == 1001);
  }
  CHECK_THROWS_AS(parallel_for(0, 10, 0, [](std::int64_t, std::int64_t) {}), std::invalid_argument);
}

TEST_CASE("several threads take part") {
  const ThreadsGuard guard(2);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  std::atomic<int> entered = 0;
  // The first chunk of each thread waits for the other's, so both must run at the same time.
  parallel_for(0, 2, 1, [&](std::int64_t, std::int64_t) {
    ++entered;
    while (entered < 2) {
      std::this_thread::yield();
    }
    CHECK(in_parallel());
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  CHECK(ids.size() == 2);
  CHECK_FALSE(in_parallel());
}

TEST_CASE("a nested call runs inside its thread") {
  const ThreadsGuard guard(2);
  std::atomic<std::int64_t> sum = 0;
  std::atomic<int> strangers = 0;
  parallel_for(0, 6, 1, [&](std::int64_t outer, std::int64_t) {
    const auto self = std::this_thread::get_id();
    parallel_for(0, 10, 3, [&](std::int64_t first, std::int64_t last) {
      strangers += std::this_thread::get_id() == self ? 0 : 1;
      sum += outer * (last - first);
    });
  });
  CHECK(sum == 150);
  CHECK(strangers == 0);
}

TEST_CASE("an exception in the body reaches the caller") {
  for (int threads : {1, 2, 5}) {
    const ThreadsGuard guard(threads);
    for (std::int64_t thrower : {0, 17, 99}) {
      const auto work = [&](std::int64_t first, std::int64_t) {
        if (first == thrower) {
          throw std::runtime_error("chunk " + std::to_string(first));
        }
      };
      CHECK_THROWS_WITH_AS(parallel_for(0, 100, 1, work), doctest::Contains("chunk "), std::runtime_error);
    }
    CHECK_THROWS_AS(parallel_for(0, 100, 1, [](std::int64_t, std::int64_t) { throw 3; }), int);
    CHECK(chunks_of(0, 10, 1).size() == 10);
  }
}

TEST_CASE("the thread count belongs to a scope and to a thread") {
  const int before = num_threads();
  CHECK(before >= 1);
  {
    const ThreadsGuard guard(before + 3);
    CHECK(num_threads() == before + 3);
    int elsewhere = 0;
    std::thread([&] { elsewhere = num_threads(); }).join();
    CHECK(elsewhere == before);
  }
  CHECK(num_threads() == before);
  CHECK_THROWS_WITH(set_num_threads(0), "set_num_threads: the number of threads must be at least 1, got 0");
  CHECK(num_threads() == before);
}

TEST_CASE("outside of a guard OpenMP's thread count holds, also after one") {
  int inside = 0, after = 0, after_throw = 0;
  std::thread([&] {  // OpenMP's count is this thread's
    {
      const ThreadsGuard guard(2);
      inside = num_threads();
    }
    omp_set_num_threads(5);
    after = num_threads();
    CHECK_THROWS(ThreadsGuard(0));
    omp_set_num_threads(6);
    after_throw = num_threads();
  })
      .join();
  CHECK(inside == 2);
  CHECK(after == 5);
  CHECK(after_throw == 6);
}

TEST_CASE("helpers run wherever the process may, whoever hires them") {
  // With OpenMP's places (all threads of the machine, see tests/CMakeLists.txt) main is bound to one of them, else it
  // has the process's mask.
  if (omp_get_proc_bind() == 0) {
    CHECK(process_cores() == cores_of(getpid()));
  } else {
    CHECK(std::ssize(process_cores()) == omp_get_num_procs());
  }
  std::mutex mutex;
  std::set<std::vector<int>> masks;
  std::thread([&] {
    bind_to_one_core();
    constexpr int kThreads = 11;  // more than other cases have hired
    const ThreadsGuard guard(kThreads);
    const auto self = std::this_thread::get_id();
    std::atomic<int> entered = 0;
    parallel_for(0, kThreads, 1, [&](std::int64_t, std::int64_t) {
      ++entered;
      while (entered < kThreads) {
        std::this_thread::yield();
      }
      const std::lock_guard lock(mutex);
      if (std::this_thread::get_id() != self) {
        masks.insert(cores_of(0));
      }
    });
  }).join();
  CHECK(masks == std::set<std::vector<int>>{process_cores()});
}

TEST_CASE("a thread count far above the cores works") {
  const ThreadsGuard guard(1000000);
  CHECK(chunks_of(0, 40, 1).size() == 40);
}

TEST_CASE("threads of the user's own run loops at the same time") {
  std::atomic<std::int64_t> sum = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      const ThreadsGuard guard(2);
      for (int i = 0; i < 20; ++i) {
        parallel_for(0, 100, 7, [&](std::int64_t first, std::int64_t last) { sum += last - first; });
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(sum == 3 * 20 * 100);
}

TEST_CASE("a loop does not wait for threads that are kept elsewhere") {
  const ThreadsGuard guard(2);
  std::atomic<bool> held = false, release = false;
  std::atomic<int> alone = 0;
  // Another thread's loop occupies the team until this one's is done.
  std::thread other([&] {
    const ThreadsGuard two(2);
    parallel_for(0, 2, 1, [&](std::int64_t, std::int64_t) {
      held = true;
      while (!release) {
        std::this_thread::yield();
      }
    });
  });
  while (!held) {
    std::this_thread::yield();
  }
  const auto self = std::this_thread::get_id();
  parallel_for(0, 50, 1, [&](std::int64_t, std::int64_t) {
    alone += std::this_thread::get_id() == self && team_size() == 1 ? 1 : 0;
  });
  release = true;
  other.join();
  CHECK(alone == 50);
  CHECK(team_size() == 1);
}

TEST_CASE("many short loops in a row, and after pauses that let the helpers sleep") {
  for (int threads : {2, 5}) {
    const ThreadsGuard guard(threads);
    std::int64_t sum = 0;
    for (int i = 0; i < 20000; ++i) {
      std::array<std::int64_t, 7> parts{};
      parallel_for(0, 7, 1, [&](std::int64_t first, std::int64_t) { parts[static_cast<std::size_t>(first)] = first; });
      sum += std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
      if (i % 4000 == 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    }
    CHECK(sum == 20000 * 21);
  }
}

TEST_CASE("a loop listener hears how loops are cut for more threads than there are cores") {
  const ThreadsGuard threads(16);
  const auto caller = std::this_thread::get_id();
  std::vector<HeardLoop> heard;
  std::set<std::thread::id> ran;
  int inner_teams = 0;
  {
    const LoopListener listener([&](const HeardLoop& loop) { heard.push_back(loop); });
    CHECK_THROWS_WITH(LoopListener(nullptr), "LoopListener: another one lives in this thread");
    parallel_for(0, 1000, 30, [&](std::int64_t, std::int64_t) {
      ran.insert(std::this_thread::get_id());
      inner_teams += team_size() == 16 && in_parallel() ? 1 : 0;
      parallel_for(0, 100, 1, [](std::int64_t, std::int64_t) {});  // belongs to its chunk
    });
    parallel_for(0, 4, 2, [](std::int64_t, std::int64_t) {});
    parallel_for(0, 0, 1, [](std::int64_t, std::int64_t) {});
    parallel_for(0, 5, 100, [](std::int64_t, std::int64_t) {  // one chunk: the loop inside could be shared
      parallel_for(0, 8, 1,
                   [](std::int64_t, std::int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
    });
    CHECK_THROWS_WITH(parallel_for(0, 8, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("no"); }), "no");
    CHECK(team_size() == 1);
  }
  CHECK(chunks_of(0, 100, 10).size() == 10);  // heard by nobody
  CHECK(ran == std::set{caller});
  CHECK(inner_teams == 34);
  REQUIRE(heard.size() == 4);
  const auto is = [&](std::size_t i, std::int64_t units, std::int64_t chunks, int of) {
    return heard[i].units == units && heard[i].chunks() == chunks && heard[i].threads == of && heard[i].ms >= 0;
  };
  CHECK(is(0, 1000, 34, 16));
  CHECK(is(1, 4, 2, 2));
  CHECK(is(2, 8, 8, 8));
  CHECK(heard[2].ms >= 8);
  CHECK(is(3, 5, 1, 1));
  CHECK(heard[3].ms < heard[2].ms / 2);
}
