#pragma once

#include "evenkeel/core/kernels/norm/loops_simd.hpp"
#include "evenkeel/core/kernels/norm/normalize.hpp"

namespace evenkeel::kernels {

template <class Arch, class T>
T NormalizeKernels<Arch, T>::run_mean(const T* x, std::int64_t n) {
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
void NormalizeKernels<Arch, T>::run_moments(const T* x, const RowBlock& run, T shift, SumPair& sums) {
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
void NormalizeKernels<Arch, T>::run_scale(const T* x, const T* dy, T* y, const RowBlock& run, Center<T> m,
                                          const Gate<T>& gate, T factor) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const V hi(m.hi), lo(m.lo), a(gate.a), b(gate.b);
  L::write(
      run, dy, y, gate.f, factor, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
        const V xc = (L::load(x + i, tag) - hi) - lo;
        return fma(xc, a, b);
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::run_scale(const T* x, const T* dy, T* y, std::int64_t n, Center<T> m, T s, const T* w,
                                          const T* b, FusedActivation f) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::write(
      {1, 0, n}, dy, y, f, T(1), [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
        const V xc = (L::load(x + i, tag) - V(m.hi)) - V(m.lo);
        return fma(xc * V(s), L::load(w + i, tag), L::load(b + i, tag));
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::run_gradient_sums(const T* x, const T* dy, T* out, const RowBlock& run, Center<T> m,
                                                  const Gate<T>& gate, T factor, SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const V hi(m.hi), lo(m.lo), a(gate.a), b(gate.b), by(factor);
  L::with_activation(
      gate.f, [&](auto activation) __attribute__((always_inline)) {
        const auto step = [&](std::int64_t i, auto tag, V& u, V& v) __attribute__((always_inline)) {
          v = (L::load(x + i, tag) - hi) - lo;
          u = activation.gradient(L::load(dy + i, tag), fma(v, a, b));
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
void NormalizeKernels<Arch, T>::run_gradient_sums(const T* x, const T* dy, std::int64_t n, Center<T> m, T s, const T* w,
                                                  T* dw, T* db, SumPair& sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::sum_products(
      {1, 0, n}, sums, [&](std::int64_t i, auto tag, auto& u, auto& v) __attribute__((always_inline)) {
        const V d = L::load(dy + i, tag);
        v = (L::load(x + i, tag) - V(m.hi)) - V(m.lo);
        u = d * L::load(w + i, tag);
        L::store(dw + i, fma(d, v * V(s), L::load(dw + i, tag)), tag);
        L::store(db + i, L::load(db + i, tag) + d, tag);
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::four_run_gradient_sums(const T* x, const T* dy, std::int64_t n, const Center<T>* m,
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
      products[r] = fma(u, L::filled(v, tag), products[r]);
      weight_sum = fma(d, v * V(s[r]), weight_sum);
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
      sums[r].first += static_cast<double>(lane_sum(sum[r]));
      sums[r].second += static_cast<double>(lane_sum(products[r]));
    }
  }
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::run_gradient(const T* x, const T* dy, T* dx, const RowBlock& run, Center<T> m,
                                             const GradientCoefficients<T>& c, const Gate<T>& gate) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const V hi(m.hi), lo(m.lo), a(gate.a), b(gate.b), s(c.s), c1(c.c1), c2(c.c2), c3(c.c3);
  L::with_cheap_activation(
      gate.f, [&](auto activation) __attribute__((always_inline)) {
        L::each(
            run, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
              const V xc = (L::load(x + i, tag) - hi) - lo;
              const V dz = activation.gradient(L::load(dy + i, tag), fma(xc, a, b));
              L::store(dx + i, fma(dz, c1, fma(xc * s, c2, c3)), tag);
            });
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::run_gradient(const T* x, const T* dy, T* dx, std::int64_t n, Center<T> m,
                                             const GradientCoefficients<T>& c, const T* w) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::each(
      n, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
        const V xh = ((L::load(x + i, tag) - V(m.hi)) - V(m.lo)) * V(c.s);
        const V q = L::load(dy + i, tag) * L::load(w + i, tag);
        L::store(dx + i, fma(q, V(c.c1), fma(xh, V(c.c2), V(c.c3))), tag);
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::piece_moments(const T* x, std::int64_t count, std::int64_t n, bool center, T* shift,
                                              SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  const std::int64_t first = n < 4 * L::kWidth ? n : 4 * L::kWidth;
  const T part = T(1) / static_cast<T>(first);
  for (std::int64_t k = 0; k < count; ++k, x += n) {
    V off(T(0));
    const V x0(x[0]);
    L::each(
        center ? first : 0, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
          off = off + L::filled(L::load(x + i, tag) - x0, tag);
        });
    shift[k] = center ? x[0] + lane_sum(off) * part : T(0);
    const V around(shift[k]);
    sums[k] = {0, 0};
    L::sum_row(
        n, sums[k], [&](std::int64_t i, auto tag, V& u, V& v) __attribute__((always_inline)) {
          u = L::load(x + i, tag) - around;
          v = u;
        });
  }
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::piece_scale(const T* x, T* y, std::int64_t count, std::int64_t n, const Piece<T>* p,
                                            FusedActivation f) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::with_activation(
      f, [&](auto activation) __attribute__((always_inline)) {
        for (std::int64_t k = 0; k < count; ++k) {
          const V hi(p[k].hi), lo(p[k].lo), a(p[k].a), b(p[k].b);
          L::each(
              n, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
                const V xc = (L::load(x + k * n + i, tag) - hi) - lo;
                L::store(y + k * n + i, activation.value(fma(xc, a, b)), tag);
              });
        }
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::piece_scale(const T* x, T* y, std::int64_t count, std::int64_t n, const Piece<T>* p,
                                            const T* w, const T* b, FusedActivation f) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::with_activation(
      f, [&](auto activation) __attribute__((always_inline)) {
        for (std::int64_t k = 0; k < count; ++k) {
          const V hi(p[k].hi), lo(p[k].lo), a(p[k].a);
          L::each(
              n, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
                const V xh = ((L::load(x + k * n + i, tag) - hi) - lo) * a;
                L::store(y + k * n + i, activation.value(fma(xh, L::load(w + i, tag), L::load(b + i, tag))), tag);
              });
        }
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::piece_gradient_sums(const T* x, const T* dy, T* out, std::int64_t count, std::int64_t n,
                                                    const Piece<T>* p, FusedActivation f, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::with_activation(
      f, [&](auto activation) __attribute__((always_inline)) {
        for (std::int64_t k = 0; k < count; ++k) {
          const V hi(p[k].hi), lo(p[k].lo), a(p[k].a), b(p[k].b);
          SumPair sum{0, 0};
          L::sum_row(
              n, sum, [&](std::int64_t i, auto tag, V& u, V& v) __attribute__((always_inline)) {
                v = (L::load(x + k * n + i, tag) - hi) - lo;
                u = activation.gradient(L::load(dy + k * n + i, tag), fma(v, a, b));
                if (out != nullptr) {
                  L::store(out + k * n + i, u, tag);
                }
              });
          sums[k] = sum;
        }
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::piece_gradient(const T* x, const T* dy, T* dx, std::int64_t count, std::int64_t n,
                                               const Piece<T>* p, const GradientCoefficients<T>* c, FusedActivation f) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::with_cheap_activation(
      f, [&](auto activation) __attribute__((always_inline)) {
        for (std::int64_t k = 0; k < count; ++k) {
          const V hi(p[k].hi), lo(p[k].lo), a(p[k].a), b(p[k].b), s(c[k].s), c1(c[k].c1), c2(c[k].c2), c3(c[k].c3);
          L::each(
              n, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
                const V xc = (L::load(x + k * n + i, tag) - hi) - lo;
                const V dz = activation.gradient(L::load(dy + k * n + i, tag), fma(xc, a, b));
                L::store(dx + k * n + i, fma(dz, c1, fma(xc * s, c2, c3)), tag);
              });
        }
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::piece_gradient(const T* x, const T* dy, T* dx, std::int64_t count, std::int64_t n,
                                               const Piece<T>* p, const GradientCoefficients<T>* c, const T* w) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  for (std::int64_t k = 0; k < count; ++k) {
    const V hi(p[k].hi), lo(p[k].lo), s(c[k].s), c1(c[k].c1), c2(c[k].c2), c3(c[k].c3);
    L::each(
        n, [&](std::int64_t i, auto tag) __attribute__((always_inline)) {
          const V xh = ((L::load(x + k * n + i, tag) - hi) - lo) * s;
          const V q = L::load(dy + k * n + i, tag) * L::load(w + i, tag);
          L::store(dx + k * n + i, fma(q, c1, fma(xh, c2, c3)), tag);
        });
  }
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::row_means(const T* x, const RowBlock& block, T* mean) {
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
void NormalizeKernels<Arch, T>::row_moments(const T* x, const RowBlock& block, const T* shift, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  L::column_sums(
      block.rows, block.width,
      sums, [&](std::int64_t row, std::int64_t j, auto tag, auto& u, auto& v) __attribute__((always_inline)) {
        u = L::load(x + row * block.stride + j, tag) - L::load(shift + j, tag);
        v = u;
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::row_scale(const T* x, const T* dy, T* y, const RowBlock& block, const T* hi,
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
          return fma(xc * L::load(a + j, tag), V(w), L::load(b + j, tag) + V(c));
        });
  }
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::row_gradient_sums(const T* x, const T* dy, T* out, const RowBlock& block, const T* hi,
                                                  const T* lo, const T* a, const T* b, FusedActivation f,
                                                  const T* row_w, SumPair* sums) {
  using L = simd::StandardizeLoop<Arch, T>;
  using V = typename L::V;
  L::with_activation(
      f, [&](auto activation) __attribute__((always_inline)) {
        L::column_sums(
            block.rows, block.width,
            sums, [&](std::int64_t row, std::int64_t j, auto tag, V& u, V& v) __attribute__((always_inline)) {
              const std::int64_t i = row * block.stride + j;
              const V w(row_w ? row_w[row] : T(1));
              v = (L::load(x + i, tag) - L::load(hi + j, tag)) - L::load(lo + j, tag);
              u = L::load(dy + i, tag);
              if constexpr (!decltype(activation)::kIsNone) {
                u = activation.gradient(u, fma(v * L::load(a + j, tag), w, L::load(b + j, tag)));  // row_scale's z
                L::store(out + i, u, tag);
              }
              u = u * w;
            });
      });
}

template <class Arch, class T>
void NormalizeKernels<Arch, T>::row_parameter_sums(const T* x, const T* dy, const RowBlock& block, const T* hi,
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
void NormalizeKernels<Arch, T>::row_gradient(const T* x, const T* dy, T* dx, const RowBlock& block, const T* hi,
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
          const V rest = fma(xc * L::load(s + j, tag), L::load(c2 + j, tag), L::load(c3 + j, tag));
          L::store(dx + start + j, fma(q, L::load(c1 + j, tag), rest), tag);
        });
  }
}

}  // namespace evenkeel::kernels
