#include "evenkeel/core/storage.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace evenkeel {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{1} << 21;
constexpr std::size_t kClassesPerPower = 8;

constexpr std::size_t kClasses = 64 * kClassesPerPower;

thread_local int long_lived_scopes = 0;
thread_local constinit std::array<int, kClasses> scratch_of_thread{};  // blocks of loops that it holds, by size class

// A freed block holds the link to the next one of its size class, so giving memory back never allocates.
struct FreeBlock {
  FreeBlock* next;
};

// AddressSanitizer does not see our cache: tell it which bytes are out of bounds (the rest of the size class) or freed.
void forbid([[maybe_unused]] std::byte* data, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(data, bytes);
#endif
}
void permit([[maybe_unused]] std::byte* data, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(data, bytes);
#endif
}

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

std::size_t physical_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_size = sysconf(_SC_PAGESIZE);
  return pages > 0 && page_size > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page_size)
                                    : std::numeric_limits<std::size_t>::max();
}

// Large blocks lie on huge pages where the system has them on demand: 2 to 8% of a training step whose tensors have
// megabytes, by fewer misses of the address cache. The end of a block that fills no huge page has small ones.
void* system_block(std::size_t bytes) {
  if (bytes < kHugePage) {
    return std::aligned_alloc(kAlignment, bytes);
  }
  void* data = nullptr;
  if (posix_memalign(&data, kHugePage, bytes) != 0) {
    return nullptr;
  }
#if defined(MADV_HUGEPAGE)
  madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish: whether it is granted makes no difference
#endif
  return data;
}

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
    for (const int wanted = team * ++scratch_of_thread[size.index]; bin.scratch + bin.count < wanted;) {
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

 private:
  /// The free blocks of a size class.
  struct Bin {
    FreeBlock* first;
    int count;
    int scratch;  // blocks that units of parallel work hold
  };

  static SizeClass checked_class(std::size_t bytes) {
    if (bytes > std::numeric_limits<std::size_t>::max() / 2) {
      throw OutOfMemory(bytes);
    }
    return size_class(bytes);
  }

  std::byte* allocate(std::size_t bytes, const SizeClass& size) {
    if (limit_ > 0 && (size.bytes > limit_ || stats_.in_use > limit_ - size.bytes)) {
      throw OutOfMemory(bytes);
    }
    std::byte* data = long_lived_scopes > 0 ? nullptr : take_cached(size);
    if (data == nullptr) {
      data = ask_system(size.bytes);
      if (data == nullptr) {
        throw OutOfMemory(bytes);
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

  // More than the machine has is refused here: the kernel would promise it, and kill the process later.
  std::byte* ask_system(std::size_t bytes) {
    if (bytes > physical_ || stats_.in_use > physical_ - bytes) {
      return nullptr;
    }
    if (stats_.cached > physical_ - bytes - stats_.in_use) {
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

  void drop_cached() {
    for (Bin& bin : bins_) {
      while (bin.first != nullptr) {
        std::free(std::exchange(bin.first, bin.first->next));
      }
      bin.count = 0;
    }
    stats_.cached = 0;
  }

  std::mutex mutex_;
  MemoryStats stats_;
  std::size_t limit_ = 0;
  const std::size_t physical_ = physical_memory();
  std::array<Bin, kClasses> bins_{};
};

// Never destroyed: storages may live in statics that go after this file's.
Allocator& allocator() {
  static Allocator* const instance = new Allocator;
  return *instance;
}

}  // namespace

OutOfMemory::OutOfMemory(std::size_t bytes) : text_(concat("out of memory: can't allocate ", bytes, " bytes")) {}

Storage::Storage(std::size_t bytes) : data_(allocator().allocate(bytes)), bytes_(bytes) {}

Storage::~Storage() { allocator().release(data_, bytes_); }

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
