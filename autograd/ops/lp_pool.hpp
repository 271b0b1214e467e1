#pragma once

#include "evenkeel/autograd/ops/pool.hpp"

namespace evenkeel {

template <int D>
struct LPPoolOptions {
  double norm_type = 2;  ///< p; also infinity and -infinity
  SizeND<D> kernel_size = 2;
  std::optional<SizeND<D>> stride = {};  ///< kernel_size if absent; of several numbers: SizeND<D>(2, 1)
  bool ceil_mode = false;
};
using LPPool1dOptions = LPPoolOptions<1>;
using LPPool2dOptions = LPPoolOptions<2>;
using LPPool3dOptions = LPPoolOptions<3>;

/// (sum x^p)^(1/p) of each window, gradient 0 where the sum is 0; p = infinity: the largest |x|, -infinity: the
/// smallest. Of negative x an odd p may give NaN. A window that ceil_mode lets hang over the end counts as many cells
/// as others, of the average of its own. As in PyTorch, all of it. x: (N, C, *) or (C, *), see avg_pool.
template <int D>
Tensor lp_pool(const Tensor& x, const LPPoolOptions<D>& options);

/// Throws what lp_pool would throw of options that no input fits.
template <int D>
void check_pool(std::string_view op, const LPPoolOptions<D>& options);

inline Tensor lp_pool1d(const Tensor& x, const LPPool1dOptions& options) { return lp_pool(x, options); }
inline Tensor lp_pool2d(const Tensor& x, const LPPool2dOptions& options) { return lp_pool(x, options); }
inline Tensor lp_pool3d(const Tensor& x, const LPPool3dOptions& options) { return lp_pool(x, options); }

}  // namespace evenkeel
