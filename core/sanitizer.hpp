#pragma once

#include <cstddef>
#include <sanitizer/asan_interface.h>

namespace evenkeel::detail {

/// Whether this is built with AddressSanitizer: GCC says so by a macro, Clang by a feature.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#else
inline constexpr bool kAddressSanitizer = false;
#endif

/// Makes every access to these bytes an error under AddressSanitizer, which does not see into our caches.
inline void forbid([[maybe_unused]] const void* data, [[maybe_unused]] std::size_t bytes) {
  if constexpr (kAddressSanitizer) {
    __asan_poison_memory_region(data, bytes);
  }
}

/// Allows them again.
inline void permit([[maybe_unused]] const void* data, [[maybe_unused]] std::size_t bytes) {
  if constexpr (kAddressSanitizer) {
    __asan_unpoison_memory_region(data, bytes);
  }
}

}  // namespace evenkeel::detail
