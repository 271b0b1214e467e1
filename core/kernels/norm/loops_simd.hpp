#pragma once

#include "evenkeel/core/kernels/elementwise/unary.hpp"
#include "evenkeel/core/kernels/elementwise/unary_simd.hpp"
#include "evenkeel/core/kernels/norm/normalize.hpp"
#include "evenkeel/core/kernels/simd/batch.hpp"

namespace evenkeel::kernels::simd {

/// A whole register, or the last, fewer elements of an array; the other lanes are loaded as 0.
struct Full {};
struct Part {
  std::int64_t count;
};

/// Loads and loops that treat both alike, so that each formula is written once.
template <class Arch, class T>
struct StandardizeLoop {
  using V = Batch<Arch, T>;
  static constexpr std::int64_t kWidth = kLanes<Arch, T>;
  /// Values that one accumulator lane takes before it is emptied into a double.
  static constexpr std::int64_t kLaneTerms = 32;

  static V load(const T* p, Full) { return V::load_unaligned(p); }
  static V load(const T* p, Part part) { return load_partial<Arch, T>(p, part.count, T(0)); }
  static void store(T* p, V v, Full) { v.store_unaligned(p); }
  static void store(T* p, V v, Part part) { store_partial<Arch, T>(v, p, part.count); }
  /// v, and 0 in the lanes that hold no element.
  static V filled(V v, Full) { return v; }
  static V filled(V v, Part part) { return keep_lanes<Arch, T>(v, part.count); }
  static std::int64_t count(Full) { return kWidth; }
  static std::int64_t count(Part part) { return part.count; }

  /// f(i, tag) for i in [0, n), by registers.
  template <class F>
  [[gnu::always_inline]] static void each(std::int64_t n, const F& f) {
    std::int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) {
      f(i, Full());
    }
    if (i < n) {
      f(i, Part{n - i});
    }
  }

  /// f(i, tag) for the elements of all rows; i counts from the first.
  template <class F>
  [[gnu::always_inline]] static void each(const RowBlock& block, const F& f) {
    for (std::int64_t row = 0; row < block.rows; ++row) {
      each(
          block.width, [&](std::int64_t j, auto tag)
                           __attribute__((always_inline)) { f(row * block.stride + j, tag); });
    }
  }

  /// An activation and its slope.
  template <class F>
  struct Activation {
    static constexpr bool kIsNone = false;
    V slope;
    V value(V z) const { return UnaryLoops<Arch, T, F>::value(z, slope, slope); }
    /// dy f'(z)
    V gradient(V dy, V z) const {
      if constexpr (std::is_same_v<F, Relu>) {
        return select(z <= V(T(0)), V(T(0)), dy);
      } else {
        return UnaryLoops<Arch, T, F>::slope(dy, F::kDerivativeOfOutput ? value(z) : z, slope, slope);
      }
    }
  };
  struct NoActivation {
    static constexpr bool kIsNone = true;
    V value(V z) const { return z; }
    V gradient(V dy, V) const { return dy; }
  };

  /// loop(activation), compiled for each of those that `f` may be.
  template <class Loop>
  [[gnu::always_inline]] static void with_cheap_activation(FusedActivation f, const Loop& loop) {
    const V slope(static_cast<T>(f.slope));
    switch (f.f) {
      case NormActivation::relu:
        return loop(Activation<Relu>{slope});
      case NormActivation::leaky_relu:
        return loop(Activation<LeakyRelu>{slope});
      default:
        return loop(NoActivation());
    }
  }
  template <class Loop>
  [[gnu::always_inline]] static void with_activation(FusedActivation f, const Loop& loop) {
    const V slope(static_cast<T>(f.slope));
    switch (f.f) {
      case NormActivation::silu:
        return loop(Activation<Silu>{slope});
      case NormActivation::hardswish:
        return loop(Activation<Hardswish>{slope});
      default:
        return with_cheap_activation(f, loop);
    }
  }

  /// y = f(z(i, tag)), or factor dy f'(z(i, tag)).
  template <class Z>
  [[gnu::always_inline]] static void write(const RowBlock& block, const T* dy, T* y, FusedActivation f, T factor,
                                           const Z& z) {
    with_activation(
        f, [&](auto activation) __attribute__((always_inline)) {
          if (dy == nullptr) {
            each(
                block, [&](std::int64_t i, auto tag)
                           __attribute__((always_inline)) { store(y + i, activation.value(z(i, tag)), tag); });
          } else {
            each(
                block, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
                  store(y + i, V(factor) * activation.gradient(load(dy + i, tag), z(i, tag)), tag);
                });
          }
        });
  }

  /// sums += the sums of each one's lanes, both at once.
  [[gnu::always_inline]] static void add_lanes(const V& a, const V& p, SumPair& sums) {
    add_lane_sums<Arch, T>(a, p, &sums.first);
  }

  /// Partial sums of u and u v in four chains.
  struct Chains {
    V a0 = V(T(0)), a1 = V(T(0)), a2 = V(T(0)), a3 = V(T(0)), p0 = V(T(0)), p1 = V(T(0)), p2 = V(T(0)), p3 = V(T(0));

    [[gnu::always_inline]] void empty_into(SumPair& sums) {
      add_lanes((a0 + a1) + (a2 + a3), (p0 + p1) + (p2 + p3), sums);
    }
  };

  /// sums += (sum(u), sum(u v)) over the block, where f(i, tag, u, v) sets u and v for the elements from i.
  template <class F>
  [[gnu::always_inline]] static void sum_products(const RowBlock& block, SumPair& sums, const F& f) {
    if (block.rows == 1) {
      sum_row(block.width, sums, f);
    } else {
      sum_rows(block, sums, f);
    }
  }

  template <class F>
  [[gnu::always_inline]] static void sum_row(std::int64_t n, SumPair& sums, const F& f) {
    std::int64_t i = 0;
    while (n - i >= 4 * kWidth) {
      const std::int64_t steps = (n - i) / (4 * kWidth);
      const std::int64_t stop = i + (steps < kLaneTerms ? steps : kLaneTerms) * 4 * kWidth;
      Chains chains;
      for (; i < stop; i += 4 * kWidth) {
        accumulate(i, Full(), f, chains.a0, chains.p0);
        accumulate(i + kWidth, Full(), f, chains.a1, chains.p1);
        accumulate(i + 2 * kWidth, Full(), f, chains.a2, chains.p2);
        accumulate(i + 3 * kWidth, Full(), f, chains.a3, chains.p3);
      }
      chains.empty_into(sums);
    }
    if (i < n) {
      V a(T(0)), p(T(0));
      for (; i + kWidth <= n; i += kWidth) {
        accumulate(i, Full(), f, a, p);
      }
      if (i < n) {
        accumulate(i, Part{n - i}, f, a, p);
      }
      add_lanes(a, p, sums);
    }
  }

  /// As few additions across the lanes as possible: the rows are short.
  template <class F>
  [[gnu::always_inline]] static void sum_rows(const RowBlock& block, SumPair& sums, const F& f) {
    Chains chains;
    std::int64_t terms = 0;  // in a lane of a chain
    for (std::int64_t row = 0; row < block.rows; ++row) {
      std::int64_t i = row * block.stride;
      const std::int64_t end = i + block.width;
      while (end - i >= 4 * kWidth) {
        const std::int64_t steps = (end - i) / (4 * kWidth);
        const std::int64_t now = steps < kLaneTerms - terms ? steps : kLaneTerms - terms;
        for (const std::int64_t stop = i + now * 4 * kWidth; i < stop; i += 4 * kWidth) {
          accumulate(i, Full(), f, chains.a0, chains.p0);
          accumulate(i + kWidth, Full(), f, chains.a1, chains.p1);
          accumulate(i + 2 * kWidth, Full(), f, chains.a2, chains.p2);
          accumulate(i + 3 * kWidth, Full(), f, chains.a3, chains.p3);
        }
        terms += now;
        if (terms == kLaneTerms) {
          chains.empty_into(sums);
          chains = Chains();
          terms = 0;
        }
      }
      if (i < end) {
        sum_rest(i, end, f, chains);
        if (++terms == kLaneTerms) {
          chains.empty_into(sums);
          chains = Chains();
          terms = 0;
        }
      }
    }
    if (terms > 0) {
      chains.empty_into(sums);
    }
  }

  /// The last, at most four registers of a row, one to each chain.
  template <class F>
  [[gnu::always_inline]] static void sum_rest(std::int64_t i, std::int64_t end, const F& f, Chains& chains) {
    if (end - i >= kWidth) {
      accumulate(i, Full(), f, chains.a0, chains.p0);
      i += kWidth;
    }
    if (end - i >= kWidth) {
      accumulate(i, Full(), f, chains.a1, chains.p1);
      i += kWidth;
    }
    if (end - i >= kWidth) {
      accumulate(i, Full(), f, chains.a2, chains.p2);
      i += kWidth;
    }
    if (i < end) {
      accumulate(i, Part{end - i}, f, chains.a3, chains.p3);
    }
  }

  template <class Tag, class F>
  [[gnu::always_inline]] static void accumulate(std::int64_t i, Tag tag, const F& f, V& sum, V& products) {
    V u, v;
    f(i, tag, u, v);
    u = filled(u, tag);
    sum = sum + u;
    products = fma(u, filled(v, tag), products);
  }

  /// sums[j] = (sum over rows of u, of u v), where f(row, j, tag, u, v) sets u and v.
  template <class F>
  [[gnu::always_inline]] static void column_sums(std::int64_t rows, std::int64_t width, SumPair* sums, const F& f) {
    std::int64_t j = 0;
    for (; j + 4 * kWidth <= width; j += 4 * kWidth) {  // enough chains to hide the additions' latency
      sum_columns<4>(rows, j, Full(), sums, f);
    }
    for (; j + kWidth <= width; j += kWidth) {
      sum_columns<1>(rows, j, Full(), sums, f);
    }
    if (j < width) {
      sum_columns<1>(rows, j, Part{width - j}, sums, f);
    }
  }

  /// The columns of kTiles registers from j.
  template <int kTiles, class Tag, class F>
  [[gnu::always_inline]] static void sum_columns(std::int64_t rows, std::int64_t j, Tag tag, SumPair* sums,
                                                 const F& f) {
    constexpr std::int64_t kColumns = kTiles * kWidth;
    double first[kColumns] = {}, second[kColumns] = {};
    for (std::int64_t row = 0; row < rows;) {
      const std::int64_t stop = rows - row < kLaneTerms ? rows : row + kLaneTerms;
      V sum[kTiles], products[kTiles];
      for (int t = 0; t < kTiles; ++t) {
        sum[t] = products[t] = V(T(0));
      }
      for (; row < stop; ++row) {
        for (int t = 0; t < kTiles; ++t) {
          V u, v;
          f(row, j + t * kWidth, tag, u, v);
          sum[t] = sum[t] + u;
          products[t] = fma(u, v, products[t]);
        }
      }
      alignas(64) T lanes[2 * kColumns];
      for (int t = 0; t < kTiles; ++t) {
        sum[t].store_aligned(lanes + t * kWidth);
        products[t].store_aligned(lanes + kColumns + t * kWidth);
      }
      for (std::int64_t lane = 0; lane < kColumns; ++lane) {
        first[lane] += static_cast<double>(lanes[lane]);
        second[lane] += static_cast<double>(lanes[kColumns + lane]);
      }
    }
    for (std::int64_t lane = 0; lane < count(tag) + (kTiles - 1) * kWidth; ++lane) {
      sums[j + lane] = {first[lane], second[lane]};
    }
  }
};

}  // namespace evenkeel::kernels::simd
