#include "evenkeel/core/storage.hpp"

#include "evenkeel/core/array.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/pooled.hpp"
#include "evenkeel/core/sanitizer.hpp"
#include "evenkeel/core/system_memory.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <vector>

using namespace evenkeel;
using doctest::Contains;

namespace {

// Allocates before main, and frees and allocates after it.
struct OutsideMain {
  Array array = Array::ones({1000});
  ~OutsideMain() {
    array = Array::zeros({3000});
    empty_cache();
  }
};
OutsideMain outside_main;

struct LimitGuard {
  explicit LimitGuard(std::size_t bytes) { set_memory_limit(bytes); }
  ~LimitGuard() { set_memory_limit(0); }
};

/// A tree of /proc and /sys/fs/cgroup as a container sees it.
class FakeSystem {
 public:
  FakeSystem(const std::string& groups, const std::string& mounts) {
    write("/proc/self/cgroup", groups);
    write("/proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n" + mounts);
  }
  ~FakeSystem() { std::filesystem::remove_all(root_); }
  FakeSystem& write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
    return *this;
  }
  std::size_t memory() const { return system_memory(root_); }

 private:
  const std::string root_ = "fake_system_" + std::to_string(getpid());
};

std::size_t used_by(std::size_t bytes) {
  const std::size_t before = memory_stats().in_use;
  const Storage storage(bytes);
  CHECK(reinterpret_cast<std::uintptr_t>(storage.data()) % 64 == 0);
  CHECK(storage.bytes() == bytes);
  return memory_stats().in_use - before;
}

}  // namespace

TEST_CASE("an array allocated before main works") { CHECK(outside_main.array.to_vector<float>()[999] == 1.0F); }

TEST_CASE("size classes: eight per power of two, at least 64 bytes") {
  CHECK(used_by(0) == 64);
  CHECK(used_by(1) == 64);
  CHECK(used_by(65) == 128);
  CHECK(used_by(512) == 512);
  CHECK(used_by(513) == 576);
  CHECK(used_by(1024) == 1024);
  CHECK(used_by(1025) == 1152);
  CHECK(used_by(15 * 128 + 1) == 2048);
  CHECK(used_by((1 << 20) + 1) == (1 << 20) + (1 << 17));
  for (std::size_t bytes = 1; bytes < 10000; bytes += 37) {
    const std::size_t used = used_by(bytes);
    CHECK(used >= bytes);
    CHECK(used <= std::max(bytes + bytes / 8 + 64, std::size_t{64}));
  }
}

TEST_CASE("freed blocks are reused within their size class") {
  empty_cache();
  { const Storage storage(5000); }
  const MemoryStats before = memory_stats();
  CHECK(before.cached == 5120);
  for (std::size_t bytes : {4700U, 5000U, 5120U}) {
    const Storage storage(bytes);
    CHECK(memory_stats().cached == 0);
  }
  CHECK(memory_stats().system_allocations == before.system_allocations);
  { const Storage other(5121); }
  CHECK(memory_stats().system_allocations == before.system_allocations + 1);
  empty_cache();
  CHECK(memory_stats().cached == 0);
  CHECK(memory_stats().in_use == before.in_use);
}

TEST_CASE("peak follows in_use") {
  reset_peak_memory();
  const MemoryStats before = memory_stats();
  CHECK(before.peak == before.in_use);
  {
    const Storage a(1 << 20);
    { const Storage b(1 << 21); }
  }
  CHECK(memory_stats().peak == before.in_use + (1 << 20) + (1 << 21));
  CHECK(memory_stats().in_use == before.in_use);
  reset_peak_memory();
  CHECK(memory_stats().peak == before.in_use);
}

TEST_CASE("the memory limit throws OutOfMemory and leaves everything usable") {
  const Array kept = Array::full({1000}, 3);
  const std::size_t used = memory_stats().in_use;
  {
    const LimitGuard limit(used + 4096);
    const Storage fits(4096);
    CHECK_THROWS_WITH_AS(Storage(64), Contains("can't allocate 64 bytes"), OutOfMemory);
    CHECK_THROWS_AS(kept.clone(), std::bad_alloc);
  }
  CHECK(memory_stats().in_use == used);
  CHECK(kept.clone().to_vector<float>() == std::vector<float>(1000, 3.0F));
}

TEST_CASE("a failure at any allocation leaks nothing") {
  const Array x = Array::arange(0, 5000).reshape({50, 100}).transpose(0, 1);
  const auto work = [&] { return x.contiguous().to(DType::float64).reshape({10, 500}).transpose(0, 1).clone(); };
  const std::vector<double> expected = work().to_vector<double>();
  const std::size_t used = memory_stats().in_use;
  int failures = 0;
  for (std::size_t budget = 64;; budget += 8192) {
    const LimitGuard limit(used + budget);
    try {
      const std::vector<double> result = work().to_vector<double>();
      CHECK(result == expected);
      break;
    } catch (const OutOfMemory&) {
      ++failures;
    }
    CHECK(memory_stats().in_use == used);
  }
  CHECK(failures > 3);
}

TEST_CASE("more than the machine has is refused") {
  const std::size_t used = memory_stats().in_use;
  CHECK_THROWS_AS(Storage(std::size_t{1} << 50), OutOfMemory);
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  CHECK_THROWS_AS(Storage{kMost}, OutOfMemory);
  CHECK_THROWS_AS(Array::empty({std::int64_t{1} << 30, 1 << 20}), OutOfMemory);
  CHECK_THROWS_WITH_AS(Array::empty({std::int64_t{1} << 62}, DType::float64), Contains("more bytes than"),
                       std::invalid_argument);
  CHECK_THROWS_AS(Array::empty({std::int64_t{1} << 40, std::int64_t{1} << 40}), std::invalid_argument);
  CHECK(memory_stats().in_use == used);
}

TEST_CASE("a container's memory limit is seen, with cgroup v2 and v1") {
  const std::size_t machine = FakeSystem("", "").memory();
  const std::string v2 = "30 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
  const std::string v1 =
      "30 22 0:31 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
      "31 30 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime master:9 - cgroup cgroup rw,memory\n"
      "32 30 0:33 /docker/abc /sys/fs/cgroup/cpu ro,relatime master:9 - cgroup cgroup rw,cpu\n";
  constexpr std::size_t kLimit = std::size_t{320} << 20;
  constexpr std::size_t kSeen = std::size_t{310} << 20;  // less 1/32
  const std::string limit = std::to_string(kLimit) + "\n";
  CHECK(machine > kLimit);
  CHECK(FakeSystem("0::/\n", v2).memory() == machine);  // the root group has no such file
  CHECK(FakeSystem("0::/\n", v2).write("/sys/fs/cgroup/memory.max", limit).memory() == kSeen);
  CHECK(FakeSystem("0::/\n", v2).write("/sys/fs/cgroup/memory.max", "max\n").memory() == machine);
  CHECK(FakeSystem("0::/\n", v2).write("/sys/fs/cgroup/memory.max", "99999999999999999\n").memory() == machine);
  CHECK(FakeSystem("0::/a/b c/d\n", v2)  // the tightest of the group and those above it
            .write("/sys/fs/cgroup/a/b c/d/memory.max", "max\n")
            .write("/sys/fs/cgroup/a/b c/memory.max", limit)
            .write("/sys/fs/cgroup/a/memory.max", "999999999\n")
            .memory() == kSeen);
  CHECK(FakeSystem("9:cpu:/docker/abc\n4:memory:/docker/abc\n0::/\n", v1)
            .write("/sys/fs/cgroup/memory/memory.limit_in_bytes", limit)
            .write("/sys/fs/cgroup/cpu/memory.limit_in_bytes", "1")
            .memory() == kSeen);
  CHECK(FakeSystem("4:cpu,memory:/docker/abc/inner\n", v1)
            .write("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", limit)
            .write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
            .memory() == kSeen);
  CHECK(FakeSystem("4:memory:/\n", v1)  // a namespace of groups, whose root is the container's
            .write("/sys/fs/cgroup/memory/memory.limit_in_bytes", limit)
            .memory() == kSeen);
  CHECK(FakeSystem("4:memory\n::\nnonsense", "1 2\n3 - cgroup2 x rw\n").memory() == machine);
  CHECK(system_memory() <= machine);
}

TEST_CASE("this process's memory is known, and no request may exceed what it leaves") {
  empty_cache();
  const std::size_t before = resident_memory();
  CHECK(before > 0);
  constexpr std::size_t kTouched = std::size_t{64} << 20;
  const Array touched = Array::ones({kTouched}, DType::uint8);
  CHECK(resident_memory() > before + kTouched / 2);
  CHECK_THROWS_AS(Storage(system_memory() - kTouched / 2), OutOfMemory);
}

TEST_CASE("sizes that change keep three times the largest need, at most") {
  empty_cache();
  constexpr std::size_t kLargest = std::size_t{128} << 20;
  const auto step = [](std::size_t bytes) {
    const Storage input(bytes / 2);
    const Storage output(bytes / 2);
  };
  step(kLargest);
  std::size_t most = 0;
  for (std::size_t bytes = kLargest / 8; bytes <= kLargest; bytes += kLargest / 40) {
    step(bytes);
    const std::uint64_t before = memory_stats().system_allocations;
    step(bytes);  // one size: nothing more is asked
    CHECK(memory_stats().system_allocations == before);
    most = std::max(most, memory_stats().in_use + memory_stats().cached);
  }
  CHECK(most > 2 * kLargest);  // the bound was reached
  CHECK(most <= 3 * kLargest + (1 << 20));
  empty_cache();
}

TEST_CASE("threads allocate and free each other's blocks") {
  const std::size_t used = memory_stats().in_use;
  std::vector<Array> passed(4);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < passed.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::int64_t i = 0; i < 500; ++i) {
        const Array x = Array::full({1 + (i * 37) % 900}, static_cast<double>(t), DType::int64);
        const Array y = x.clone();
        wrong += y.to_vector<std::int64_t>().back() == static_cast<std::int64_t>(t) ? 0 : 1;
        passed[t] = y;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(wrong == 0);
  passed.clear();
  CHECK(memory_stats().in_use == used);
}

TEST_CASE("what lives on takes no block that a step gave back") {
  empty_cache();
  { const Storage step(5000); }
  const std::uint64_t before = memory_stats().system_allocations;
  {
    const LongLivedScope scope;
    const Storage state(5000);
    CHECK(memory_stats().system_allocations == before + 1);
    CHECK(memory_stats().cached == 5120);
    std::thread([] { const Storage other(5000); }).join();  // the scope is this thread's
    CHECK(memory_stats().system_allocations == before + 1);
  }
  { const Storage next(5000); }
  CHECK(memory_stats().system_allocations == before + 1);
}

TEST_CASE("scratch memory comes with blocks for the rest of the team") {
  empty_cache();
  const std::uint64_t before = memory_stats().system_allocations;
  {
    const Scratch first(3000, 3);
    CHECK(memory_stats().system_allocations == before + 3);
    CHECK(memory_stats().cached == 2 * 3072);
    const Scratch second(2900, 3);  // the same size class
    CHECK(memory_stats().system_allocations == before + 6);
    CHECK(memory_stats().in_use >= 2 * 3072);
  }
  {
    const Storage a(3000), b(2900), c(3072), d(3000);  // a step's own, as blocks are free
    CHECK(memory_stats().system_allocations == before + 6);
    const Scratch alone(3000, 1);
    CHECK(memory_stats().system_allocations == before + 6);
    const Scratch first(3000, 2);
    CHECK(memory_stats().system_allocations == before + 7);
  }
  CHECK(memory_stats().cached == 7 * 3072);
  CHECK_THROWS_AS(Scratch(std::numeric_limits<std::size_t>::max(), 2), OutOfMemory);
  set_memory_limit(memory_stats().in_use + 3072);
  {
    const Scratch first(3000, 2);
    CHECK_THROWS_AS(Scratch(3000, 2), OutOfMemory);
  }
  set_memory_limit(0);
  CHECK(memory_stats().system_allocations == before + 7);
}

TEST_CASE("what a team of a loop needs does not depend on what the others hold") {
  empty_cache();
  const std::uint64_t before = memory_stats().system_allocations;
  {
    const Scratch mine(3000, 2);
    std::thread([] { const Scratch first(3000, 2), second(3000, 2); }).join();
    CHECK(memory_stats().system_allocations == before + 4);
    const Scratch next(3000, 2);
    CHECK(memory_stats().system_allocations == before + 4);
  }
}

TEST_CASE("scratch memory of a parallel loop asks the system in the first loop only") {
  const ThreadsGuard guard(3);
  empty_cache();
  const auto loop = [](bool alone) {
    std::atomic<int> units = 0;
    parallel_for(0, 12, 1, [&](std::int64_t, std::int64_t) {
      kernels::Workspace<float> first(10000), second(10001);
      first.data()[9999] = second.data()[10000] = 1;
      const int all = alone ? 1 : 3;
      for (int mine = ++units; mine <= all && units < all;) {  // three threads hold their blocks at the same time
        std::this_thread::yield();
      }
    });
  };
  loop(true);
  const std::uint64_t before = memory_stats().system_allocations;
  loop(false);
  CHECK(memory_stats().system_allocations == before);
}

TEST_CASE("small objects come back from the pool of their size") {
  void* const block = ObjectPool::take(100);
  void* const other = ObjectPool::take(100);
  CHECK(block != other);
  ObjectPool::give(block, 100);
  void* const large = ObjectPool::take(1 << 20);
  void* const again = ObjectPool::take(128);  // the same multiple of 64
  if (!detail::kAddressSanitizer) {
    CHECK(again == block);
  }
  std::thread([&] { ObjectPool::give(other, 100); }).join();  // and is freed with that thread
  ObjectPool::give(again, 128);
  ObjectPool::give(large, 1 << 20);
}
