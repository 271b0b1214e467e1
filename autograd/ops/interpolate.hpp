#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <optional>
#include <string>
#include <vector>

namespace evenkeel {

/// How values between cells are formed. Of three, four and five dims the two or more cells nearest on each axis are
/// called linear, bilinear and trilinear; bicubic is for four dims.
enum class Interpolation { nearest, nearest_exact, linear, bilinear, bicubic, trilinear, area };
/// PyTorch's name: "nearest-exact".
std::string to_string(Interpolation mode);

struct InterpolateOptions {
  Shape size = {};                        ///< of the result: one per spatial axis, or one for all; or absent
  std::vector<double> scale_factor = {};  ///< likewise; the result has floor(N scale_factor) cells
  Interpolation mode = Interpolation::nearest;
  std::optional<bool> align_corners = {};  ///< false where absent; for linear, bilinear, bicubic, trilinear only
  bool recompute_scale_factor = false;     ///< use the ratio of the sizes in place of scale_factor
};

/// x: (N, C, L), (N, C, H, W) or (N, C, D, H, W), resized to `size` or by `scale_factor`, one of which must be given.
/// Output cell o of O lies at s (o + 1/2) - 1/2 among the N of x, s = 1 / scale_factor or N / O; with align_corners at
/// o (N - 1) / (O - 1), so that the corners stay.
///   nearest        cell floor(o s);  nearest_exact: floor((o + 1/2) s)
///   linear ones    of the two cells around it by distance, axis by axis; cells beyond the ends are those at the ends
///   bicubic        of four by the cubic convolution with a = -0.75, likewise
///   area           the average over the cells that belong to it: adaptive_avg_pool to the size
/// Linear in x, so it may be differentiated any number of times. Weights are PyTorch's to the last places in both
/// dtypes; a cell of weight 0 sends no NaN. Gradients go to the cells that forward took (PyTorch's nearest finds them
/// anew in float32, which at a few sizes are others). PyTorch's antialias and its mode "lanczos", which needs that, are
/// not here.
Tensor interpolate(const Tensor& x, const InterpolateOptions& options);

/// Throws what interpolate would throw of options that no input fits.
void check_interpolate(std::string_view op, const InterpolateOptions& options);

}  // namespace evenkeel
