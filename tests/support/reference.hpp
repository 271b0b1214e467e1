#pragma once

// Plain loops in double, straight from the definitions; what the kernels are compared with.

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace evenkeel::reference {

using Values = std::vector<double>;

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// `count` values in [-1, 1), exactly representable in float, reproducible from `seed`.
inline Values random_values(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  Values values(at(count));
  for (double& value : values) {
    value = static_cast<double>(engine() % 65536) / 32768.0 - 1.0;
  }
  return values;
}

template <class T>
std::vector<T> cast(const Values& values) {
  return std::vector<T>(values.begin(), values.end());
}

/// The largest |a - b| / (1 + |b|); infinite where one is NaN and the other is not, or the lengths differ.
template <class T>
double worst_error(const std::vector<T>& actual, const Values& expected) {
  if (actual.size() != expected.size()) {
    return std::numeric_limits<double>::infinity();
  }
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double a = static_cast<double>(actual[i]);
    if (a == expected[i] || (std::isnan(a) && std::isnan(expected[i]))) {
      continue;
    }
    const double error = std::abs(a - expected[i]) / (1 + std::abs(expected[i]));
    worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(worst, error);
  }
  return worst;
}

/// Sizes of a 2-d convolution: x (n, c, h, w), weight (o, c / groups, kh, kw), y (n, o, oh, ow).
struct Conv {
  std::int64_t n = 1, c = 1, h = 1, w = 1, o = 1, kh = 1, kw = 1;
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1, groups = 1;
  std::int64_t extra_h = 0, extra_w = 0;  ///< more padding after than before

  std::int64_t oh() const { return (h + 2 * pad_h + extra_h - dilation_h * (kh - 1) - 1) / stride_h + 1; }
  std::int64_t ow() const { return (w + 2 * pad_w + extra_w - dilation_w * (kw - 1) - 1) / stride_w + 1; }
  std::int64_t x_size() const { return n * c * h * w; }
  std::int64_t weight_size() const { return o * (c / groups) * kh * kw; }
  std::int64_t y_size() const { return n * o * oh() * ow(); }
};

/// Calls visit(x index, weight index, y index) for every product that a convolution adds up.
template <class Visit>
void for_each_product(const Conv& s, const Visit& visit) {
  const std::int64_t group_in = s.c / s.groups;
  const std::int64_t group_out = s.o / s.groups;
  for (std::int64_t n = 0; n < s.n; ++n) {
    for (std::int64_t o = 0; o < s.o; ++o) {
      for (std::int64_t i = 0; i < s.oh(); ++i) {
        for (std::int64_t j = 0; j < s.ow(); ++j) {
          for (std::int64_t c = 0; c < group_in; ++c) {
            for (std::int64_t p = 0; p < s.kh; ++p) {
              for (std::int64_t q = 0; q < s.kw; ++q) {
                const std::int64_t row = i * s.stride_h - s.pad_h + p * s.dilation_h;
                const std::int64_t column = j * s.stride_w - s.pad_w + q * s.dilation_w;
                if (row < 0 || row >= s.h || column < 0 || column >= s.w) {
                  continue;
                }
                const std::int64_t channel = o / group_out * group_in + c;
                visit(at(((n * s.c + channel) * s.h + row) * s.w + column),
                      at(((o * group_in + c) * s.kh + p) * s.kw + q), at(((n * s.o + o) * s.oh() + i) * s.ow() + j));
              }
            }
          }
        }
      }
    }
  }
}

/// `bias` may be empty.
inline Values conv2d(const Conv& s, const Values& x, const Values& weight, const Values& bias) {
  Values y(at(s.y_size()), 0.0);
  for (std::size_t i = 0; i < y.size() && !bias.empty(); ++i) {
    y[i] = bias[i / at(s.oh() * s.ow()) % at(s.o)];
  }
  for_each_product(s, [&](std::size_t ix, std::size_t iw, std::size_t iy) { y[iy] += x[ix] * weight[iw]; });
  return y;
}

/// Also the transposed convolution of dy.
inline Values conv2d_input_gradient(const Conv& s, const Values& dy, const Values& weight) {
  Values dx(at(s.x_size()), 0.0);
  for_each_product(s, [&](std::size_t ix, std::size_t iw, std::size_t iy) { dx[ix] += dy[iy] * weight[iw]; });
  return dx;
}

inline Values conv2d_weight_gradient(const Conv& s, const Values& x, const Values& dy) {
  Values dw(at(s.weight_size()), 0.0);
  for_each_product(s, [&](std::size_t ix, std::size_t iw, std::size_t iy) { dw[iw] += dy[iy] * x[ix]; });
  return dw;
}

inline Values conv2d_bias_gradient(const Conv& s, const Values& dy) {
  Values db(at(s.o), 0.0);
  for (std::size_t i = 0; i < dy.size(); ++i) {
    db[i / at(s.oh() * s.ow()) % at(s.o)] += dy[i];
  }
  return db;
}

/// Sizes of a 2-d pool over `planes` images of h x w; oh x ow outputs are given, as ceil_mode is the caller's affair.
struct Pool {
  std::int64_t planes = 1, h = 1, w = 1, oh = 1, ow = 1, kh = 1, kw = 1;
  std::int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
};

struct MaxPooled {
  Values values;
  std::vector<std::int64_t> indices;  ///< of the maximum in its plane
};

/// Cells outside the input do not take part; the first maximum in row order wins, a NaN (the last one) wins over all.
inline MaxPooled max_pool2d(const Pool& s, const Values& x) {
  MaxPooled y;
  for (std::int64_t plane = 0; plane < s.planes; ++plane) {
    for (std::int64_t i = 0; i < s.oh; ++i) {
      for (std::int64_t j = 0; j < s.ow; ++j) {
        double best = -std::numeric_limits<double>::infinity();
        std::int64_t index = -1;
        for (std::int64_t p = 0; p < s.kh; ++p) {
          for (std::int64_t q = 0; q < s.kw; ++q) {
            const std::int64_t row = i * s.stride_h - s.pad_h + p * s.dilation_h;
            const std::int64_t column = j * s.stride_w - s.pad_w + q * s.dilation_w;
            if (row < 0 || row >= s.h || column < 0 || column >= s.w) {
              continue;
            }
            const double value = x[at((plane * s.h + row) * s.w + column)];
            if (index < 0 || value > best || std::isnan(value)) {
              best = value;
              index = row * s.w + column;
            }
          }
        }
        y.values.push_back(best);
        y.indices.push_back(index);
      }
    }
  }
  return y;
}

/// How avg_pool2d divides: by the cells inside input and padding, by those inside the input, or by a given number.
struct Divisor {
  bool count_include_pad = true;
  std::int64_t fixed = 0;
};

/// Calls visit(x index, y index, 1 / divisor) for every cell that an average takes in.
template <class Visit>
void for_each_average(const Pool& s, const Divisor& divisor, const Visit& visit) {
  for (std::int64_t plane = 0; plane < s.planes; ++plane) {
    for (std::int64_t i = 0; i < s.oh; ++i) {
      for (std::int64_t j = 0; j < s.ow; ++j) {
        std::int64_t padded_cells = 0;
        std::vector<std::int64_t> cells;
        for (std::int64_t row = i * s.stride_h - s.pad_h; row < i * s.stride_h - s.pad_h + s.kh; ++row) {
          for (std::int64_t column = j * s.stride_w - s.pad_w; column < j * s.stride_w - s.pad_w + s.kw; ++column) {
            padded_cells += row < s.h + s.pad_h && column < s.w + s.pad_w;
            if (row >= 0 && row < s.h && column >= 0 && column < s.w) {
              cells.push_back((plane * s.h + row) * s.w + column);
            }
          }
        }
        const std::int64_t inside = static_cast<std::int64_t>(cells.size());
        const std::int64_t count = divisor.fixed != 0          ? divisor.fixed
                                   : divisor.count_include_pad ? padded_cells
                                                               : inside;
        for (const std::int64_t cell : cells) {
          visit(at(cell), at((plane * s.oh + i) * s.ow + j), 1.0 / static_cast<double>(count));
        }
      }
    }
  }
}

/// The same for adaptive averages: cell i takes rows floor(i h / oh) up to ceil((i + 1) h / oh).
template <class Visit>
void for_each_adaptive_average(const Pool& s, const Visit& visit) {
  const auto first = [](std::int64_t i, std::int64_t in, std::int64_t out) { return i * in / out; };
  const auto last = [](std::int64_t i, std::int64_t in, std::int64_t out) { return ((i + 1) * in + out - 1) / out; };
  for (std::int64_t plane = 0; plane < s.planes; ++plane) {
    for (std::int64_t i = 0; i < s.oh; ++i) {
      for (std::int64_t j = 0; j < s.ow; ++j) {
        const std::int64_t top = first(i, s.h, s.oh), bottom = last(i, s.h, s.oh);
        const std::int64_t left = first(j, s.w, s.ow), right = last(j, s.w, s.ow);
        const double share = 1.0 / static_cast<double>((bottom - top) * (right - left));
        for (std::int64_t row = top; row < bottom; ++row) {
          for (std::int64_t column = left; column < right; ++column) {
            visit(at((plane * s.h + row) * s.w + column), at((plane * s.oh + i) * s.ow + j), share);
          }
        }
      }
    }
  }
}

/// c = a b for row-major a (m, k) and b (k, n).
inline Values multiply(std::int64_t m, std::int64_t n, std::int64_t k, const Values& a, const Values& b) {
  Values c(at(m * n), 0.0);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t l = 0; l < k; ++l) {
        c[at(i * n + j)] += a[at(i * k + l)] * b[at(l * n + j)];
      }
    }
  }
  return c;
}

}  // namespace evenkeel::reference
