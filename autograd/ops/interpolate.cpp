#include "evenkeel/autograd/ops/interpolate.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/pool.hpp"
#include "evenkeel/core/kernels/pool/resample.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

namespace evenkeel {
namespace {

/// What a mode is called, how it takes cells, and for which rank it is (0: all).
struct Mode {
  std::string_view name;
  TapFilter filter;
  int rank;
};
constexpr std::array<Mode, 7> kModes{{{"nearest", TapFilter::nearest, 0},
                                      {"nearest-exact", TapFilter::nearest_exact, 0},
                                      {"linear", TapFilter::linear, 3},
                                      {"bilinear", TapFilter::linear, 4},
                                      {"bicubic", TapFilter::cubic, 4},
                                      {"trilinear", TapFilter::linear, 5},
                                      {"area", TapFilter::nearest, 0}}};
const Mode& mode_of(Interpolation mode) { return kModes[static_cast<std::size_t>(mode)]; }

/// A map along one axis and its adjoint.
struct AxisMap {
  AxisTaps forward, backward;
};

using SharedMap = std::shared_ptr<const AxisMap>;

/// x's shape with `cells` along axis `dim`; not yet filled.
Array resized(const Tensor& x, int dim, std::int64_t cells) {
  Shape shape = x.shape();
  shape[dim] = cells;
  return Array::empty(shape, x.dtype());
}

/// value = the map, or its adjoint, along axis `dim` of x; the gradient is the other one's.
Tensor resample_into(Array value, const Tensor& x, int dim, const SharedMap& map, bool adjoint) {
  const AxisTaps& taps = adjoint ? map->backward : map->forward;
  const Array source = x.array().contiguous();
  std::int64_t outer = 1, inner = 1;
  for (int i = 0; i < x.rank(); ++i) {
    (i < dim ? outer : inner) *= i == dim ? 1 : x.size(i);
  }
  if (value.numel() > 0 && source.numel() > 0) {
    dispatch_float(x.dtype(), "interpolate", [&]<class T>() {
      kernels::resample<T>(taps, outer, inner, source.data<T>(), value.mutable_data<T>());
    });
  }
  return record({.name = adjoint ? "interpolate_backward" : "interpolate", .inputs = {x}}, std::move(value),
                [dim, map, adjoint, cells = x.size(dim)](const Saved&, const Tensor& dy) -> Grads {
                  return {resample_into(resized(dy, dim, cells), dy, dim, map, !adjoint)};
                });
}

std::string to_text(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) {
    text += concat(text.empty() ? "[" : ", ", value);
  }
  return text + "]";
}

/// Throws unless there is one value for all spatial axes or one for each.
void check_count(const Tensor& x, std::string_view what, std::ptrdiff_t count, const std::string& values) {
  const Shape spatial(std::span(x.shape().begin() + 2, x.shape().end()));
  require<ShapeError>(count == 1 || count == spatial.rank(), "interpolate", "Input and ", what,
                      " must have the same number of spatial dimensions, got ", spatial, " and ", values);
}

/// The sizes of the result's spatial axes.
Shape output_size(const Tensor& x, const InterpolateOptions& o) {
  Shape size;
  for (int axis = 0; axis < x.rank() - 2; ++axis) {
    const auto at = static_cast<std::size_t>(axis);
    const std::int64_t cells = x.size(axis + 2);
    if (!o.size.empty()) {
      size.push_back(o.size[o.size.rank() == 1 ? 0 : axis]);
    } else {
      const double wanted =
          std::floor(static_cast<double>(cells) * o.scale_factor[o.scale_factor.size() == 1 ? 0 : at]);
      require<ShapeError>(wanted < 0x1p62, "interpolate", "the result is too large, got ", x.shape(), " by ",
                          to_text(o.scale_factor));
      size.push_back(static_cast<std::int64_t>(wanted));
    }
  }
  return size;
}

void check_input(const Tensor& x, const Mode& mode) {
  check_float("interpolate", x);
  require<ShapeError>(x.rank() >= 3 && x.rank() <= 5, "interpolate",
                      "Input Error: Only 3D, 4D and 5D input Tensors supported (got ", x.rank(), "D)");
  require<ShapeError>(mode.rank == 0 || mode.rank == x.rank(), "interpolate", "Got ", x.rank(), "D input, but ",
                      mode.name, " mode needs ", mode.rank, "D input");
}

SharedMap map_of(TapFilter filter, const TapPlaces& places, DType dtype) {
  AxisTaps taps =
      dispatch_float(dtype, "interpolate", [&]<class T>() { return interpolation_taps<T>(filter, places); });
  AxisTaps adjoint = transposed(taps);
  return std::make_shared<const AxisMap>(AxisMap{std::move(taps), std::move(adjoint)});
}

Tensor area(const Tensor& x, const Shape& size) {
  switch (size.rank()) {
    case 1:
      return adaptive_avg_pool1d(x, size[0]);
    case 2:
      return adaptive_avg_pool2d(x, {size[0], size[1]});
    default:
      return adaptive_avg_pool3d(x, {size[0], size[1], size[2]});
  }
}

}  // namespace

std::string to_string(Interpolation mode) { return std::string(mode_of(mode).name); }

void check_interpolate(std::string_view op, const InterpolateOptions& o) {
  require(o.size.empty() || o.scale_factor.empty(), op, "only one of size or scale_factor should be defined");
  require(!o.size.empty() || !o.scale_factor.empty(), op, "either size or scale_factor should be defined");
  const TapFilter filter = mode_of(o.mode).filter;
  require(!o.align_corners || filter == TapFilter::linear || filter == TapFilter::cubic, op,
          "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear");
  require(!o.recompute_scale_factor || o.size.empty(), op,
          "recompute_scale_factor is not meaningful with an explicit size.");
  require(std::all_of(o.scale_factor.begin(), o.scale_factor.end(),
                      [](double factor) { return factor > 0 && std::isfinite(factor); }),
          op, "scale_factor must be positive and finite, got ", to_text(o.scale_factor));
}

Tensor interpolate(const Tensor& x, const InterpolateOptions& o) {
  const Mode& mode = mode_of(o.mode);
  check_interpolate("interpolate", o);
  check_input(x, mode);
  if (o.size.empty()) {
    check_count(x, "scale_factor", std::ssize(o.scale_factor), to_text(o.scale_factor));
  } else {
    check_count(x, "output size", o.size.rank(), to_string(o.size));
  }
  const Shape size = output_size(x, o);
  const auto positive = [](std::int64_t n) { return n > 0; };
  require<ShapeError>(
      std::all_of(x.shape().begin() + 1, x.shape().end(), positive) && std::all_of(size.begin(), size.end(), positive),
      "interpolate", "Input and output sizes should be greater than 0, but got input ", x.shape(), " and output ",
      size);
  if (o.mode == Interpolation::area) {
    return area(x, size);
  }
  Tensor y = x;
  for (int axis = size.rank() - 1; axis >= 0; --axis) {
    Array value = resized(y, axis + 2, size[axis]);  // before the taps, which are as many: too many throw here
    TapPlaces places{x.size(axis + 2), size[axis], o.align_corners.value_or(false), {}};
    if (!o.scale_factor.empty() && !o.recompute_scale_factor) {
      places.scale_factor = o.scale_factor[o.scale_factor.size() == 1 ? 0 : static_cast<std::size_t>(axis)];
    }
    // Of an empty batch nothing is formed, however large the result's planes are.
    const SharedMap map =
        value.numel() > 0 ? map_of(mode.filter, places, x.dtype()) : std::make_shared<const AxisMap>();
    y = resample_into(std::move(value), y, axis + 2, map, false);
  }
  return y;
}

}  // namespace evenkeel
