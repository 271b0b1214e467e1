#pragma once

#include "evenkeel/autograd/tensor.hpp"

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
/// The largest (smallest) element; where several are equal they share the gradient evenly, as torch.amax does.
Tensor max(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor min(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// int64 indices of the first largest (smallest) element; no gradient.
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim = false);

}  // namespace evenkeel
