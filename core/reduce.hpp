#pragma once

#include "evenkeel/core/array.hpp"

namespace evenkeel {

// Reductions over any dims (none given: all), negative dims allowed. Float sums are accumulated blockwise into doubles,
// so the error does not grow with the length, on any axis; sums over int64, uint8 and bool give int64, exactly.

/// 0 over an empty set.
Array sum(const Array& x, const Dims& dims = {}, bool keepdim = false);
/// NaN over an empty set. float32 or float64.
Array mean(const Array& x, const Dims& dims = {}, bool keepdim = false);
/// sum((x - mean)^2) / (n - correction), two passes; NaN where n - correction <= 0 (PyTorch's warning case).
Array var(const Array& x, const Dims& dims = {}, double correction = 1, bool keepdim = false);
/// sqrt(var(x)), also where var(x) itself leaves the dtype's range.
Array standard_deviation(const Array& x, const Dims& dims = {}, double correction = 1, bool keepdim = false);
/// (sum |x|^p)^(1/p); p = infinity: the largest |x|, 0 over an empty set. Squares are summed in double.
Array norm(const Array& x, double p = 2, const Dims& dims = {}, bool keepdim = false);
/// 1 over an empty set. Multiplied in double; int64, uint8 and bool give int64, which wraps around.
Array prod(const Array& x, const Dims& dims = {}, bool keepdim = false);
/// Largest or smallest value; NaN wins; throws over an empty set.
Array amax(const Array& x, const Dims& dims = {}, bool keepdim = false);
Array amin(const Array& x, const Dims& dims = {}, bool keepdim = false);
/// Whether any is, or all are, not 0 (NaN is not 0), as bool; over an empty set false, or true.
Array any(const Array& x, const Dims& dims = {}, bool keepdim = false);
Array all(const Array& x, const Dims& dims = {}, bool keepdim = false);
/// Index (int64) of the first largest or smallest value along dim (NaN counts as largest and as smallest).
Array argmax(const Array& x, std::int64_t dim, bool keepdim = false);
Array argmin(const Array& x, std::int64_t dim, bool keepdim = false);

/// The adjoint of broadcasting: sums x over exactly the axes along which `shape` was stretched to x.shape().
/// Returns x itself if the shapes are equal.
Array sum_to(const Array& x, const Shape& shape);

}  // namespace evenkeel
