#pragma once

#include "evenkeel/core/error.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace evenkeel {

/// Thrown when memory can't be had; nothing that existed before is changed.
class OutOfMemory : public ErrorOf<std::bad_alloc> {
  using ErrorOf::ErrorOf;
};

/// Values that are formed when somebody first asks for them (core/deferred.hpp).
class Deferred {
 public:
  Deferred() = default;
  virtual ~Deferred() = default;
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  /// Writes all of them.
  virtual void fill(std::byte* values) const = 0;
};

/// A block of raw memory, 64-byte aligned, shared by the arrays that view it, given back to the caching allocator
/// when the last of them goes.
class Storage {
 public:
  /// Uninitialised memory; throws OutOfMemory.
  explicit Storage(std::size_t bytes);
  /// No memory until data() is called, which then holds `values`.
  Storage(std::size_t bytes, std::shared_ptr<const Deferred> values);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  /// For writing: what is deferred and reads this storage is formed first. May throw OutOfMemory where values are yet
  /// to be formed; any thread may be the one that does it.
  std::byte* data() {
    if (!settled_.load(std::memory_order_acquire)) [[unlikely]] {
      settle();
    }
    return data_;
  }
  const std::byte* data() const {
    if (!settled_.load(std::memory_order_acquire)) [[unlikely]] {
      form();
    }
    return data_;
  }
  std::size_t bytes() const { return bytes_; }
  /// What the values will be; null once they are there.
  std::shared_ptr<const Deferred> deferred() const;
  /// From now on `reader`, whose values are deferred, reads this storage.
  void add_reader(const std::shared_ptr<Storage>& reader);

  /// Counts writes: every Array::mutable_data() raises it. Autograd compares it to notice an in-place change of a
  /// value that backward needs.
  std::uint64_t version = 0;
  /// Counts the writes that autograd recorded. Every handle of the storage compares it to what it knows of.
  std::uint64_t recorded = 0;

 private:
  void form() const;
  void settle();

  mutable std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  mutable std::atomic<bool> settled_{true};  ///< neither deferred nor read by what is
  mutable std::shared_ptr<const Deferred> deferred_;
  mutable std::vector<std::weak_ptr<Storage>> readers_;
};

/// While one lives, new storages of this thread come from the system, not from the cache. For what outlives the step
/// that makes it (the state of an optimizer): so the next step finds every block that this one gave back.
class LongLivedScope {
 public:
  LongLivedScope();
  ~LongLivedScope();
  LongLivedScope(const LongLivedScope&) = delete;
  LongLivedScope& operator=(const LongLivedScope&) = delete;
};

/// Scratch memory, as Storage's, of one unit of work of a loop that `team` threads share. How many units run at once
/// differs from step to step; so whatever a thread holds, as many blocks are ready for each thread of its team, and a
/// later step finds enough of them however its threads run.
class Scratch {
 public:
  /// Uninitialised; team 1: outside of parallel work. Freed by the thread that made it. Throws OutOfMemory.
  Scratch(std::size_t bytes, int team);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }

 private:
  std::byte* data_;
  std::size_t bytes_;
  bool shared_;  ///< the team has several threads
};

/// Counters of the caching allocator, in bytes.
struct MemoryStats {
  std::size_t in_use = 0;                ///< held by live storages (rounded up to size classes)
  std::size_t peak = 0;                  ///< the highest in_use since the last reset_peak_memory()
  std::size_t cached = 0;                ///< freed by storages, kept for reuse
  std::uint64_t system_allocations = 0;  ///< blocks that were asked of the system so far
};

/// The allocator keeps freed blocks by size class (eight classes per power of two), so that a training step asks the
/// system for nothing after the first. Where sizes change from step to step, storages and cache together take at most
/// three times what storages ever needed at once (or 16 MiB): the cache is given back before it would be more. More
/// than the machine's physical memory, or the limit of the process's container, less what the process holds elsewhere,
/// is refused. Thread-safe; usable before main and at exit; a forked child finds it whole.
MemoryStats memory_stats();
/// Sets `peak` to `in_use`.
void reset_peak_memory();
/// Gives all cached blocks back to the system.
void empty_cache();
/// Makes allocations that would bring in_use above `bytes` throw OutOfMemory (0: no limit, the default).
void set_memory_limit(std::size_t bytes);

}  // namespace evenkeel
