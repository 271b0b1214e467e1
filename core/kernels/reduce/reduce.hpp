#pragma once

#include "evenkeel/core/kernels/elementwise/binary.hpp"
#include "evenkeel/core/kernels/elementwise/op_list.hpp"

#include <cstddef>
#include <cstdint>

namespace evenkeel::kernels {

// One struct per reduction over float or double, computed in double: each element x contributes kTerms numbers
// `term<k>(x, m)`, and numbers are merged by Merge::f, starting with kIdentity. m is a number per result (a mean, an
// exponent). Partial results of any split merge by MergeOp. A new reduction is its struct and one word in ReduceOps.

struct Sum {
  using Merge = Add;
  using MergeOp = Sum;
  static constexpr double kIdentity = 0;
  static constexpr int kTerms = 1;
  template <int, class V>
  static V term(V x, V) {
    return x;
  }
};

struct SumOfSquares : Sum {
  template <int, class V>
  static V term(V x, V) {
    return x * x;
  }
};

struct SumOfMagnitudes : Sum {
  template <int, class V>
  static V term(V x, V) {
    return abs(x);
  }
};

/// |x|^m
struct SumOfPowers : Sum {
  template <int, class V>
  static V term(V x, V m) {
    return math::pow(V(abs(x)), m);
  }
};

/// x - m and (x - m)^2
struct Deviations : Sum {
  static constexpr int kTerms = 2;
  template <int kTerm, class V>
  static V term(V x, V m) {
    return kTerm == 0 ? x - m : (x - m) * (x - m);
  }
};

struct Product {
  using Merge = Multiply;
  using MergeOp = Product;
  static constexpr double kIdentity = 1;
  static constexpr int kTerms = 1;
  template <int, class V>
  static V term(V x, V) {
    return x;
  }
};

struct Largest {
  using Merge = Maximum;
  using MergeOp = Largest;
  static constexpr double kIdentity = -__builtin_inf();
  static constexpr int kTerms = 1;
  template <int, class V>
  static V term(V x, V) {
    return x;
  }
};

struct LargestMagnitude : Largest {
  template <int, class V>
  static V term(V x, V) {
    return abs(x);
  }
};

struct Smallest {
  using Merge = Minimum;
  using MergeOp = Smallest;
  static constexpr double kIdentity = __builtin_inf();
  static constexpr int kTerms = 1;
  template <int, class V>
  static V term(V x, V) {
    return x;
  }
};

using ReduceOps =
    OpList<Sum, SumOfSquares, SumOfMagnitudes, SumOfPowers, Deviations, Product, Largest, LargestMagnitude, Smallest>;

/// Where results go: term k of result i to out[k * stride + i]; m[i] is result i's number (m may be null: 0).
struct ReduceTarget {
  const double* m;
  double* out;
  std::int64_t stride;
};

/// The SIMD side, per instruction set; `op` is an index into ReduceOps.
template <class Arch, class T>
struct ReduceKernels {
  static void rows(std::size_t op, std::int64_t rows, std::int64_t n, const T* x, ReduceTarget target);
  static void columns(std::size_t op, std::int64_t rows, std::int64_t columns, std::int64_t pitch, const T* x,
                      ReduceTarget target);
};

/// Result r is the reduction of the n contiguous elements from x + r * n.
template <class T>
void reduce_rows(std::size_t op, std::int64_t rows, std::int64_t n, const T* x, ReduceTarget target);
/// Result c is the reduction of x[r * pitch + c] over the rows r.
template <class T>
void reduce_columns(std::size_t op, std::int64_t rows, std::int64_t columns, std::int64_t pitch, const T* x,
                    ReduceTarget target);

}  // namespace evenkeel::kernels
