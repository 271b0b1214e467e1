#pragma once

#include "core/kernels/simd/batch.hpp"
#include "core/kernels/simd/unary_impl.hpp"
#include "core/kernels/standardize.hpp"
#include "core/kernels/unary.hpp"

namespace evenkeel::kernels {
namespace simd {

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
  static V filled(V v, Part part) {
    constexpr bool kFloat = sizeof(T) == sizeof(float);
    if constexpr (std::is_same_v<Arch, Avx512> && kFloat) {
      return _mm512_maskz_mov_ps(static_cast<__mmask16>((1U << part.count) - 1), v);
    } else if constexpr (std::is_same_v<Arch, Avx512>) {
      return _mm512_maskz_mov_pd(static_cast<__mmask8>((1U << part.count) - 1), v);
    } else if constexpr (std::is_same_v<Arch, Avx2> && kFloat) {
      return _mm256_and_ps(v, _mm256_castsi256_ps(lane_mask<Arch, T>(part.count)));
    } else if constexpr (std::is_same_v<Arch, Avx2>) {
      return _mm256_and_pd(v, _mm256_castsi256_pd(lane_mask<Arch, T>(part.count)));
    } else {
      alignas(16) T lanes[kWidth];
      v.store_aligned(lanes);
      return load_partial<Arch, T>(lanes, part.count, T(0));
    }
  }
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

  /// Partial sums of u and u v in four chains.
  struct Chains {
    V a0 = V(T(0)), a1 = V(T(0)), a2 = V(T(0)), a3 = V(T(0)), p0 = V(T(0)), p1 = V(T(0)), p2 = V(T(0)), p3 = V(T(0));

    [[gnu::always_inline]] void empty_into(SumPair& sums) {
      sums.first += static_cast<double>(xsimd::hadd((a0 + a1) + (a2 + a3)));
      sums.second += static_cast<double>(xsimd::hadd((p0 + p1) + (p2 + p3)));
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
      sums.first += static_cast<double>(xsimd::hadd(a));
      sums.second += static_cast<double>(xsimd::hadd(p));
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
    products = xsimd::fma(u, filled(v, tag), products);
  }

  /// sums[j] = (sum over rows of u, of u v), where f(row, j, tag, u, v) sets u and v.
  template <class F>
  [[gnu::always_inline]] static void column_sums(std::int64_t rows, std::int64_t width, SumPair* sums, const F& f) {
    each(
        width, [&](std::int64_t j, auto tag) __attribute__((always_inline)) {
          const std::int64_t lanes = count(tag);
          for (std::int64_t lane = 0; lane < lanes; ++lane) {
            sums[j + lane] = {0, 0};
          }
          for (std::int64_t row = 0; row < rows;) {
            const std::int64_t stop = rows - row < kLaneTerms ? rows : row + kLaneTerms;
            V sum(T(0)), products(T(0));
            for (; row < stop; ++row) {
              V u, v;
              f(row, j, tag, u, v);
              sum = sum + u;
              products = xsimd::fma(u, v, products);
            }
            alignas(64) T first[kWidth], second[kWidth];
            sum.store_aligned(first);
            products.store_aligned(second);
            for (std::int64_t lane = 0; lane < lanes; ++lane) {
              sums[j + lane].first += static_cast<double>(first[lane]);
              sums[j + lane].second += static_cast<double>(second[lane]);
            }
          }
        });
  }
};

}  // namespace simd

template <class Arch, class T>
T StandardizeKernels<Arch, T>::run_mean(const T* x, std::int64_t n) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  SumPair sums{0, 0};
  L::sum_products(
      {1, 0, n}, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) __attribute__((always_inline)) {
        u = L::load(x + i, tag) - V(x[0]);
        v = V(T(0));
      });
  return x[0] + static_cast<T>(sums.first / static_cast<double>(n));
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_moments(const T* x, const RowBlock& run, T shift, SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const V shift_v(shift);
  L::sum_products(
      run, sums, [&](std::int64_t i, auto tag, V& u, V& v) __attribute__((always_inline)) {
        u = L::load(x + i, tag) - shift_v;
        v = u;
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_scale(const T* x, const T* dy, T* y, const RowBlock& run, Center<T> m,
                                            const Gate<T>& gate, T factor) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const V hi(m.hi), lo(m.lo), a(gate.a), b(gate.b);
  L::write(
      run, dy, y, gate.f, factor, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
        const V xc = (L::load(x + i, tag) - hi) - lo;
        return xsimd::fma(xc, a, b);
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_scale(const T* x, const T* dy, T* y, std::int64_t n, Center<T> m, T s, const T* w,
                                            const T* b, FusedActivation f) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::write(
      {1, 0, n}, dy, y, f, T(1), [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
        const V xc = (L::load(x + i, tag) - V(m.hi)) - V(m.lo);
        return xsimd::fma(xc * V(s), L::load(w + i, tag), L::load(b + i, tag));
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient_sums(const T* x, const T* dy, T* out, const RowBlock& run, Center<T> m,
                                                    const Gate<T>& gate, T factor, SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const V hi(m.hi), lo(m.lo), a(gate.a), b(gate.b), by(factor);
  L::with_activation(
      gate.f, [&](auto activation) __attribute__((always_inline)) {
        const auto step = [&](std::int64_t i, auto tag, V& u, V& v) __attribute__((always_inline)) {
          v = (L::load(x + i, tag) - hi) - lo;
          u = activation.gradient(L::load(dy + i, tag), xsimd::fma(v, a, b));
        };
        if (out == nullptr) {
          L::sum_products(run, sums, step);
        } else {
          L::sum_products(
              run, sums, [&](std::int64_t i, auto tag, V& u, V& v) __attribute__((always_inline)) {
                step(i, tag, u, v);
                L::store(out + i, u * by, tag);
              });
        }
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient_sums(const T* x, const T* dy, std::int64_t n, Center<T> m, T s,
                                                    const T* w, T* dw, T* db, SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::sum_products(
      {1, 0, n}, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) __attribute__((always_inline)) {
        const V d = L::load(dy + i, tag);
        v = (L::load(x + i, tag) - V(m.hi)) - V(m.lo);
        u = d * L::load(w + i, tag);
        L::store(dw + i, xsimd::fma(d, v * V(s), L::load(dw + i, tag)), tag);
        L::store(db + i, L::load(db + i, tag) + d, tag);
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::four_run_gradient_sums(const T* x, const T* dy, std::int64_t n, const Center<T>* m,
                                                         const T* s, const T* w, T* dw, T* db, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const auto step = [&](std::int64_t i, auto tag, auto* sum, auto* products) __attribute__((always_inline)) {
    const V weight = L::load(w + i, tag);
    V weight_sum = L::load(dw + i, tag);
    V bias_sum = L::load(db + i, tag);
    for (std::int64_t r = 0; r < 4; ++r) {
      const V d = L::load(dy + r * n + i, tag);
      const V v = (L::load(x + r * n + i, tag) - V(m[r].hi)) - V(m[r].lo);
      const V u = d * weight;  // 0 in the lanes that hold no element
      sum[r] = sum[r] + u;
      products[r] = xsimd::fma(u, L::filled(v, tag), products[r]);
      weight_sum = xsimd::fma(d, v * V(s[r]), weight_sum);
      bias_sum = bias_sum + d;
    }
    L::store(dw + i, weight_sum, tag);
    L::store(db + i, bias_sum, tag);
  };
  std::int64_t i = 0;
  while (i < n) {
    const std::int64_t steps = (n - i) / L::kWidth;
    const std::int64_t stop = i + (steps < L::kLaneTerms ? steps : L::kLaneTerms) * L::kWidth;
    V sum[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
    V products[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
    for (; i < stop; i += L::kWidth) {
      step(i, simd::Full(), sum, products);
    }
    if (n - i > 0 && n - i < L::kWidth) {
      step(i, simd::Part{n - i}, sum, products);
      i = n;
    }
    for (std::int64_t r = 0; r < 4; ++r) {
      sums[r].first += static_cast<double>(xsimd::hadd(sum[r]));
      sums[r].second += static_cast<double>(xsimd::hadd(products[r]));
    }
  }
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient(const T* x, const T* dy, T* dx, const RowBlock& run, Center<T> m,
                                               const GradientCoefficients<T>& c, const Gate<T>& gate) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const V hi(m.hi), lo(m.lo), a(gate.a), b(gate.b), s(c.s), c1(c.c1), c2(c.c2), c3(c.c3);
  L::with_cheap_activation(
      gate.f, [&](auto activation) __attribute__((always_inline)) {
        L::each(
            run, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
              const V xc = (L::load(x + i, tag) - hi) - lo;
              const V dz = activation.gradient(L::load(dy + i, tag), xsimd::fma(xc, a, b));
              L::store(dx + i, xsimd::fma(dz, c1, xsimd::fma(xc * s, c2, c3)), tag);
            });
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient(const T* x, const T* dy, T* dx, std::int64_t n, Center<T> m,
                                               const GradientCoefficients<T>& c, const T* w) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::each(
      n, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
        const V xh = ((L::load(x + i, tag) - V(m.hi)) - V(m.lo)) * V(c.s);
        const V q = L::load(dy + i, tag) * L::load(w + i, tag);
        L::store(dx + i, xsimd::fma(q, V(c.c1), xsimd::fma(xh, V(c.c2), V(c.c3))), tag);
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_means(const T* x, const RowBlock& block, T* mean) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const std::int64_t rows = block.rows < 16 ? block.rows : 16;
  L::each(
      block.width, [&](std::int64_t j, auto tag) __attribute__((always_inline)) {
        const V first = L::load(x + j, tag);
        V sum(T(0));
        for (std::int64_t row = 1; row < rows; ++row) {
          sum = sum + (L::load(x + row * block.stride + j, tag) - first);
        }
        L::store(mean + j, first + sum * V(T(1) / static_cast<T>(rows)), tag);
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_moments(const T* x, const RowBlock& block, const T* shift, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::column_sums(
      block.rows, block.width,
      sums, [&](std::int64_t row, std::int64_t j, auto tag, auto& u, auto& v) __attribute__((always_inline)) {
        u = L::load(x + row * block.stride + j, tag) - L::load(shift + j, tag);
        v = u;
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_scale(const T* x, const T* dy, T* y, const RowBlock& block, const T* hi,
                                            const T* lo, const T* a, const T* b, const T* row_w, const T* row_b,
                                            FusedActivation f) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const std::int64_t start = row * block.stride;
    const T w = row_w ? row_w[row] : T(1);
    const T c = row_b ? row_b[row] : T(0);
    L::write(
        {1, 0, block.width}, dy ? dy + start : nullptr, y + start, f,
        T(1), [&](std::int64_t j, auto tag) __attribute__((always_inline)) {
          const V xc = (L::load(x + start + j, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag);
          return xsimd::fma(xc * L::load(a + j, tag), V(w), L::load(b + j, tag) + V(c));
        });
  }
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_gradient_sums(const T* x, const T* dy, const RowBlock& block, const T* hi,
                                                    const T* lo, const T* row_w, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::column_sums(
      block.rows, block.width,
      sums, [&](std::int64_t row, std::int64_t j, auto tag, auto& u, auto& v) __attribute__((always_inline)) {
        const std::int64_t i = row * block.stride + j;
        u = L::load(dy + i, tag) * V(row_w ? row_w[row] : T(1));
        v = (L::load(x + i, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag);
      });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_parameter_sums(const T* x, const T* dy, const RowBlock& block, const T* hi,
                                                     const T* lo, const T* s, SumPair* sums, std::int64_t step) {
  using L = simd::StandardizeLoop<Arch, T>;
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const T* xr = x + row * block.stride;
    const T* dyr = dy + row * block.stride;
    sums[row * step] = {0, 0};
    L::sum_products(
        {1, 0, block.width},
        sums[row * step], [&](std::int64_t j, auto tag, auto& u, auto& v) __attribute__((always_inline)) {
          u = L::load(dyr + j, tag);
          v = ((L::load(xr + j, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag)) * L::load(s + j, tag);
        });
  }
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_gradient(const T* x, const T* dy, T* dx, const RowBlock& block, const T* hi,
                                               const T* lo, const T* s, const T* c1, const T* c2, const T* c3,
                                               const T* row_w) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const std::int64_t start = row * block.stride;
    const T w = row_w ? row_w[row] : T(1);
    L::each(
        block.width, [&](std::int64_t j, auto tag) __attribute__((always_inline)) {
          const V xc = (L::load(x + start + j, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag);
          const V q = L::load(dy + start + j, tag) * V(w);
          const V rest = xsimd::fma(xc * L::load(s + j, tag), L::load(c2 + j, tag), L::load(c3 + j, tag));
          L::store(dx + start + j, xsimd::fma(q, L::load(c1 + j, tag), rest), tag);
        });
  }
}

}  // namespace evenkeel::kernels
