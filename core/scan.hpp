#pragma once

#include "evenkeel/core/array.hpp"

namespace evenkeel {

/// s_0 = b_0, s_i = b_i + a_i s_(i-1) along dim, or, in reverse, from the end: s_(n-1) = b_(n-1),
/// s_i = b_i + a_i s_(i+1); the first a is never read. An undefined a is 1, which gives running sums. a, b: one shape,
/// one dtype of float32, float64 and int64 (which wraps around); s is carried on in double. Rank 0 counts as one
/// element.
Array linear_scan(const Array& a, const Array& b, std::int64_t dim, bool reverse = false);

}  // namespace evenkeel
