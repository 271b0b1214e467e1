#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace evenkeel::kernels::simd {

// The bits of this thread's floating-point unit that take denormal numbers for 0, as results and as operands.

#if defined(__SSE2__)
inline constexpr bool kCanFlushDenormal = true;
inline constexpr unsigned kFlushBits = 0x8040;  // of MXCSR: flush to zero, denormals are zeros

inline bool flushes_denormal() { return (_mm_getcsr() & kFlushBits) == kFlushBits; }
inline void flush_denormal(bool flush) { _mm_setcsr(flush ? _mm_getcsr() | kFlushBits : _mm_getcsr() & ~kFlushBits); }
#else
inline constexpr bool kCanFlushDenormal = false;
inline bool flushes_denormal() { return false; }
inline void flush_denormal(bool) {}
#endif

}  // namespace evenkeel::kernels::simd
