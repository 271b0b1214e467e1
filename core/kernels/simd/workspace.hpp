#pragma once

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/storage.hpp"

#include <cstdint>

namespace evenkeel::kernels {

/// Uninitialised scratch memory for `count` elements, from the caching allocator (so a second call finds the block that
/// the first gave back), freed at the end of the scope. Each unit of parallel work makes its own.
template <class T>
class Workspace {
 public:
  explicit Workspace(std::int64_t count) : scratch_(static_cast<std::size_t>(count) * sizeof(T), team_size()) {}
  T* data() { return reinterpret_cast<T*>(scratch_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(scratch_.data()); }

 private:
  Scratch scratch_;
};

}  // namespace evenkeel::kernels
