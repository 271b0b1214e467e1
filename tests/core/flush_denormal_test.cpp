#include "evenkeel/core/flush_denormal.hpp"

#include "evenkeel/core/communicator.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/parallel.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <thread>
#include <vector>

using namespace evenkeel;

namespace {

constexpr float kDenormal = 1e-40F;

/// How many elements of a large sum of denormals are not 0.
std::int64_t kept(int threads) {
  const ThreadsGuard guard(threads);
  const Array x = Array::from(std::vector<float>(1 << 18, kDenormal), {1 << 18});
  const std::vector<float> y = zip<kernels::Add>(x, x).to_vector<float>();
  // Compared by its bits: this thread, too, may take denormals for 0.
  return std::count_if(y.begin(), y.end(), [](float v) { return std::bit_cast<std::uint32_t>(v) != 0; });
}

}  // namespace

TEST_CASE("denormal numbers are flushed in the scope that asks for it, by all threads of its loops") {
  CHECK_FALSE(flush_denormal());
  for (const int threads : {1, 2, 5}) {
    CAPTURE(threads);
    CHECK(kept(threads) == 1 << 18);
    {
      const FlushDenormalGuard guard(true);
      if (!set_flush_denormal(true)) {
        return;  // the machine cannot
      }
      CHECK(flush_denormal());
      CHECK(kept(threads) == 0);
      {
        const FlushDenormalGuard inner(false);
        CHECK(kept(threads) == 1 << 18);
      }
      CHECK(flush_denormal());
    }
    CHECK_FALSE(flush_denormal());
    CHECK(kept(threads) == 1 << 18);
  }
}

TEST_CASE("the mode belongs to a thread and to the ranks that it runs") {
  const FlushDenormalGuard guard(true);
  const bool can = flush_denormal();
  std::int64_t elsewhere = 0;
  const FlushDenormalGuard off(false);
  std::thread([&] { elsewhere = kept(2); }).join();
  CHECK(elsewhere == 1 << 18);
  const FlushDenormalGuard on(true);
  std::vector<int> modes(2, -1);
  ThreadGroup(2).run([&](const std::shared_ptr<Communicator>& self) {
    modes[static_cast<std::size_t>(self->rank())] = flush_denormal();
  });
  CHECK(modes == std::vector<int>(2, can));
}
