#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <concepts>
#include <limits>

namespace evenkeel {

// Over any dims (none given: all), negative dims allowed; see core/reduce.hpp for values over empty sets.

Tensor sum(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor mean(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// sum((x - mean)^2) / (n - correction)
Tensor var(const Tensor& x, const Dims& dims = {}, double correction = 1, bool keepdim = false);
/// sqrt(var(x)); gradient 0 at 0. After `using namespace evenkeel` the name std(x) is ambiguous with the standard
/// library's namespace: write evenkeel::std(x), or the second name.
Tensor std(const Tensor& x, const Dims& dims = {}, double correction = 1, bool keepdim = false);
Tensor standard_deviation(const Tensor& x, const Dims& dims = {}, double correction = 1, bool keepdim = false);
/// (sum |x|^p)^(1/p) for p >= 1 or infinity; gradient 0 at 0.
Tensor norm(const Tensor& x, double p = 2, const Dims& dims = {}, bool keepdim = false);
/// The product; the gradient is right where elements are 0, too.
Tensor prod(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// log(sum(exp(x))) without overflow; -inf where all are, or none is. The gradient of such a row, and of one with inf,
/// has NaN, as PyTorch's.
Tensor logsumexp(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// The largest (smallest) element; where several are equal they share the gradient evenly, NaNs among themselves (where
/// PyTorch's amax gives NaN to all). Throws ShapeError over no elements.
Tensor amax(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor amin(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// amax (amin) of all elements.
Tensor max(const Tensor& x);
Tensor min(const Tensor& x);

/// What is picked along a dim, and where it stood there (int64, no gradient).
struct ValuesAndIndices {
  Tensor values, indices;
};
/// The first largest (smallest) element along dim, which gets the whole gradient. NaN counts as both. Throws ShapeError
/// over no elements.
ValuesAndIndices max(const Tensor& x, std::int64_t dim, bool keepdim = false);
ValuesAndIndices min(const Tensor& x, std::int64_t dim, bool keepdim = false);

// A number where the dim stands is a slip for maximum(x, 0.5).
template <std::floating_point T>
ValuesAndIndices max(const Tensor& x, T dim, bool keepdim = false) = delete;
template <std::floating_point T>
ValuesAndIndices min(const Tensor& x, T dim, bool keepdim = false) = delete;

/// Whether any is, or all are, not 0 (NaN is not 0), as bool without a gradient; over no elements false, or true.
Tensor any(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor all(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// int64 indices of the first largest (smallest) element; no gradient.
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim = false);

}  // namespace evenkeel
