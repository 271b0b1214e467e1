#include "tests/optim/failing_new.hpp"

#include <cstdlib>
#include <new>

thread_local long evenkeel::test::allocations_until_failure = -1;

// In the place of the standard library's, for the whole program.
void* operator new(std::size_t bytes) {
  long& left = evenkeel::test::allocations_until_failure;
  if (left >= 0 && left-- == 0) {
    throw std::bad_alloc();
  }
  if (void* block = std::malloc(bytes == 0 ? 1 : bytes)) {
    return block;
  }
  throw std::bad_alloc();
}
// Stands for itself in the sanitizers' run-time library, which would miss its delete.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return operator new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
