#include "evenkeel/core/kernels/pool/resample.hpp"

#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace evenkeel {

AxisTaps transposed(const AxisTaps& taps) {
  AxisTaps result{.inputs = taps.outputs(),
                  .begin = std::vector<std::int64_t>(static_cast<std::size_t>(taps.inputs) + 1, 0),
                  .cells = std::vector<std::int64_t>(taps.cells.size()),
                  .weights = std::vector<double>(taps.weights.size())};
  for (const std::int64_t cell : taps.cells) {
    ++result.begin[static_cast<std::size_t>(cell) + 1];
  }
  for (std::size_t i = 1; i < result.begin.size(); ++i) {
    result.begin[i] += result.begin[i - 1];
  }
  std::vector<std::int64_t> next = result.begin;
  for (std::size_t o = 0; o + 1 < taps.begin.size(); ++o) {
    for (auto k = static_cast<std::size_t>(taps.begin[o]); k < static_cast<std::size_t>(taps.begin[o + 1]); ++k) {
      const auto place = static_cast<std::size_t>(next[static_cast<std::size_t>(taps.cells[k])]++);
      result.cells[place] = static_cast<std::int64_t>(o);
      result.weights[place] = taps.weights[k];
    }
  }
  return result;
}

namespace {

/// s of TapPlaces.
template <class T>
T step_of(const TapPlaces& p) {
  if (p.align_corners) {
    return p.outputs > 1 ? static_cast<T>(p.inputs - 1) / static_cast<T>(p.outputs - 1) : T(0);
  }
  return p.scale_factor ? static_cast<T>(1 / *p.scale_factor) : static_cast<T>(p.inputs) / static_cast<T>(p.outputs);
}

/// The middle of output o among the inputs. One rounding, as where PyTorch's compilers fuse product and sum.
template <class T>
T middle_of(const TapPlaces& p, T step, std::int64_t o) {
  const T output = static_cast<T>(o);
  return p.align_corners ? step * output : std::fma(step, output + T(0.5), T(-0.5));
}

/// The last cell that begins at or before `place`, which is rounded to float first, in float64 too, as PyTorch does.
template <class T>
std::int64_t cell_at(const TapPlaces& p, T place) {
  return std::min(static_cast<std::int64_t>(std::floor(static_cast<float>(place))), p.inputs - 1);
}

/// The weights of the four cells around a place that is t behind the second one.
template <class T>
std::array<T, 4> cubic_weights(T t) {
  constexpr T a = -0.75;
  const auto near = [](T x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };       // of a cell x <= 1 away
  const auto far = [](T x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };  // 1 to 2 away
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

void add_tap(AxisTaps& taps, std::int64_t cell, double weight) {
  if (weight != 0) {
    taps.cells.push_back(std::clamp<std::int64_t>(cell, 0, taps.inputs - 1));
    taps.weights.push_back(weight);
  }
}

/// Adds the taps of output o.
template <class T>
void add_output(AxisTaps& taps, TapFilter filter, const TapPlaces& p, T step, std::int64_t o) {
  if (filter == TapFilter::nearest) {
    return add_tap(taps, cell_at(p, step * static_cast<T>(o)), 1);
  }
  const T middle = middle_of(p, step, o);
  if (filter == TapFilter::nearest_exact) {
    return add_tap(taps, cell_at(p, std::max(middle, T(0)) + T(0.5)), 1);
  }
  const T place = filter == TapFilter::linear ? std::max(middle, T(0)) : middle;
  const std::int64_t cell = cell_at(p, place);
  const T t = std::clamp(place - static_cast<T>(cell), T(0), T(1));
  if (filter == TapFilter::linear) {
    add_tap(taps, cell, static_cast<double>(1 - t));
    add_tap(taps, cell + 1, static_cast<double>(t));
    return;
  }
  const std::array<T, 4> weights = cubic_weights(t);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    add_tap(taps, cell - 1 + static_cast<std::int64_t>(k), static_cast<double>(weights[k]));
  }
}

}  // namespace

template <class T>
AxisTaps interpolation_taps(TapFilter filter, const TapPlaces& places) {
  AxisTaps taps{.inputs = places.inputs, .begin = {0}, .cells = {}, .weights = {}};
  const T step = step_of<T>(places);
  const bool copies = filter == TapFilter::linear && places.inputs == places.outputs;
  for (std::int64_t o = 0; o < places.outputs; ++o) {
    if (copies) {
      add_tap(taps, o, 1);
    } else {
      add_output(taps, filter, places, step, o);
    }
    taps.begin.push_back(static_cast<std::int64_t>(taps.cells.size()));
  }
  return taps;
}

template AxisTaps interpolation_taps<float>(TapFilter, const TapPlaces&);
template AxisTaps interpolation_taps<double>(TapFilter, const TapPlaces&);

namespace kernels {
namespace {

/// One output of `inner` numbers: the taps k from `first` to `last`, whose cells' numbers lie side by side.
template <class T>
void add_rows(const AxisTaps& taps, std::size_t first, std::size_t last, std::int64_t inner, const T* x, T* y) {
  constexpr std::int64_t kBlock = 256;
  std::array<double, kBlock> sums;
  for (std::int64_t start = 0; start < inner; start += kBlock) {
    const std::int64_t count = std::min(kBlock, inner - start);
    std::fill_n(sums.data(), count, 0.0);
    for (std::size_t k = first; k < last; ++k) {
      const T* row = x + taps.cells[k] * inner + start;
      const double weight = taps.weights[k];
      for (std::int64_t i = 0; i < count; ++i) {
        sums[static_cast<std::size_t>(i)] += weight * static_cast<double>(row[i]);
      }
    }
    for (std::int64_t i = 0; i < count; ++i) {
      y[start + i] = static_cast<T>(sums[static_cast<std::size_t>(i)]);
    }
  }
}

/// The same for inner = 1: all outputs of a row.
template <class T>
void map_row(const AxisTaps& taps, const T* x, T* y) {
  const std::int64_t* begin = taps.begin.data();
  for (std::int64_t o = 0; o < taps.outputs(); ++o) {
    double sum = 0;
    for (auto k = static_cast<std::size_t>(begin[o]); k < static_cast<std::size_t>(begin[o + 1]); ++k) {
      sum += taps.weights[k] * static_cast<double>(x[taps.cells[k]]);
    }
    y[o] = static_cast<T>(sum);
  }
}

}  // namespace

template <class T>
void resample(const AxisTaps& taps, std::int64_t outer, std::int64_t inner, const T* x, T* y) {
  const std::int64_t outputs = taps.outputs();
  if (inner == 1) {
    parallel_for(0, outer, grain_of(taps.inputs + outputs), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        map_row(taps, x + i * taps.inputs, y + i * outputs);
      }
    });
    return;
  }
  parallel_for(0, outer * outputs, grain_of(inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto o = static_cast<std::size_t>(i % outputs);
      add_rows(taps, static_cast<std::size_t>(taps.begin[o]), static_cast<std::size_t>(taps.begin[o + 1]), inner,
               x + i / outputs * taps.inputs * inner, y + i * inner);
    }
  });
}

template void resample(const AxisTaps&, std::int64_t, std::int64_t, const float*, float*);
template void resample(const AxisTaps&, std::int64_t, std::int64_t, const double*, double*);

}  // namespace kernels
}  // namespace evenkeel
