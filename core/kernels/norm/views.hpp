#pragma once

#include "evenkeel/core/kernels/elementwise/op_list.hpp"

#include <cstdint>

namespace evenkeel {

/// How a contiguous input is grouped for statistics: x[slice][outer][group][inner]; mean and variance are taken over
/// outer and inner for each (slice, group). (BatchNorm: 1, N, C, H*W; GroupNorm: 1, 1, N*G, ...).
struct GroupView {
  std::int64_t slices = 1, outer = 1, groups = 1, inner = 1;
  std::int64_t count() const { return outer * inner; }         ///< elements per group
  std::int64_t statistics() const { return slices * groups; }  ///< number of (slice, group) pairs
  std::int64_t numel() const { return slices * outer * groups * inner; }
};

/// Which scale and shift an element gets: element i of the contiguous input uses entry (i / inner) % params.
/// BatchNorm, GroupNorm, InstanceNorm: params C, inner H*W. LayerNorm, RMSNorm: params D, inner 1.
struct AffineView {
  std::int64_t params = 0, inner = 1;
};

struct Normalization {
  double eps = 1e-5;
  bool center = true;       ///< subtract the mean (false: RMS norms)
  int correction = 0;       ///< 1: unbiased variance
  bool eps_in_root = true;  ///< sqrt(v + eps), or sqrt(v) + eps
};

namespace kernels {
struct Relu;
struct LeakyRelu;
struct Silu;
struct Hardswish;
/// The functors of NormActivation (elementwise/unary.hpp), in its order; void: none.
using FusibleOps = OpList<void, Relu, LeakyRelu, Silu, Hardswish>;
}  // namespace kernels

/// What may follow a normalization in the same pass: the number of a functor in FusibleOps.
enum class NormActivation { none, relu, leaky_relu, silu, hardswish };

struct FusedActivation {
  NormActivation f = NormActivation::none;
  double slope = 0.01;  ///< leaky_relu's
};

}  // namespace evenkeel
