#pragma once

#include "evenkeel/core/kernels/pool/halving_pool.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
namespace simd {

template <class Arch, class T>
struct HalvingPoolLoop : Loop<Arch, T> {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  using L::kWidth;

  /// The left and the right cells of a row of a register of windows, or of `count` windows.
  static void load_pairs(const T* x, std::int64_t count, V& left, V& right) {
    unzip(L::load(x, Some{2 * count}), L::load(x + kWidth, Some{2 * count - kWidth}), left, right);
  }
  static void store_pairs(const V& left, const V& right, T* x, std::int64_t count) {
    V low, high;
    zip(left, right, low, high);
    L::store(x, low, Some{2 * count});
    L::store(x + kWidth, high, Some{2 * count - kWidth});
  }

  /// The larger of two numbers and its cell; the first at a tie, the last NaN.
  static void take_larger(V& best, V& at, const V& other, const V& other_at) {
    const auto wins = (other > best) | !(other == other);
    best = select(wins, other, best);
    at = select(wins, other_at, at);
  }

  /// Calls body(x of the window, output) for each register of windows of each plane, with the windows left in the row.
  template <class X, class Body>
  static void for_windows(const SlidingPool& pool, std::int64_t planes, X* x, const Body& body) {
    std::int64_t output = 0;
    for (std::int64_t plane = 0; plane < planes; ++plane, x += pool.height * pool.width) {
      for (std::int64_t row = 0; row < pool.out_height; ++row, output += pool.out_width) {
        X* top = x + 2 * row * pool.width;
        for (std::int64_t j = 0; j < pool.out_width; j += kWidth) {
          body(top + 2 * j, output + j, pool.out_width - j);
        }
      }
    }
  }

  /// Zeros in the last row and column of dx if they are in no window.
  static void clear_rest(const SlidingPool& pool, std::int64_t planes, T* dx) {
    const std::int64_t rows = 2 * pool.out_height, columns = 2 * pool.out_width;
    if (rows == pool.height && columns == pool.width) {
      return;
    }
    for (std::int64_t row = 0; row < planes * pool.height; ++row) {
      for (std::int64_t c = row % pool.height < rows ? columns : 0; c < pool.width; ++c) {
        dx[row * pool.width + c] = 0;
      }
    }
  }
};

}  // namespace simd

template <class Arch, class T>
void HalvingPoolKernels<Arch, T>::max(const SlidingPool& pool, std::int64_t planes, const T* x, T* y,
                                      std::uint8_t* cells) {
  using L = simd::HalvingPoolLoop<Arch, T>;
  using V = typename L::V;
  const V first(T(0)), second(T(1)), third(T(2)), fourth(T(3));
  L::for_windows(pool, planes, x, [&](const T* window, std::int64_t output, std::int64_t count) {
    V top, top_right, bottom, bottom_right, top_at = first, bottom_at = third;
    L::load_pairs(window, count, top, top_right);
    L::load_pairs(window + pool.width, count, bottom, bottom_right);
    L::take_larger(top, top_at, top_right, second);
    L::take_larger(bottom, bottom_at, bottom_right, fourth);
    L::take_larger(top, top_at, bottom, bottom_at);
    L::store(y + output, top, simd::Some{count});
    simd::store_bytes(top_at, cells + output, count);
  });
}

template <class Arch, class T>
void HalvingPoolKernels<Arch, T>::max_gradient(const SlidingPool& pool, std::int64_t planes, const T* dy,
                                               const std::uint8_t* cells, T* dx) {
  using L = simd::HalvingPoolLoop<Arch, T>;
  using V = typename L::V;
  const V zero(T(0));
  L::for_windows(pool, planes, dx, [&](T* window, std::int64_t output, std::int64_t count) {
    const V sent = L::load(dy + output, simd::Some{count});
    const V at = simd::load_bytes<Arch, T>(cells + output);
    const auto to = [&](int cell) { return select(at == V(static_cast<T>(cell)), sent, zero); };
    L::store_pairs(to(0), to(1), window, count);
    L::store_pairs(to(2), to(3), window + pool.width, count);
  });
  L::clear_rest(pool, planes, dx);
}

template <class Arch, class T>
void HalvingPoolKernels<Arch, T>::average(const SlidingPool& pool, std::int64_t planes, const T* x, T* y) {
  using L = simd::HalvingPoolLoop<Arch, T>;
  using V = typename L::V;
  L::for_windows(pool, planes, x, [&](const T* window, std::int64_t output, std::int64_t count) {
    const auto column_sums = [&](std::int64_t place) {
      const simd::Some left{2 * count - place};
      return L::load(window + place, left) + L::load(window + pool.width + place, left);
    };
    V left, right;
    simd::unzip(column_sums(0), column_sums(L::kWidth), left, right);
    L::store(y + output, (left + right) * V(T(0.25)), simd::Some{count});
  });
}

template <class Arch, class T>
void HalvingPoolKernels<Arch, T>::average_gradient(const SlidingPool& pool, std::int64_t planes, const T* dy, T* dx) {
  using L = simd::HalvingPoolLoop<Arch, T>;
  using V = typename L::V;
  L::for_windows(pool, planes, dx, [&](T* window, std::int64_t output, std::int64_t count) {
    const V sent(L::load(dy + output, simd::Some{count}) * V(T(0.25)));
    L::store_pairs(sent, sent, window, count);
    L::store_pairs(sent, sent, window + pool.width, count);
  });
  L::clear_rest(pool, planes, dx);
}

}  // namespace evenkeel::kernels
