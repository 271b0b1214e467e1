#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace evenkeel {

/// A linear map along one axis: output o is the sum of weights[k] x[cells[k]] for k from begin[o] to begin[o + 1] - 1.
struct AxisTaps {
  std::int64_t inputs = 0;
  std::vector<std::int64_t> begin = {0};
  std::vector<std::int64_t> cells;
  std::vector<double> weights;
  std::int64_t outputs() const { return static_cast<std::int64_t>(begin.size()) - 1; }
};

/// The adjoint map, whose inputs are the outputs of `taps`; those that a cell sends to are in ascending order.
AxisTaps transposed(const AxisTaps& taps);

/// How values between cells are formed: of the cell that the place lies in (`nearest` takes the one of an output's left
/// end, `nearest_exact` that of its middle), of two, or of four cells.
enum class TapFilter { nearest, nearest_exact, linear, cubic };

/// Where the outputs of an axis lie among its inputs. Output o has its middle at s (o + 1/2) - 1/2, where s is
/// 1 / scale_factor or, without one, inputs / outputs; with align_corners at o (inputs - 1) / (outputs - 1).
struct TapPlaces {
  std::int64_t inputs = 1, outputs = 1;
  bool align_corners = false;
  std::optional<double> scale_factor = {};
};

/// Places and weights in T's arithmetic, as PyTorch computes them. Cubic: the convolution with a = -0.75 (Keys 1981,
/// doi:10.1109/TASSP.1981.1163711, equation 4 with another a), cells beyond the ends being those at the ends. A cell of
/// weight 0 is left out, so that it sends no NaN.
template <class T>
AxisTaps interpolation_taps(TapFilter filter, const TapPlaces& places);

namespace kernels {

/// y (outer, outputs, inner) = the map along the middle axis of x (outer, inputs, inner); sums in double.
template <class T>
void resample(const AxisTaps& taps, std::int64_t outer, std::int64_t inner, const T* x, T* y);

}  // namespace kernels
}  // namespace evenkeel
