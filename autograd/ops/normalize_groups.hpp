#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/communicator.hpp"
#include "evenkeel/core/kernels/norm/views.hpp"

#include <memory>

namespace evenkeel {

/// The one normalization op, with n elements per group:
///   m = mean(x), or 0 if not centred;  v = sum((x - m)^2) / (n - correction)
///   s = 1 / sqrt(v + eps), or 1 / (sqrt(v) + eps) with eps outside the root
///   x_hat = (x - m) s,  z = x_hat weight + bias,  y = f(z), f the activation or the identity
///   dx = s (q - b - x_hat k),  q = dy f'(z) weight,  b = mean(q), or 0 if not centred
///   k = sum(q x_hat) / (n - correction); with eps outside the root times (sqrt(v) + eps) / sqrt(v), and 0 where v = 0
struct Normalized {
  Tensor y;
  Array mean, var;  ///< float64, one per (slice, group): m and v above, for running statistics
};

/// weight, bias: of affine.params elements each, either may be undefined. Keeps x and weight, with an activation also
/// bias; x_hat and z are recomputed. With eps = 0 a constant group gives z = bias. An empty x gives mean 0, var 0 and
/// zero gradients. Throws: a view that does not fit x, a parameter of another size or dtype, groups of no more than
/// `correction` values.
Normalized normalize_groups(const Tensor& x, const Tensor& weight, const Tensor& bias, GroupView view,
                            AffineView affine, const Normalization& how, const FusedActivation& activation = {});

/// y = f((x - mean) / sqrt(var + eps) * weight + bias) with given statistics (BatchNorm in eval, FrozenBatchNorm); mean
/// and var have affine.params elements, x's dtype, and get no gradient.
Tensor normalize_with(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight, const Tensor& bias,
                      AffineView affine, double eps, const FusedActivation& activation = {});

struct Moments {
  Array mean, var;  ///< as in Normalized
};

/// The statistics of normalize_groups() alone, without gradient.
Moments moments(const Tensor& x, GroupView view, const Normalization& how = {});

struct SyncNormalized {
  Tensor y;
  Array mean, var;  ///< float64, per parameter, of all ranks together: the same bits on every rank
  double count;     ///< elements per parameter on all ranks together
};

/// normalize_groups() of BatchNorm's kind over the elements of all ranks: y is this rank's part. Ranks may bring
/// different numbers of elements, also none. Every rank must call it, and run backward through it, or the others fail.
///   mean and var are pooled (sums of squares around the common mean); dx takes the sums over all ranks, divided by the
///   common count; dweight and dbias are this rank's part, to be added up with the other parameters' gradients.
/// Cannot be differentiated twice.
SyncNormalized sync_normalize(const Tensor& x, const Tensor& weight, const Tensor& bias, AffineView affine, double eps,
                              const std::shared_ptr<Communicator>& ranks);

}  // namespace evenkeel
