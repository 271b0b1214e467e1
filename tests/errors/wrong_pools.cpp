// Wrong calls of pools, unpooling and interpolation, and of their layers.

#include "evenkeel/nn/pool.hpp"
#include "evenkeel/nn/upsample.hpp"
#include "tests/errors/wrong_calls.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

/// int64 places for the 2x2 outputs of a 4x4 plane.
Tensor places(std::int64_t last = 15) {
  return Tensor(Array::from(std::vector<std::int64_t>{0, 2, 8, last}, {1, 1, 2, 2}));
}

WrongCalls wrong_pool_options() {
  return {
      wrong<ShapeError>("max_pool1d: the input must be 2D or 3D, with no size of 0 but the batch's, got shape [4]",
                        [](World&) { return max_pool1d(ones({4}), {}); }),
      wrong<ShapeError>("max_pool3d: the input must be 4D or 5D, with no size of 0 but the batch's, got shape [0, 2]",
                        [](World&) {
                          return max_pool3d(ones({0, 2}), {});
                        }),
      wrong<ValueError>("max_pool1d: kernel_size must be positive, got (0,)",
                        [](World& w) { return max_pool1d(w.leaf, {.kernel_size = 0}); }),
      wrong<ValueError>("max_pool3d: padding must be at most half of kernel_size, got (1, 2, 1) and (2, 3, 2)",
                        [](World& w) {
                          return max_pool3d(w.x, {.kernel_size = {2, 3, 2}, .padding = {1, 2, 1}});
                        }),
      wrong<ShapeError>(
          "avg_pool3d: Given input size: [2, 3, 6, 6]. Calculated output size: (2x0x2). Output size is too small. "
          "Kernel size with its dilation: (2 x 7 x 3), padded input size: (3 x 6 x 6)",
          [](World& w) {
            return avg_pool3d(w.x, {.kernel_size = {2, 7, 3}, .stride = SizeND<3>(1, 1, 3)});
          }),
      wrong<ValueError>("avg_pool1d: divisor must be not zero",
                        [](World& w) { return avg_pool1d(w.leaf, {.divisor_override = 0}); }),
      wrong<ValueError>("adaptive_max_pool3d: output_size must not be negative, got (1, -1, 1)",
                        [](World& w) {
                          return adaptive_max_pool3d(w.x, {1, -1, 1});
                        }),
      wrong<DtypeError>("adaptive_max_pool1d: dtype must be float32 or float64, got int64",
                        [](World&) { return adaptive_max_pool1d_with_indices(places(), 1).values; }),
      wrong<ValueError>("lp_pool2d: kernel_size must be positive, got (2, 0)",
                        [](World& w) {
                          return lp_pool2d(w.x, {.kernel_size = {2, 0}});
                        }),
      wrong<ShapeError>("lp_pool1d: the input must be 2D or 3D, with no size of 0 but the batch's, got shape...",
                        [](World& w) { return lp_pool1d(w.x, {}); }),
  };
}

WrongCalls wrong_unpools() {
  return {
      wrong<DtypeError>("max_unpool2d: elements in indices should be type int64 but got: float32",
                        [](World&) {
                          return max_unpool2d(ones({1, 1, 2, 2}), ones({1, 1, 2, 2}), {});
                        }),
      wrong<ShapeError>("max_unpool2d: Expected shape of indices to be same as that of the input tensor ([1, 1, 2, 3]) "
                        "but got indices tensor with shape: [1, 1, 2, 2]",
                        [](World&) {
                          return max_unpool2d(ones({1, 1, 2, 3}), places(), {});
                        }),
      wrong<ValueError>("max_unpool2d: invalid output_size (7, 4) (dim 0 must be between 2 and 6)",
                        [](World&) {
                          return max_unpool2d(ones({1, 1, 2, 2}), places(), {}, Size2(7, 4));
                        }),
      wrong<IndexError>("max_unpool2d: Found an invalid max index: 16 (output volumes are of size (4, 4))",
                        [](World&) {
                          return max_unpool2d(ones({1, 1, 2, 2}), places(16), {});
                        }),
      wrong<IndexError>("max_unpool2d: Found an invalid max index: -1 (output volumes are of size (4, 4))",
                        [](World&) {
                          return max_unpool2d(ones({1, 1, 2, 2}), places(-1), {});
                        }),
      wrong<ValueError>("max_unpool3d: stride must be positive, got (1, 0, 1)",
                        [](World& w) { return max_unpool3d(w.x, w.x, {.stride = SizeND<3>(1, 0, 1)}); }),
      wrong<ValueError>("MaxUnpool1d: kernel_size must be positive, got (0,)",
                        [](World&) { return nn::MaxUnpool1d(0).training(); }),
      wrong<ValueError>("LPPool3d: stride must be positive, got (0, 0, 0)",
                        [](World&) { return nn::LPPool3d(LPPool3dOptions{.stride = 0}).training(); }),
      wrong<ValueError>("AdaptiveMaxPool1d: output_size must not be negative, got (-1,)",
                        [](World&) { return nn::AdaptiveMaxPool1d(-1).training(); }),
  };
}

WrongCalls wrong_interpolations() {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  return {
      wrong<ValueError>("interpolate: only one of size or scale_factor should be defined",
                        [](World& w) { return interpolate(w.x, {.size = {3}, .scale_factor = {2}}); }),
      wrong<ValueError>("Upsample: either size or scale_factor should be defined",
                        [](World&) { return nn::Upsample(InterpolateOptions{}).training(); }),
      wrong<ValueError>("interpolate: align_corners option can only be set with the interpolating modes: linear | "
                        "bilinear | bicubic | trilinear",
                        [](World& w) {
                          return interpolate(w.x, {.size = {3}, .mode = Interpolation::area, .align_corners = false});
                        }),
      wrong<ValueError>("interpolate: recompute_scale_factor is not meaningful with an explicit size.",
                        [](World& w) { return interpolate(w.x, {.size = {3}, .recompute_scale_factor = true}); }),
      wrong<ValueError>("Upsample: scale_factor must be positive and finite, got [2, -1]",
                        [](World&) {
                          return nn::UpsamplingNearest2d(nn::UpsamplingOptions{.scale_factor = {2, -1}}).training();
                        }),
      wrong<ValueError>("interpolate: scale_factor must be positive and finite, got [inf]",
                        [](World& w) { return interpolate(w.x, {.scale_factor = {kInf}}); }),
      wrong<ShapeError>("interpolate: Input Error: Only 3D, 4D and 5D input Tensors supported (got 2D)",
                        [](World& w) { return interpolate(w.leaf, {.size = {3}}); }),
      wrong<ShapeError>("interpolate: Got 4D input, but linear mode needs 3D input",
                        [](World& w) { return interpolate(w.x, {.size = {3}, .mode = Interpolation::linear}); }),
      wrong<ShapeError>("interpolate: Input and output size must have the same number of spatial dimensions, got "
                        "[6, 6] and [3, 4, 5]",
                        [](World& w) {
                          return interpolate(w.x, {.size = {3, 4, 5}});
                        }),
      wrong<ShapeError>("interpolate: Input and scale_factor must have the same number of spatial dimensions, got "
                        "[6, 6] and [1, 2, 3]",
                        [](World& w) {
                          return interpolate(w.x, {.scale_factor = {1, 2, 3}});
                        }),
      wrong<ShapeError>("interpolate: Input and output sizes should be greater than 0, but got input [2, 3, 6, 6] and "
                        "output [3, 0]",
                        [](World& w) {
                          return interpolate(w.x, {.scale_factor = {0.5, 0.1}, .mode = Interpolation::area});
                        }),
      wrong<ShapeError>("interpolate: the result is too large, got [2, 3, 6, 6] by [1e+300]",
                        [](World& w) { return interpolate(w.x, {.scale_factor = {1e300}}); }),
      wrong<OutOfMemory>("out of memory: can't allocate...",
                         [](World& w) {
                           return interpolate(w.x, {.size = {6, std::int64_t{1} << 40}});
                         }),
      wrong<DtypeError>("interpolate: dtype must be float32 or float64, got int64",
                        [](World&) { return interpolate(places(), {.size = {3}}); }),
  };
}

}  // namespace

WrongCalls wrong_pools() {
  WrongCalls all = wrong_pool_options();
  for (const WrongCalls& more : {wrong_unpools(), wrong_interpolations()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
