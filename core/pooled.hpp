#pragma once

#include "evenkeel/core/sanitizer.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace evenkeel {

/// Memory of the small objects that come and go with every op (storages, handles, graph nodes): freed blocks stay on
/// the thread that freed them, by size. The general allocator takes three times as long once more than a few blocks of
/// a size are free, as at the end of every backward.
class ObjectPool {
 public:
  static void* take(std::size_t bytes) {
    List* list = list_of(bytes);
    if (list == nullptr || list->first == nullptr) {
      return ::operator new(list == nullptr ? bytes : rounded(bytes));
    }
    --list->count;
    return std::exchange(list->first, list->first->next);
  }

  static void give(void* block, std::size_t bytes) noexcept {
    List* list = list_of(bytes);
    if (list == nullptr || list->count >= kMostBlocks || !open()) {
      ::operator delete(block);
      return;
    }
    ++list->count;
    list->first = new (block) Block{list->first};
  }

 private:
  static constexpr std::size_t kLargest = detail::kAddressSanitizer ? 0 : 1024;  // every use after free shall be seen
  static constexpr std::size_t kStep = 64;
  static constexpr int kMostBlocks = 2048;

  struct Block {
    Block* next;
  };
  struct List {
    Block* first;
    int count;
  };
  enum class Phase { unused, open, closed };
  // Plain data, so that objects may die after the thread's other variables; Closer gives the blocks back.
  struct Lists {
    std::array<List, kLargest / kStep + 1> by_size;
    Phase phase;
  };
  struct Closer {
    ~Closer() {
      lists().phase = Phase::closed;
      for (List& list : lists().by_size) {
        while (list.first != nullptr) {
          ::operator delete(std::exchange(list.first, list.first->next));
        }
      }
    }
  };

  static Lists& lists() {
    static thread_local constinit Lists lists{};
    return lists;
  }
  static std::size_t rounded(std::size_t bytes) { return (bytes + kStep - 1) / kStep * kStep; }
  static List* list_of(std::size_t bytes) {
    return bytes <= kLargest ? &lists().by_size[rounded(bytes) / kStep] : nullptr;
  }
  static bool open() {
    if (lists().phase == Phase::unused) [[unlikely]] {
      static thread_local Closer closer;
      lists().phase = Phase::open;
    }
    return lists().phase == Phase::open;
  }
};

/// ObjectPool for the standard library.
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) { return static_cast<T*>(ObjectPool::take(count * sizeof(T))); }
  void deallocate(T* block, std::size_t count) noexcept { ObjectPool::give(block, count * sizeof(T)); }
  friend bool operator==(PoolAllocator, PoolAllocator) { return true; }
};

/// std::make_shared from the pool.
template <class T, class... Args>
std::shared_ptr<T> make_pooled(Args&&... args) {
  return std::allocate_shared<T>(PoolAllocator<T>{}, std::forward<Args>(args)...);
}

}  // namespace evenkeel
