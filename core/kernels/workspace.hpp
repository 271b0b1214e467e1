#pragma once

#include "core/parallel.hpp"
#include "core/storage.hpp"

#include <array>
#include <bit>
#include <cstdint>

namespace evenkeel::kernels {

/// Counts the scratch blocks of this thread by the power of two of their size. Inside a parallel_for, each new one
/// reserves what all threads of the loop need when they are as far: how many run at the same time, and so how many
/// blocks are in use at once, differs from step to step.
class ScratchCount {
 public:
  explicit ScratchCount(std::size_t bytes) : live_(counts()[static_cast<std::size_t>(std::bit_width(bytes | 1)) - 1]) {
    ++live_;
    if (team_size() > 1) {
      reserve_blocks(bytes, live_ * team_size());
    }
  }
  ~ScratchCount() { --live_; }
  ScratchCount(const ScratchCount&) = delete;
  ScratchCount& operator=(const ScratchCount&) = delete;

 private:
  static std::array<int, 64>& counts() {
    static thread_local constinit std::array<int, 64> counts{};
    return counts;
  }
  int& live_;
};

/// Uninitialised scratch memory for `count` elements, from the caching allocator (so a second call finds the block that
/// the first gave back), freed at the end of the scope. Each unit of parallel work makes its own.
template <class T>
class Workspace {
 public:
  explicit Workspace(std::int64_t count)
      : count_(static_cast<std::size_t>(count) * sizeof(T)), storage_(static_cast<std::size_t>(count) * sizeof(T)) {}
  T* data() { return reinterpret_cast<T*>(storage_.data()); }

 private:
  ScratchCount count_;
  Storage storage_;
};

}  // namespace evenkeel::kernels
