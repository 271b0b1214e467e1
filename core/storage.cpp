#include "evenkeel/core/storage.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/sanitizer.hpp"
#include "evenkeel/core/system_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <new>
#include <pthread.h>
#include <type_traits>
#include <utility>

namespace evenkeel {
namespace {

[[noreturn]] void fail_allocation(std::size_t bytes) {
  fail<OutOfMemory>("out of memory", "can't allocate ", bytes, " bytes");
}

using detail::forbid;
using detail::permit;

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{1} << 21;
constexpr std::size_t kClassesPerPower = 8;

constexpr std::size_t kClasses = 64 * kClassesPerPower;

/// The bound on storages and cache together: three times what storages ever needed at once, or 16 MiB. With images of
/// one size they take 1.15 times that in training, 1.56 times in inference (resnet20); only sizes that change reach it.
constexpr std::size_t kMostKept = 3;
constexpr std::size_t kAlwaysKept = std::size_t{16} << 20;
/// From here on a request of the system looks at the memory that others in this process hold.
constexpr std::size_t kLargeRequest = std::size_t{1} << 20;

thread_local int long_lived_scopes = 0;
thread_local constinit std::array<int, kClasses> scratch_of_thread{};  // blocks of loops that it holds, by size class

// A freed block holds the link to the next one of its size class, so giving memory back never allocates.
struct FreeBlock {
  FreeBlock* next;
};

struct SizeClass {
  std::size_t bytes;  // rounded up
  std::size_t index;
};

// Sizes 64, 128, ... 512, then eight equal steps per power of two. Expects bytes <= max / 2.
SizeClass size_class(std::size_t bytes) {
  bytes = std::max(bytes, kAlignment);
  const std::size_t power = std::bit_floor(bytes);
  const std::size_t step = std::max(power / kClassesPerPower, kAlignment);
  const std::size_t rounded = kernels::round_up(bytes, step);
  const std::size_t floor = std::bit_floor(rounded);
  const std::size_t eighth = (rounded - floor) / std::max<std::size_t>(floor / kClassesPerPower, 1);
  return {rounded, static_cast<std::size_t>(std::countr_zero(floor)) * kClassesPerPower + eighth};
}

std::size_t bytes_of_class(std::size_t index) {
  const std::size_t power = std::size_t{1} << index / kClassesPerPower;
  return power + index % kClassesPerPower * (power / kClassesPerPower);
}

/// Large blocks are mapped, each by itself: what is given back leaves the process at once, whatever lies behind it.
/// Under AddressSanitizer no block is, as it guards and knows only those of the general allocator.
constexpr bool is_mapped(std::size_t bytes) { return bytes >= kHugePage && !detail::kAddressSanitizer; }

// Mapped blocks lie on huge pages where the system has them on demand: 2 to 8% of a training step whose tensors have
// megabytes, by fewer misses of the address cache. The end of a block that fills no huge page has small ones.
void* map_block(std::size_t bytes, std::size_t alignment = kHugePage) {
  void* const all = mmap(nullptr, bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) {
    return nullptr;
  }
  auto* const first = static_cast<std::byte*>(all);
  const std::size_t before = (alignment - reinterpret_cast<std::uintptr_t>(first) % alignment) % alignment;
  if (before > 0) {
    munmap(first, before);
  }
  munmap(first + before + bytes, alignment - before);
#if defined(MADV_HUGEPAGE)
  // A wish: whether it is granted makes no difference.
  madvise(first + before, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return first + before;
}

/// Smaller blocks of some pages lie side by side in mapped chunks, and so on huge pages too: the best steps of
/// frozen_se_resnet on a batch of 2, whose blocks have up to 590 KB, take 6 to 12% less time, on 8 8%, those of
/// resnet20_bn on 16 2 to 9%. Pages of a block that is given back leave the process; its place stays empty until the
/// chunk goes, with its last block.
class SharedChunks {
 public:
  static constexpr bool holds(std::size_t bytes) {
    return bytes >= kLeast && bytes < kHugePage && !detail::kAddressSanitizer;
  }

  void* allocate(std::size_t bytes) {
    Chunk* chunk = first_;
    while (chunk != nullptr && kBytes - chunk->used < bytes) {
      chunk = chunk->next;
    }
    if (chunk == nullptr) {
      void* const data = map_block(kBytes, kBytes);
      if (data == nullptr) {
        return nullptr;
      }
      first_ = chunk = new (data) Chunk{.next = first_, .used = kPage, .blocks = 0};
    }
    ++chunk->blocks;
    return reinterpret_cast<std::byte*>(chunk) + std::exchange(chunk->used, chunk->used + bytes);
  }

  void free(void* data, std::size_t bytes) {
    const std::size_t place = reinterpret_cast<std::uintptr_t>(data) % kBytes;
    auto* const chunk = reinterpret_cast<Chunk*>(static_cast<std::byte*>(data) - place);
    if (--chunk->blocks > 0) {
      madvise(data, bytes, MADV_DONTNEED);
      return;
    }
    Chunk** link = &first_;
    while (*link != chunk) {
      link = &(*link)->next;
    }
    *link = chunk->next;
    munmap(chunk, kBytes);
  }

 private:
  static constexpr std::size_t kBytes = 4 * kHugePage, kPage = std::size_t{1} << 12, kLeast = std::size_t{1} << 15;
  static_assert(kLeast / kClassesPerPower % kPage == 0, "blocks are whole pages");

  /// At its beginning, on a page of its own.
  struct Chunk {
    Chunk* next;
    std::size_t used;  // bytes, this page's included
    std::size_t blocks;
  };
  Chunk* first_ = nullptr;
};

class Allocator {
 public:
  std::byte* allocate(std::size_t bytes) {
    const SizeClass size = checked_class(bytes);
    const std::lock_guard lock(mutex_);
    return allocate(bytes, size);
  }

  /// For a thread of a team: the others will want as many blocks as it holds now.
  std::byte* allocate_scratch(std::size_t bytes, int team) {
    const SizeClass size = checked_class(bytes);
    const std::lock_guard lock(mutex_);
    std::byte* data = allocate(bytes, size);
    Bin& bin = bins_[size.index];
    ++bin.scratch;
    const int wanted = team * ++scratch_of_thread[size.index];
    most_needed_ = std::max(most_needed_,
                            stats_.in_use + size.bytes * static_cast<std::size_t>(std::max(0, wanted - bin.scratch)));
    for (int missing = wanted - bin.scratch - bin.count; missing > 0; --missing) {
      std::byte* more = ask_system(size.bytes);
      if (more == nullptr) {
        break;
      }
      put_into_cache(size, more);
    }
    return data;
  }

  void release(std::byte* data, std::size_t bytes, bool scratch = false) noexcept {
    const SizeClass size = size_class(bytes);
    permit(data, size.bytes);
    const std::lock_guard lock(mutex_);
    stats_.in_use -= size.bytes;
    put_into_cache(size, data);
    if (scratch) {
      --bins_[size.index].scratch;
      --scratch_of_thread[size.index];
    }
  }

  MemoryStats stats() {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    most_needed_ = std::max(most_needed_, stats_.peak);
    stats_.peak = stats_.in_use;
  }
  void set_limit(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    limit_ = bytes;
  }
  void empty_cache() {
    const std::lock_guard lock(mutex_);
    drop_cached();
  }

  /// Around a fork, so that the child does not begin inside another thread's call.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  /// The free blocks of a size class.
  struct Bin {
    FreeBlock* first;
    int count;
    int scratch;  // blocks that units of parallel work hold
  };

  static SizeClass checked_class(std::size_t bytes) {
    if (bytes > std::numeric_limits<std::size_t>::max() / 2) {
      fail_allocation(bytes);
    }
    return size_class(bytes);
  }

  std::byte* allocate(std::size_t bytes, const SizeClass& size) {
    if (limit_ > 0 && (size.bytes > limit_ || stats_.in_use > limit_ - size.bytes)) {
      fail_allocation(bytes);
    }
    std::byte* data = long_lived_scopes > 0 ? nullptr : take_cached(size);
    if (data == nullptr) {
      data = ask_system(size.bytes);
      if (data == nullptr) {
        fail_allocation(bytes);
      }
    }
    stats_.in_use += size.bytes;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
    permit(data, bytes);
    forbid(data + bytes, size.bytes - bytes);
    return data;
  }

  void put_into_cache(const SizeClass& size, std::byte* data) {
    Bin& bin = bins_[size.index];
    bin.first = new (data) FreeBlock{bin.first};
    ++bin.count;
    forbid(data + sizeof(FreeBlock), size.bytes - sizeof(FreeBlock));
    stats_.cached += size.bytes;
  }

  std::byte* take_cached(const SizeClass& size) {
    Bin& bin = bins_[size.index];
    if (bin.first == nullptr) {
      return nullptr;
    }
    --bin.count;
    stats_.cached -= size.bytes;
    return reinterpret_cast<std::byte*>(std::exchange(bin.first, bin.first->next));
  }

  // More than there is is refused here: the kernel would promise it, and kill the process later.
  std::byte* ask_system(std::size_t bytes) {
    const std::size_t available = available_for(bytes);
    if (bytes > available || stats_.in_use > available - bytes) {
      return nullptr;
    }
    const std::size_t needed = stats_.in_use + bytes;
    const std::size_t most_needed = std::max({most_needed_, stats_.peak, needed});
    const std::size_t most_kept = std::min(available, std::max(kAlwaysKept, kMostKept * most_needed));
    if (stats_.cached > most_kept - needed) {
      drop_cached();
    }
    void* data = system_block(bytes);
    if (data == nullptr) {
      drop_cached();
      data = system_block(bytes);
    }
    stats_.system_allocations += data != nullptr ? 1 : 0;
    return static_cast<std::byte*>(data);
  }

  void* system_block(std::size_t bytes) {
    return SharedChunks::holds(bytes) ? shared_chunks_.allocate(bytes)
           : is_mapped(bytes)         ? map_block(bytes)
                                      : std::aligned_alloc(kAlignment, bytes);
  }

  void free_block(void* data, std::size_t bytes) {
    if (SharedChunks::holds(bytes)) {
      shared_chunks_.free(data, bytes);
    } else if (is_mapped(bytes)) {
      munmap(data, bytes);
    } else {
      std::free(data);
    }
  }

  /// What storages and cache may have together once `bytes` more are asked for: what the process may have, less what
  /// it holds elsewhere.
  std::size_t available_for(std::size_t bytes) {
    if (system_memory_ == 0) {
      system_memory_ = system_memory();
    }
    if (bytes < kLargeRequest) {
      return system_memory_;
    }
    const std::size_t ours = stats_.in_use + stats_.cached;
    const std::size_t resident = resident_memory();
    return system_memory_ - std::min(system_memory_, resident - std::min(resident, ours));
  }

  void drop_cached() {
    for (std::size_t i = 0; i < kClasses; ++i) {
      Bin& bin = bins_[i];
      while (bin.first != nullptr) {
        free_block(std::exchange(bin.first, bin.first->next), bytes_of_class(i));
      }
      bin.count = 0;
    }
    stats_.cached = 0;
  }

  std::mutex mutex_;
  MemoryStats stats_;
  std::size_t limit_ = 0;
  std::size_t system_memory_ = 0;  // 0: not known yet
  std::size_t most_needed_ = 0;    // at once: in use, and ready for the threads of a team
  std::array<Bin, kClasses> bins_{};
  SharedChunks shared_chunks_;
};

// Constant from the start and never destroyed: storages may live in statics that come before this file's and go after
// them, and a fork finds no allocator half made.
constinit Allocator the_allocator;
static_assert(std::is_trivially_destructible_v<Allocator>);
Allocator& allocator() { return the_allocator; }

/// Of what is deferred, all of it: forming values reads other storages.
std::recursive_mutex& deferred_mutex() {
  alignas(std::recursive_mutex) static std::byte place[sizeof(std::recursive_mutex)];
  static auto* const mutex = new (place) std::recursive_mutex;  // never destroyed, as the allocator
  return *mutex;
}

[[maybe_unused]] const int fork_handlers = pthread_atfork(
    [] {
      deferred_mutex().lock();
      the_allocator.lock();
    },
    [] {
      the_allocator.unlock();
      deferred_mutex().unlock();
    },
    [] {
      the_allocator.unlock();
      new (&deferred_mutex()) std::recursive_mutex;  // its owner was a thread of the parent
    });

}  // namespace

Storage::Storage(std::size_t bytes) : data_(allocator().allocate(bytes)), bytes_(bytes) {}

Storage::Storage(std::size_t bytes, std::shared_ptr<const Deferred> values)
    : bytes_(bytes), settled_(false), deferred_(std::move(values)) {}

Storage::~Storage() {
  if (data_ != nullptr) {
    allocator().release(data_, bytes_);
  }
}

std::shared_ptr<const Deferred> Storage::deferred() const {
  if (settled_.load(std::memory_order_acquire)) {
    return nullptr;
  }
  const std::lock_guard lock(deferred_mutex());
  return deferred_;
}

void Storage::add_reader(const std::shared_ptr<Storage>& reader) {
  const std::lock_guard lock(deferred_mutex());
  std::erase_if(readers_, [](const std::weak_ptr<Storage>& other) { return other.expired(); });
  readers_.push_back(reader);
  settled_.store(false, std::memory_order_release);
}

void Storage::form() const {
  const std::lock_guard lock(deferred_mutex());
  if (deferred_ != nullptr) {
    std::byte* const values = allocator().allocate(bytes_);
    try {
      deferred_->fill(values);
    } catch (...) {
      allocator().release(values, bytes_);
      throw;
    }
    data_ = values;
    deferred_.reset();
  }
  settled_.store(readers_.empty(), std::memory_order_release);
}

void Storage::settle() {
  const std::lock_guard lock(deferred_mutex());
  for (const std::weak_ptr<Storage>& reader : readers_) {
    if (const std::shared_ptr<const Storage> deferred = reader.lock()) {
      deferred->form();
    }
  }
  readers_.clear();
  form();
}

LongLivedScope::LongLivedScope() { ++long_lived_scopes; }
LongLivedScope::~LongLivedScope() { --long_lived_scopes; }

Scratch::Scratch(std::size_t bytes, int team)
    : data_(team > 1 ? allocator().allocate_scratch(bytes, team) : allocator().allocate(bytes)),
      bytes_(bytes),
      shared_(team > 1) {}

Scratch::~Scratch() { allocator().release(data_, bytes_, shared_); }

MemoryStats memory_stats() { return allocator().stats(); }
void reset_peak_memory() { allocator().reset_peak(); }
void empty_cache() { allocator().empty_cache(); }
void set_memory_limit(std::size_t bytes) { allocator().set_limit(bytes); }

}  // namespace evenkeel
