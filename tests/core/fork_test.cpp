#include "evenkeel/core/array_ops.hpp"
#include "evenkeel/core/communicator.hpp"
#include "evenkeel/core/kernels/matmul/gemm.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/sanitizer.hpp"
#include "evenkeel/core/storage.hpp"
#include "tests/support/child.hpp"

#include <doctest/doctest.h>
#include <system_error>

#include <atomic>
#include <chrono>
#include <functional>
#include <set>
#include <thread>
#include <vector>

using namespace evenkeel;
using evenkeel::testing::allow_threads;
using evenkeel::testing::child_succeeds;

namespace {

/// Repeats `work` in a thread of its own while it lives.
class Busy {
 public:
  explicit Busy(std::function<void()> work)
      : thread_([this, work = std::move(work)] {
          while (!stop_) {
            work();
          }
        }) {}
  ~Busy() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

/// The sum of a loop over `threads` threads, all of which take part: each chunk waits for the others.
std::int64_t sum_together(int threads) {
  const ThreadsGuard guard(threads);
  std::atomic<int> entered = 0;
  std::atomic<std::int64_t> sum = 0;
  parallel_for(0, threads, 1, [&](std::int64_t first, std::int64_t) {
    ++entered;
    while (entered < threads) {
      std::this_thread::yield();
    }
    sum += first + 1;
  });
  return sum;
}

std::int64_t sum_in_chunks(int threads) {
  const ThreadsGuard guard(threads);
  std::atomic<std::int64_t> sum = 0;
  parallel_for(0, 1000, 7, [&](std::int64_t first, std::int64_t last) { sum += last - first; });
  return sum;
}

bool product_is_right() {
  const std::vector<float> a(100 * 100, 1), b(100 * 100, 2);
  std::vector<float> c(100 * 100, 0);
  gemm(GemmAlgorithm::blas, {.m = 100, .n = 100, .k = 100}, a.data(), b.data(), c.data(),
       static_cast<const float*>(nullptr));
  return c.front() == 200 && c.back() == 200;
}

}  // namespace

TEST_CASE("a child allocates, whatever another thread allocated when it forked") {
  const Busy busy([] {
    for (std::size_t bytes = 64; bytes < 100000; bytes *= 2) {
      const Storage storage(bytes);
    }
  });
  for (int i = 0; i < 150; ++i) {
    REQUIRE(child_succeeds([] { return Array::full({1000}, 3).clone().to_vector<float>().back() == 3; }));
  }
}

TEST_CASE("a child computes with a team of its own, whatever another thread computed when it forked") {
  REQUIRE(sum_together(3) == 6);
  const Busy busy([] { sum_in_chunks(2); });
  for (int i = 0; i < 100; ++i) {
    REQUIRE(child_succeeds([] { return sum_together(2) == 3 && sum_in_chunks(3) == 1000; }));
    REQUIRE(sum_in_chunks(2) == 1000);
  }
}

TEST_CASE("a child multiplies matrices, whatever another thread multiplied when it forked") {
  const Busy busy([] { product_is_right(); });
  for (int i = 0; i < 50; ++i) {
    REQUIRE(child_succeeds(product_is_right));
  }
  CHECK(product_is_right());
}

TEST_CASE("a child that was forked inside a loop does not pass for one that finished it") {
  const ThreadsGuard guard(2);
  const auto self = std::this_thread::get_id();
  std::atomic<bool> others_chunk = false, forked = false;
  pid_t child = -1;
  bool told = false;
  const auto body = [&](std::int64_t, std::int64_t) {
    if (std::this_thread::get_id() == self) {
      while (!others_chunk) {
        std::this_thread::yield();
      }
      child = fork();
      forked = true;
    } else {
      others_chunk = true;
      while (!forked) {
        std::this_thread::yield();
      }
    }
  };
  try {
    parallel_for(0, 2, 1, body);
  } catch (const StateError&) {
    told = true;
  }
  if (child == 0) {
    _exit(told && sum_together(2) == 3 ? 0 : 1);
  }
  CHECK_FALSE(told);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("where the system has too few threads a loop takes fewer" *
          doctest::skip(detail::kAddressSanitizer)) {  // whose own memory the limit counts
  for (int threads : {0, 1, 2}) {
    CHECK(child_succeeds(
        [threads] { return allow_threads(threads) && sum_in_chunks(64) == 1000 && sum_in_chunks(64) == 1000; }));
  }
}

TEST_CASE("a group with too few threads fails at once, before any rank began" *
          doctest::skip(detail::kAddressSanitizer)) {
  CHECK(child_succeeds([] {
    ThreadGroup group(64);
    std::atomic<int> began = 0;
    if (!allow_threads(2)) {
      return false;
    }
    const auto start = std::chrono::steady_clock::now();
    try {
      group.run([&](const std::shared_ptr<Communicator>& self) {
        ++began;
        double value = 1;
        self->all_reduce_sum(std::span(&value, 1));
      });
    } catch (const std::system_error& error) {
      const std::string text = error.what();
      return began == 0 && text.find("ThreadGroup::run: can't start the thread of rank ") == 0 &&
             text.find(" of 64: ") != std::string::npos &&
             std::chrono::steady_clock::now() - start < std::chrono::seconds(30);
    }
    return false;
  }));
}
