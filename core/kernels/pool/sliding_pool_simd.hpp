#pragma once

#include "evenkeel/core/kernels/pool/sliding_pool.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
namespace simd {

template <class Arch, class T>
struct SlidingPoolLoop : Loop<Arch, T> {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  using L::kWidth;

  /// Calls f(c, phase, place) for the columns of x before and behind the pairs, and pairs(c, place, count) for `count`
  /// pairs of columns from c on, which lie at `place` of phases 0 and 1. For a stride of 2.
  template <class Single, class Pairs>
  static void by_pairs(const SlidingPool& pool, const Single& single, const Pairs& pairs) {
    const std::int64_t odd = pool.pad_w % 2;
    const std::int64_t place = (pool.pad_w + 1) / 2;
    const std::int64_t count = (pool.width - odd) / 2;
    if (odd != 0) {
      single(0, 1, place - 1);
    }
    pairs(odd, place, count);
    if (odd + 2 * count < pool.width) {
      single(pool.width - 1, 0, place + count);
    }
  }

  /// The part of a row of the block that lies in x.
  static void split_row(const SlidingPool& pool, const PoolBlock& layout, const T* x, T* row) {
    const std::int64_t phase_size = layout.phase_size;
    if (pool.stride_w == 1) {
      __builtin_memcpy(row + pool.pad_w, x, static_cast<std::size_t>(pool.width) * sizeof(T));
    } else if (pool.stride_w == 2) {
      by_pairs(
          pool, [&](std::int64_t c, std::int64_t phase, std::int64_t place) { row[phase * phase_size + place] = x[c]; },
          [&](std::int64_t c, std::int64_t place, std::int64_t count) {
            for (std::int64_t i = 0; i < count; i += kWidth) {
              const T* from = x + c + 2 * i;
              const std::int64_t rest = 2 * (count - i);
              V even, odd;
              unzip(L::load(from, Some{rest}), L::load(from + kWidth, Some{rest - kWidth}), even, odd);
              L::store(row + place + i, even, Some{count - i});
              L::store(row + phase_size + place + i, odd, Some{count - i});
            }
          });
    } else {
      for (std::int64_t c = 0; c < pool.width; ++c) {
        row[(c + pool.pad_w) % pool.stride_w * phase_size + (c + pool.pad_w) / pool.stride_w] = x[c];
      }
    }
  }

  /// The adjoint: x's row from a row of the block.
  static void merge_row(const SlidingPool& pool, const PoolBlock& layout, const T* row, T* x) {
    const std::int64_t phase_size = layout.phase_size;
    if (pool.stride_w == 1) {
      __builtin_memcpy(x, row + pool.pad_w, static_cast<std::size_t>(pool.width) * sizeof(T));
    } else if (pool.stride_w == 2) {
      by_pairs(
          pool, [&](std::int64_t c, std::int64_t phase, std::int64_t place) { x[c] = row[phase * phase_size + place]; },
          [&](std::int64_t c, std::int64_t place, std::int64_t count) {
            for (std::int64_t i = 0; i < count; i += kWidth) {
              const V even = L::load(row + place + i, Some{count - i});
              const V odd = L::load(row + phase_size + place + i, Some{count - i});
              V low, high;
              zip(even, odd, low, high);
              L::store(x + c + 2 * i, low, Some{2 * (count - i)});
              L::store(x + c + 2 * i + kWidth, high, Some{2 * (count - i) - kWidth});
            }
          });
    } else {
      for (std::int64_t c = 0; c < pool.width; ++c) {
        x[c] = row[(c + pool.pad_w) % pool.stride_w * phase_size + (c + pool.pad_w) / pool.stride_w];
      }
    }
  }

  /// The number of the first cell inside x of window j and its neighbours, 0 for its row: where nothing exceeds -inf.
  static V first_column(const SlidingPool& pool, std::int64_t j) {
    alignas(64) T lanes[kWidth];
    for (std::int64_t i = 0; i < kWidth; ++i) {
      const std::int64_t outside = pool.pad_w - (j + i) * pool.stride_w;
      lanes[i] = static_cast<T>(outside > 0 ? outside : 0);
    }
    return V::load_aligned(lanes);
  }

  /// Of kH x kW cells, or as many as the pool has if these are 0.
  template <std::int64_t kH, std::int64_t kW>
  static void max(const SlidingPool& pool, const PoolBlock& layout, const T* block, T* y, std::uint8_t* cells) {
    const std::int64_t cells_of_window = kH > 0 ? kH * kW : pool.kernel_h * pool.kernel_w;
    std::int64_t offsets[kMaxPoolCells];
    set_offsets(pool, layout, offsets);
    for (std::int64_t row = 0; row < pool.out_height; ++row) {
      const T* first = block + row * pool.stride_h * layout.row_size;
      const std::int64_t above = pool.pad_h - row * pool.stride_h;
      const V first_cell(static_cast<T>(above > 0 ? above * pool.kernel_w : 0));
      for (std::int64_t j = 0; j < pool.out_width; j += kWidth) {
        V best(static_cast<T>(-__builtin_inf()));
        V at = pool.pad_w > j * pool.stride_w ? first_cell + first_column(pool, j) : first_cell;
        for (std::int64_t cell = 0; cell < cells_of_window; ++cell) {
          const V candidate = V::load_unaligned(first + offsets[cell] + j);
          const auto wins = (candidate > best) | !(candidate == candidate);
          best = select(wins, candidate, best);
          at = select(wins, V(static_cast<T>(cell)), at);
        }
        const std::int64_t i = row * pool.out_width + j;
        L::store(y + i, best, Some{pool.out_width - j});
        store_bytes(at, cells + i, pool.out_width - j);
      }
    }
  }

  template <std::int64_t kH, std::int64_t kW>
  static void sum(const SlidingPool& pool, const PoolBlock& layout, const double* shares, const T* block, T* y) {
    using D = Batch<Arch, double>;
    constexpr std::int64_t kDoubles = kLanes<Arch, double>;
    const std::int64_t cells_of_window = kH > 0 ? kH * kW : pool.kernel_h * pool.kernel_w;
    std::int64_t offsets[kMaxPoolCells];
    set_offsets(pool, layout, offsets);
    for (std::int64_t row = 0; row < pool.out_height; ++row) {
      const T* first = block + row * pool.stride_h * layout.row_size;
      for (std::int64_t j = 0; j < pool.out_width; j += kDoubles) {
        D total(0.0);
        for (std::int64_t cell = 0; cell < cells_of_window; ++cell) {
          total = total + load_as_double<Arch>(first + offsets[cell] + j);
        }
        const std::int64_t i = row * pool.out_width + j;
        const std::int64_t count = pool.out_width - j;
        alignas(64) double lanes[kDoubles];
        total.store_aligned(lanes);
        if (count >= kDoubles) {
          for (std::int64_t k = 0; k < kDoubles; ++k) {
            y[i + k] = static_cast<T>(lanes[k] * shares[i + k]);
          }
        } else {
          for (std::int64_t k = 0; k < count; ++k) {
            y[i + k] = static_cast<T>(lanes[k] * shares[i + k]);
          }
        }
      }
    }
  }

  /// dx: each element adds up what its windows send it, in the order of memory. `sent` and `at` are laid out by
  /// `outputs`; without kMax every cell of a window gets what is sent. `row` is room for a row of the block. Kernels of
  /// kKernel x kKernel cells kStride apart, or the pool's own sizes if these are 0.
  template <bool kMax, std::int64_t kKernel, std::int64_t kStride>
  static void collect(const SlidingPool& pool, const PoolBlock& layout, const PoolOutputs<T>& outputs, T* row, T* dx) {
    const std::int64_t kh = kKernel > 0 ? kKernel : pool.kernel_h;
    const std::int64_t kw = kKernel > 0 ? kKernel : pool.kernel_w;
    const std::int64_t sh = kStride > 0 ? kStride : pool.stride_h;
    const std::int64_t sw = kStride > 0 ? kStride : pool.stride_w;
    for (std::int64_t r = 0; r < pool.height; ++r) {
      const std::int64_t place = r + pool.pad_h;
      const std::int64_t begin = place < kh ? 0 : (place - kh) / sh + 1;
      const std::int64_t end = place / sh < pool.out_height ? place / sh + 1 : pool.out_height;
      for (std::int64_t f = 0; f < sw; ++f) {
        const std::int64_t reach = f < kw ? (kw - 1 - f) / sw : -1;
        for (std::int64_t j = 0; j < layout.phase_size; j += kWidth) {
          V sum(T(0));
          for (std::int64_t o = begin; o < end; ++o) {
            const T* sent = outputs.sent + o * outputs.row_size + outputs.margin + j;
            const T* at = outputs.at + o * outputs.row_size + outputs.margin + j;
            const std::int64_t cell = (place - o * sh) * kw + f;
            for (std::int64_t m = reach; m >= 0; --m) {
              V part = V::load_unaligned(sent - m);
              if constexpr (kMax) {
                const V number(static_cast<T>(cell + m * sw));
                part = select(V::load_unaligned(at - m) == number, part, V(T(0)));
              }
              sum = sum + part;
            }
          }
          sum.store_unaligned(row + f * layout.phase_size + j);
        }
      }
      merge_row(pool, layout, row, dx + r * pool.width);
    }
  }

  /// collect for the common windows, or any.
  template <bool kMax>
  static void collect(const SlidingPool& pool, const PoolBlock& layout, const PoolOutputs<T>& outputs, T* row, T* dx) {
    const auto is = [&](std::int64_t kernel, std::int64_t stride) {
      return pool.kernel_h == kernel && pool.kernel_w == kernel && pool.stride_h == stride && pool.stride_w == stride;
    };
    if (is(2, 2)) {
      collect<kMax, 2, 2>(pool, layout, outputs, row, dx);
    } else if (is(3, 2)) {
      collect<kMax, 3, 2>(pool, layout, outputs, row, dx);
    } else if (is(3, 1)) {
      collect<kMax, 3, 1>(pool, layout, outputs, row, dx);
    } else {
      collect<kMax, 0, 0>(pool, layout, outputs, row, dx);
    }
  }

  static void set_offsets(const SlidingPool& pool, const PoolBlock& layout, std::int64_t* offsets) {
    for (std::int64_t p = 0; p < pool.kernel_h; ++p) {
      for (std::int64_t q = 0; q < pool.kernel_w; ++q) {
        offsets[p * pool.kernel_w + q] =
            p * layout.row_size + q % pool.stride_w * layout.phase_size + q / pool.stride_w;
      }
    }
  }

  /// f.operator()<kH, kW>() for the common windows, else with 0, 0.
  template <class F>
  static void with_window(const SlidingPool& pool, const F& f) {
    if (pool.kernel_h == 2 && pool.kernel_w == 2) {
      f.template operator()<2, 2>();
    } else if (pool.kernel_h == 3 && pool.kernel_w == 3) {
      f.template operator()<3, 3>();
    } else {
      f.template operator()<0, 0>();
    }
  }
};

}  // namespace simd

template <class Arch, class T>
void SlidingPoolKernels<Arch, T>::split(const SlidingPool& pool, const PoolBlock& layout, const T* x, T* block) {
  for (std::int64_t r = 0; r < pool.height; ++r) {
    T* row = block + (r + pool.pad_h) * layout.row_size;
    simd::SlidingPoolLoop<Arch, T>::split_row(pool, layout, x + r * pool.width, row);
  }
}

template <class Arch, class T>
void SlidingPoolKernels<Arch, T>::max(const SlidingPool& pool, const PoolBlock& layout, const T* block, T* y,
                                      std::uint8_t* cells) {
  using L = simd::SlidingPoolLoop<Arch, T>;
  L::with_window(pool,
                 [&]<std::int64_t kH, std::int64_t kW>() { L::template max<kH, kW>(pool, layout, block, y, cells); });
}

template <class Arch, class T>
void SlidingPoolKernels<Arch, T>::sum(const SlidingPool& pool, const PoolBlock& layout, const double* shares,
                                      const T* block, T* y) {
  using L = simd::SlidingPoolLoop<Arch, T>;
  L::with_window(pool,
                 [&]<std::int64_t kH, std::int64_t kW>() { L::template sum<kH, kW>(pool, layout, shares, block, y); });
}

template <class Arch, class T>
void SlidingPoolKernels<Arch, T>::max_gradient(const SlidingPool& pool, const PoolBlock& layout, const T* dy,
                                               const std::uint8_t* cells, const PoolOutputs<T>& outputs, T* row,
                                               T* dx) {
  using L = simd::SlidingPoolLoop<Arch, T>;
  for (std::int64_t o = 0; o < pool.out_height; ++o) {
    T* sent = outputs.sent + o * outputs.row_size + outputs.margin;
    T* at = outputs.at + o * outputs.row_size + outputs.margin;
    for (std::int64_t j = 0; j < pool.out_width; j += L::kWidth) {
      const std::int64_t i = o * pool.out_width + j;
      L::load(dy + i, simd::Some{pool.out_width - j}).store_unaligned(sent + j);
      simd::load_bytes<Arch, T>(cells + i).store_unaligned(at + j);
    }
  }
  L::template collect<true>(pool, layout, outputs, row, dx);
}

template <class Arch, class T>
void SlidingPoolKernels<Arch, T>::sum_gradient(const SlidingPool& pool, const PoolBlock& layout, const double* shares,
                                               const T* dy, const PoolOutputs<T>& outputs, T* row, T* dx) {
  for (std::int64_t o = 0; o < pool.out_height; ++o) {
    T* sent = outputs.sent + o * outputs.row_size + outputs.margin;
    for (std::int64_t j = 0; j < pool.out_width; ++j) {
      const std::int64_t i = o * pool.out_width + j;
      sent[j] = static_cast<T>(static_cast<double>(dy[i]) * shares[i]);
    }
  }
  simd::SlidingPoolLoop<Arch, T>::template collect<false>(pool, layout, outputs, row, dx);
}

}  // namespace evenkeel::kernels
