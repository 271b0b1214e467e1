#pragma once

#include "core/kernels/simd/batch.hpp"
#include "core/kernels/standardize.hpp"

namespace evenkeel::kernels {
namespace simd {

/// Loads and loops that treat a register and a single value alike, so that each formula is written once.
template <class Arch, class T>
struct StandardizeLoop {
  using V = Batch<Arch, T>;
  static constexpr std::int64_t kWidth = static_cast<std::int64_t>(V::size);
  /// Values that one accumulator lane takes before it is emptied into a double.
  static constexpr std::int64_t kLaneTerms = 32;

  static V load(const T* p, V) { return V::load_unaligned(p); }
  static T load(const T* p, T) { return *p; }
  static void store(T* p, V v) { v.store_unaligned(p); }
  static void store(T* p, T v) { *p = v; }
  static V multiply_add(V a, V b, V c) { return xsimd::fma(a, b, c); }
  static T multiply_add(T a, T b, T c) { return a * b + c; }

  /// f(i, tag) for i in [0, n), by registers and then single values; the tag's type says which.
  template <class F>
  static void each(std::int64_t n, F f) {
    std::int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth) {
      f(i, V());
    }
    for (; i < n; ++i) {
      f(i, T());
    }
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
        accumulate(i, f, a0, p0);
        accumulate(i + kWidth, f, a1, p1);
        accumulate(i + 2 * kWidth, f, a2, p2);
        accumulate(i + 3 * kWidth, f, a3, p3);
      }
      sums.first += static_cast<double>(xsimd::hadd((a0 + a1) + (a2 + a3)));
      sums.second += static_cast<double>(xsimd::hadd((p0 + p1) + (p2 + p3)));
    }
    if (n - i >= kWidth) {
      V a(T(0)), p(T(0));
      for (; i + kWidth <= n; i += kWidth) {
        accumulate(i, f, a, p);
      }
      sums.first += static_cast<double>(xsimd::hadd(a));
      sums.second += static_cast<double>(xsimd::hadd(p));
    }
    for (; i < n; ++i) {
      T u, v;
      f(i, T(), u, v);
      sums.first += static_cast<double>(u);
      sums.second += static_cast<double>(u) * static_cast<double>(v);
    }
  }

  template <class F>
  static void accumulate(std::int64_t i, F& f, V& sum, V& products) {
    V u, v;
    f(i, V(), u, v);
    sum = sum + u;
    products = xsimd::fma(u, v, products);
  }

  /// sums[j] = (sum over rows of u, of u v), where f(row, j, tag, u, v) sets u and v.
  template <class F>
  static void column_sums(std::int64_t rows, std::int64_t width, SumPair* sums, F f) {
    each(width, [&](std::int64_t j, auto tag) {
      using W = decltype(tag);
      constexpr std::int64_t kLanes = static_cast<std::int64_t>(sizeof(W) / sizeof(T));
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        sums[j + lane] = {0, 0};
      }
      for (std::int64_t row = 0; row < rows;) {
        const std::int64_t stop = rows - row < kLaneTerms ? rows : row + kLaneTerms;
        W sum(T(0)), products(T(0));
        for (; row < stop; ++row) {
          W u, v;
          f(row, j, tag, u, v);
          sum = sum + u;
          products = multiply_add(u, v, products);
        }
        T first[kLanes], second[kLanes];
        store(first, sum);
        store(second, products);
        for (std::int64_t lane = 0; lane < kLanes; ++lane) {
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
  SumPair sums{0, 0};
  L::sum_products(n, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) {
    using W = decltype(tag);
    u = L::load(x + i, tag) - W(x[0]);
    v = W(T(0));
  });
  return x[0] + static_cast<T>(sums.first / static_cast<double>(n));
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_moments(const T* x, std::int64_t n, T shift, SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::sum_products(n, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) {
    u = L::load(x + i, tag) - decltype(tag)(shift);
    v = u;
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_scale(const T* x, T* y, std::int64_t n, Center<T> m, T a, T b) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::each(n, [&](std::int64_t i, auto tag) {
    using W = decltype(tag);
    const W xc = (L::load(x + i, tag) - W(m.hi)) - W(m.lo);
    L::store(y + i, L::multiply_add(xc, W(a), W(b)));
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_scale(const T* x, T* y, std::int64_t n, Center<T> m, T s, const T* w,
                                            const T* b) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::each(n, [&](std::int64_t i, auto tag) {
    using W = decltype(tag);
    const W xc = (L::load(x + i, tag) - W(m.hi)) - W(m.lo);
    L::store(y + i, L::multiply_add(xc * W(s), L::load(w + i, tag), L::load(b + i, tag)));
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient_sums(const T* x, const T* dy, std::int64_t n, Center<T> m,
                                                    SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::sum_products(n, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) {
    using W = decltype(tag);
    u = L::load(dy + i, tag);
    v = (L::load(x + i, tag) - W(m.hi)) - W(m.lo);
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient_sums(const T* x, const T* dy, std::int64_t n, Center<T> m, T s,
                                                    const T* w, T* dw, T* db, SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::sum_products(n, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) {
    using W = decltype(tag);
    const W d = L::load(dy + i, tag);
    v = (L::load(x + i, tag) - W(m.hi)) - W(m.lo);
    u = d * L::load(w + i, tag);
    L::store(dw + i, L::multiply_add(d, v * W(s), L::load(dw + i, tag)));
    L::store(db + i, L::load(db + i, tag) + d);
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::four_run_gradient_sums(const T* x, const T* dy, std::int64_t n, const Center<T>* m,
                                                         const T* s, const T* w, T* dw, T* db, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const auto step = [&](std::int64_t i, auto tag, auto* sum, auto* products) {
    using W = decltype(tag);
    const W weight = L::load(w + i, tag);
    W weight_sum = L::load(dw + i, tag);
    W bias_sum = L::load(db + i, tag);
    for (std::int64_t r = 0; r < 4; ++r) {
      const W d = L::load(dy + r * n + i, tag);
      const W v = (L::load(x + r * n + i, tag) - W(m[r].hi)) - W(m[r].lo);
      const W u = d * weight;
      sum[r] = sum[r] + u;
      products[r] = L::multiply_add(u, v, products[r]);
      weight_sum = L::multiply_add(d, v * W(s[r]), weight_sum);
      bias_sum = bias_sum + d;
    }
    L::store(dw + i, weight_sum);
    L::store(db + i, bias_sum);
  };
  std::int64_t i = 0;
  while (n - i >= L::kWidth) {
    const std::int64_t steps = (n - i) / L::kWidth;
    const std::int64_t stop = i + (steps < L::kLaneTerms ? steps : L::kLaneTerms) * L::kWidth;
    V sum[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
    V products[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
    for (; i < stop; i += L::kWidth) {
      step(i, V(), sum, products);
    }
    for (std::int64_t r = 0; r < 4; ++r) {
      sums[r].first += static_cast<double>(xsimd::hadd(sum[r]));
      sums[r].second += static_cast<double>(xsimd::hadd(products[r]));
    }
  }
  T sum[4] = {}, products[4] = {};  // fewer than a register's values
  for (; i < n; ++i) {
    step(i, T(), sum, products);
  }
  for (std::int64_t r = 0; r < 4; ++r) {
    sums[r].first += static_cast<double>(sum[r]);
    sums[r].second += static_cast<double>(products[r]);
  }
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient(const T* x, const T* dy, T* dx, std::int64_t n, Center<T> m,
                                               GradientCoefficients<T> c) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::each(n, [&](std::int64_t i, auto tag) {
    using W = decltype(tag);
    const W xh = ((L::load(x + i, tag) - W(m.hi)) - W(m.lo)) * W(c.s);
    L::store(dx + i, L::multiply_add(L::load(dy + i, tag), W(c.c1), L::multiply_add(xh, W(c.c2), W(c.c3))));
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::run_gradient(const T* x, const T* dy, T* dx, std::int64_t n, Center<T> m,
                                               GradientCoefficients<T> c, const T* w) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::each(n, [&](std::int64_t i, auto tag) {
    using W = decltype(tag);
    const W xh = ((L::load(x + i, tag) - W(m.hi)) - W(m.lo)) * W(c.s);
    const W q = L::load(dy + i, tag) * L::load(w + i, tag);
    L::store(dx + i, L::multiply_add(q, W(c.c1), L::multiply_add(xh, W(c.c2), W(c.c3))));
  });
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_means(const T* x, RowBlock block, T* mean) {
  using L = simd::StandardizeLoop<Arch, T>;
  const std::int64_t rows = block.rows < 16 ? block.rows : 16;
  L::each(block.width, [&](std::int64_t j, auto tag) {
    using W = decltype(tag);
    const W first = L::load(x + j, tag);
    W sum(T(0));
    for (std::int64_t row = 1; row < rows; ++row) {
      sum = sum + (L::load(x + row * block.stride + j, tag) - first);
    }
    L::store(mean + j, first + sum * W(T(1) / static_cast<T>(rows)));
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
void StandardizeKernels<Arch, T>::row_scale(const T* x, T* y, RowBlock block, const T* hi, const T* lo, const T* a,
                                            const T* b, const T* row_w, const T* row_b) {
  using L = simd::StandardizeLoop<Arch, T>;
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const T* xr = x + row * block.stride;
    T* yr = y + row * block.stride;
    const T w = row_w ? row_w[row] : T(1);
    const T c = row_b ? row_b[row] : T(0);
    L::each(block.width, [&](std::int64_t j, auto tag) {
      using W = decltype(tag);
      const W xc = (L::load(xr + j, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag);
      L::store(yr + j, L::multiply_add(xc * L::load(a + j, tag), W(w), L::load(b + j, tag) + W(c)));
    });
  }
}

template <class Arch, class T>
void StandardizeKernels<Arch, T>::row_gradient_sums(const T* x, const T* dy, RowBlock block, const T* hi, const T* lo,
                                                    const T* row_w, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::column_sums(block.rows, block.width, sums, [&](std::int64_t row, std::int64_t j, auto tag, auto& u, auto& v) {
    using W = decltype(tag);
    const std::int64_t i = row * block.stride + j;
    u = L::load(dy + i, tag) * W(row_w ? row_w[row] : T(1));
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
  for (std::int64_t row = 0; row < block.rows; ++row) {
    const std::int64_t start = row * block.stride;
    const T w = row_w ? row_w[row] : T(1);
    L::each(block.width, [&](std::int64_t j, auto tag) {
      using W = decltype(tag);
      const W xc = (L::load(x + start + j, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag);
      const W q = L::load(dy + start + j, tag) * W(w);
      const W rest = L::multiply_add(xc * L::load(s + j, tag), L::load(c2 + j, tag), L::load(c3 + j, tag));
      L::store(dx + start + j, L::multiply_add(q, L::load(c1 + j, tag), rest));
    });
  }
}

}  // namespace evenkeel::kernels
