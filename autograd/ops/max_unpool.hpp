#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/size_nd.hpp"

#include <optional>
#include <string_view>

namespace evenkeel {

/// The sizes of the max_pool that is to be undone.
template <int D>
struct MaxUnpoolOptions {
  SizeND<D> kernel_size = 2;
  std::optional<SizeND<D>> stride = {};  ///< kernel_size if absent; of several numbers: SizeND<D>(2, 1)
  SizeND<D> padding = 0;
};
using MaxUnpool1dOptions = MaxUnpoolOptions<1>;
using MaxUnpool2dOptions = MaxUnpoolOptions<2>;
using MaxUnpool3dOptions = MaxUnpoolOptions<3>;

/// A partial inverse of max_pool: zeros but for x's values at their indices (those of max_pool_with_indices; int64, of
/// x's shape). Along each axis there are (N - 1) stride - 2 padding + kernel_size outputs, or `output_size`, which may
/// differ from that by less than the stride, as pools of several sizes give N. Where values share an index, the last in
/// row order stays, yet each of them gets the gradient there, as in PyTorch. x: (N, C, *) or (C, *).
/// Throws ShapeError, ValueError (sizes), DtypeError (indices), IndexError (an index outside the output).
template <int D>
Tensor max_unpool(const Tensor& x, const Tensor& indices, const MaxUnpoolOptions<D>& options,
                  const std::optional<SizeND<D>>& output_size = {});

/// Throws what max_unpool would throw of options that no input fits.
template <int D>
void check_pool(std::string_view op, const MaxUnpoolOptions<D>& options);

inline Tensor max_unpool1d(const Tensor& x, const Tensor& indices, const MaxUnpool1dOptions& options,
                           const std::optional<SizeND<1>>& output_size = {}) {
  return max_unpool(x, indices, options, output_size);
}
inline Tensor max_unpool2d(const Tensor& x, const Tensor& indices, const MaxUnpool2dOptions& options,
                           const std::optional<SizeND<2>>& output_size = {}) {
  return max_unpool(x, indices, options, output_size);
}
inline Tensor max_unpool3d(const Tensor& x, const Tensor& indices, const MaxUnpool3dOptions& options,
                           const std::optional<SizeND<3>>& output_size = {}) {
  return max_unpool(x, indices, options, output_size);
}

}  // namespace evenkeel
