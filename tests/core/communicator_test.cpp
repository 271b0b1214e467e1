#include "evenkeel/core/communicator.hpp"

#include "evenkeel/core/parallel.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace evenkeel;
using namespace std::chrono_literals;
using doctest::Contains;
using Clock = std::chrono::steady_clock;
using Ranks = std::shared_ptr<Communicator>;

TEST_CASE("a group of one keeps its values") {
  std::vector<double> values = {1.5, -2};
  local_communicator()->all_reduce_sum(values);
  CHECK(values == std::vector<double>{1.5, -2});
  CHECK(local_communicator()->rank() == 0);
  CHECK(local_communicator()->size() == 1);
  ThreadGroup one(1);
  one.run([&](const Ranks& self) { self->all_reduce_sum(values); });
  CHECK(values == std::vector<double>{1.5, -2});
}

TEST_CASE("sums over 1 to 5 ranks, round after round, also of no values") {
  for (int size = 1; size <= 5; ++size) {
    CAPTURE(size);
    ThreadGroup group(size);
    std::atomic<int> wrong = 0;
    group.run([&](const Ranks& self) {
      for (int round = 0; round < 200; ++round) {
        std::vector<double> values = {double(self->rank()), double(round), 1};
        self->all_reduce_sum(values);
        const double n = size;
        wrong += values != std::vector<double>{n * (n - 1) / 2, n * round, n};
        self->all_reduce_sum({});
      }
    });
    CHECK(wrong == 0);
  }
}

TEST_CASE("the order of arrival does not change a bit of the sum") {
  // 1e16 + 1 + 1 - 1e16 depends on the order of the additions.
  const std::array<double, 4> parts = {1e16, 1, -1e16, 1};
  const double expected = ((1e16 + 1.0) + -1e16) + 1.0;
  for (int late = 0; late < 4; ++late) {
    CAPTURE(late);
    ThreadGroup group(4);
    std::array<double, 4> sums{};
    group.run([&](const Ranks& self) {
      const auto rank = static_cast<std::size_t>(self->rank());
      std::this_thread::sleep_for(self->rank() == late ? 20ms : self->rank() * 3ms);
      sums[rank] = parts[rank];
      self->all_reduce_sum(std::span(&sums[rank], 1));
    });
    for (const double sum : sums) {
      CHECK(sum == expected);
    }
  }
}

TEST_CASE("a rank that throws fails the others at once, and its own error comes out") {
  ThreadGroup group(3);
  std::atomic<int> failed = 0;
  const auto start = Clock::now();
  CHECK_THROWS_WITH(group.run([&](const Ranks& self) {
    if (self->rank() == 2) {
      throw std::invalid_argument("bad shard");
    }
    double value = 1;
    try {
      self->all_reduce_sum(std::span(&value, 1));
    } catch (const CommunicationError& error) {
      failed += std::string(error.what()).find("rank 2 failed: bad shard") != std::string::npos;
      throw;
    }
  }),
                    "bad shard");
  CHECK(failed == 2);
  CHECK(Clock::now() - start < 30s);
  double value = 1;
  CHECK_THROWS_WITH_AS(group.communicator(0)->all_reduce_sum(std::span(&value, 1)),
                       "all_reduce_sum (rank 0 of 3): rank 2 failed: bad shard", CommunicationError);
}

TEST_CASE("a rank that ends early fails those that wait for it, before and after") {
  for (const auto pause : {0ms, 20ms}) {
    ThreadGroup group(2);
    CHECK_THROWS_WITH_AS(group.run([&](const Ranks& self) {
      if (self->rank() == 1) {
        std::this_thread::sleep_for(pause);
        return;
      }
      double value = 1;
      self->all_reduce_sum(std::span(&value, 1));
    }),
                         Contains("rank 1 has ended and takes no part"), CommunicationError);
  }
}

TEST_CASE("a rank that never comes: the others give up after the timeout") {
  ThreadGroup group(2, {.timeout = 0.03});
  double value = 1;
  const auto start = Clock::now();
  CHECK_THROWS_WITH_AS(group.communicator(1)->all_reduce_sum(std::span(&value, 1)),
                       Contains("rank 1 waited 0.03 s; only 1 of 2 ranks came"), CommunicationError);
  CHECK(Clock::now() - start >= 30ms);
  CHECK_THROWS_AS(group.communicator(0)->all_reduce_sum(std::span(&value, 1)), CommunicationError);
}

TEST_CASE("different numbers of values fail every rank") {
  ThreadGroup group(2);
  std::atomic<int> failed = 0;
  CHECK_THROWS_WITH_AS(group.run([&](const Ranks& self) {
    std::vector<double> values(self->rank() == 0 ? 4 : 6);
    try {
      self->all_reduce_sum(values);
    } catch (const CommunicationError&) {
      ++failed;
      throw;
    }
  }),
                       Contains("rank 0 brings 4 values, rank 1 brings 6"), CommunicationError);
  CHECK(failed == 2);
}

TEST_CASE("abort, runs one after the other, threads of the ranks, bad arguments") {
  ThreadGroup group(2);
  const ThreadsGuard threads(4);
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 3; ++i) {
    group.run([&](const Ranks& self) {
      double value = 2;
      self->all_reduce_sum(std::span(&value, 1));
      wrong += value != 4 || num_threads() != 2;
    });
  }
  CHECK(wrong == 0);
  group.abort("no more data");
  double value = 1;
  CHECK_THROWS_WITH_AS(group.communicator(0)->all_reduce_sum(std::span(&value, 1)), Contains("no more data"),
                       CommunicationError);
  CHECK_THROWS_WITH(ThreadGroup(0), Contains("size must be at least 1, got 0"));
  CHECK_THROWS_WITH(ThreadGroup(1, {.timeout = 0}), Contains("timeout must be positive"));
  CHECK_THROWS_WITH(group.communicator(2), Contains("rank 2 is out of range; the group has 2"));
}
