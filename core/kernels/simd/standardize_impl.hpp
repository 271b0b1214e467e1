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
  static void each(std::int64_t n, F f) {
    std::int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) {
      f(i, Full());
    }
    if (i < n) {
      f(i, Part{n - i});
    }
  }

  /// y = f(z(i, tag)), or dy f'(z(i, tag)).
  template <class Z>
  static void write(std::int64_t n, const T* dy, T* y, FusedActivation f, Z z) {
    switch (f.f) {
      case NormActivation::relu:
        return write_activated<Relu>(n, dy, y, f, z);
      case NormActivation::leaky_relu:
        return write_activated<LeakyRelu>(n, dy, y, f, z);
      case NormActivation::silu:
        return write_activated<Silu>(n, dy, y, f, z);
      case NormActivation::hardswish:
        return write_activated<Hardswish>(n, dy, y, f, z);
      default:
        each(n, [&](std::int64_t i, auto tag) { store(y + i, z(i, tag), tag); });
    }
  }

  template <class F, class Z>
  static void write_activated(std::int64_t n, const T* dy, T* y, FusedActivation f, Z z) {
    using Functor = UnaryLoops<Arch, T, F>;
    const V slope(static_cast<T>(f.slope));
    if (dy == nullptr) {
      return each(n, [&](std::int64_t i, auto tag) { store(y + i, Functor::value(z(i, tag), slope, slope), tag); });
    }
    each(n, [&](std::int64_t i, auto tag) {
      V v = z(i, tag);
      if constexpr (F::kDerivativeOfOutput) {
        v = Functor::value(v, slope, slope);
      }
      store(y + i, Functor::slope(load(dy + i, tag), v, slope, slope), tag);
    });
  }

  /// sums += (sum(u), sum(u v)), where f(i, tag, u, v) sets u and v for the elements from i.
  template <class F>
  static void sum_products(std::int64_t n, SumPair& sums, F f) {
    std::int64_t i = 0;
    while (n - i >= 4 * kWidth) {
      const std::int64_t steps = (n - i) / (4 * kWidth);
      const std::int64_t stop = i + (steps < kLaneTerms ? steps : kLaneTerms) * 4 * kWidth;
      V a0(T(0)), a1(T(0)), a2(T(0)), a3(T(0)), p0(T(0)), p1(T(0)), p2(T(0)), p3(T(0));
      for (; i < stop; i += 4 * kWidth) {
        accumulate(i, Full(), f, a0, p0);
        accumulate(i + kWidth, Full(), f, a1, p1);
        accumulate(i + 2 * kWidth, Full(), f, a2, p2);
        accumulate(i + 3 * kWidth, Full(), f, a3, p3);
      }
      sums.first += static_cast<double>(xsimd::hadd((a0 + a1) + (a2 + a3)));
      sums.second += static_cast<double>(xsimd::hadd((p0 + p1) + (p2 + p3)));
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

  template <class Tag, class F>
  static void accumulate(std::int64_t i, Tag tag, F& f, V& sum, V& products) {
    V u, v;
    f(i, tag, u, v);
    u = filled(u, tag);
    sum = sum + u;
    products = xsimd::fma(u, filled(v, tag), products);
  }

  /// sums[j] = (sum over rows of u, of u v), where f(row, j, tag, u, v) sets u and v.
  template <class F>
  static void column_sums(std::int64_t rows, std::int64_t width, SumPair* sums, F f) {
    each(width, [&](std::int64_t j, auto tag) {
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
  L::sum_products(n, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) {
    u = L::load(x + i, tag) - V(x[0]);
    v = V(T(0));
  });
  return x[0] + static_cast<T>(sums.first / static_cast<double>(n));
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_moments(const T* x, std::int64_t n, T shift, SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::sum_products(n, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) {
    u = L::load(x + i, tag) - V(shift);
    v = u;
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_scale(const T* x, const T* dy, T* y, std::int64_t n, Center<T> m, T a, T b,
                                            FusedActivation f) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::write(n, dy, y, f, [=](std::int64_t i, auto tag) {
    const V xc = (L::load(x + i, tag) - V(m.hi)) - V(m.lo);
    return xsimd::fma(xc, V(a), V(b));
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_scale(const T* x, const T* dy, T* y, std::int64_t n, Center<T> m, T s, const T* w,
                                            const T* b, FusedActivation f) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::write(n, dy, y, f, [=](std::int64_t i, auto tag) {
    const V xc = (L::load(x + i, tag) - V(m.hi)) - V(m.lo);
    return xsimd::fma(xc * V(s), L::load(w + i, tag), L::load(b + i, tag));
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient_sums(const T* x, const T* dy, std::int64_t n, Center<T> m,
                                                    SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::sum_products(n, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) {
    u = L::load(dy + i, tag);
    v = (L::load(x + i, tag) - V(m.hi)) - V(m.lo);
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient_sums(const T* x, const T* dy, std::int64_t n, Center<T> m, T s,
                                                    const T* w, T* dw, T* db, SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::sum_products(n, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) {
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
  const auto step = [&](std::int64_t i, auto tag, auto* sum, auto* products) {
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
void StandardizeKernels<Arch, T>::run_gradient(const T* x, const T* dy, T* dx, std::int64_t n, Center<T> m,
                                               GradientCoefficients<T> c) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::each(n, [&](std::int64_t i, auto tag) {
    const V xh = ((L::load(x + i, tag) - V(m.hi)) - V(m.lo)) * V(c.s);
    L::store(dx + i, xsimd::fma(L::load(dy + i, tag), V(c.c1), xsimd::fma(xh, V(c.c2), V(c.c3))), tag);
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient(const T* x, const T* dy, T* dx, std::int64_t n, Center<T> m,
                                               GradientCoefficients<T> c, const T* w) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::each(n, [&](std::int64_t i, auto tag) {
    const V xh = ((L::load(x + i, tag) - V(m.hi)) - V(m.lo)) * V(c.s);
    const V q = L::load(dy + i, tag) * L::load(w + i, tag);
    L::store(dx + i, xsimd::fma(q, V(c.c1), xsimd::fma(xh, V(c.c2), V(c.c3))), tag);
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_means(const T* x, RowBlock block, T* mean) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const std::int64_t rows = block.rows < 16 ? block.rows : 16;
  L::each(block.width, [&](std::int64_t j, auto tag) {
    const V first = L::load(x + j, tag);
    V sum(T(0));
    for (std::int64_t row = 1; row < rows; ++row) {
      sum = sum + (L::load(x + row * block.stride + j, tag) - first);
    }
    L::store(mean + j, first + sum * V(T(1) / static_cast<T>(rows)), tag);
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_moments(const T* x, RowBlock block, const T* shift, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::column_sums(block.rows, block.width, sums, [&](std::int64_t row, std::int64_t j, auto tag, auto& u, auto& v) {
    u = L::load(x + row * block.stride + j, tag) - L::load(shift + j, tag);
    v = u;
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_scale(const T* x, const T* dy, T* y, RowBlock block, const T* hi, const T* lo,
                                            const T* a, const T* b, const T* row_w, const T* row_b, FusedActivation f) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const std::int64_t start = row * block.stride;
    const T w = row_w ? row_w[row] : T(1);
    const T c = row_b ? row_b[row] : T(0);
    L::write(block.width, dy ? dy + start : nullptr, y + start, f, [=](std::int64_t j, auto tag) {
      const V xc = (L::load(x + start + j, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag);
      return xsimd::fma(xc * L::load(a + j, tag), V(w), L::load(b + j, tag) + V(c));
    });
  }
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_gradient_sums(const T* x, const T* dy, RowBlock block, const T* hi, const T* lo,
                                                    const T* row_w, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::column_sums(block.rows, block.width, sums, [&](std::int64_t row, std::int64_t j, auto tag, auto& u, auto& v) {
    const std::int64_t i = row * block.stride + j;
    u = L::load(dy + i, tag) * V(row_w ? row_w[row] : T(1));
    v = (L::load(x + i, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag);
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_parameter_sums(const T* x, const T* dy, RowBlock block, const T* hi, const T* lo,
                                                     const T* s, SumPair* sums, std::int64_t step) {
  using L = simd::StandardizeLoop<Arch, T>;
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const T* xr = x + row * block.stride;
    const T* dyr = dy + row * block.stride;
    sums[row * step] = {0, 0};
    L::sum_products(block.width, sums[row * step], [&](std::int64_t j, auto tag, auto& u, auto& v) {
      u = L::load(dyr + j, tag);
      v = ((L::load(xr + j, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag)) * L::load(s + j, tag);
    });
  }
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_gradient(const T* x, const T* dy, T* dx, RowBlock block, const T* hi, const T* lo,
                                               const T* s, const T* c1, const T* c2, const T* c3, const T* row_w) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const std::int64_t start = row * block.stride;
    const T w = row_w ? row_w[row] : T(1);
    L::each(block.width, [&](std::int64_t j, auto tag) {
      const V xc = (L::load(x + start + j, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag);
      const V q = L::load(dy + start + j, tag) * V(w);
      const V rest = xsimd::fma(xc * L::load(s + j, tag), L::load(c2 + j, tag), L::load(c3 + j, tag));
      L::store(dx + start + j, xsimd::fma(q, L::load(c1 + j, tag), rest), tag);
    });
  }
}

}  // namespace evenkeel::kernels
