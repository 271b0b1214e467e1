#include "evenkeel/autograd/ops/dropout.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/core/elementwise.hpp"

#include <cmath>
#include <limits>

namespace evenkeel {
namespace {

constexpr double kSeluDepth = 1.7580993408473766;  // scale * alpha of SELU

/// Which elements share what is drawn, and what becomes of those that are dropped.
struct Dropping {
  std::string_view op;
  int first_shared = std::numeric_limits<int>::max();  ///< dims from this one on do
  bool to_depth = false;                               ///< SELU's lowest value, not 0
};

/// y = a x m + b (m - 1 + p), dx = a dy m with a mask m of 1 (probability 1 - p) and 0. To 0: a = 1 / (1 - p), b = 0;
/// to -s: b = a s.
Tensor drop(const Dropping& how, const Tensor& x, double p, bool training, Generator& generator) {
  require(p >= 0 && p <= 1, how.op, "p must lie in [0, 1], got ", p);
  if (!training || p == 0) {
    return x;
  }
  Shape mask_shape = x.shape();
  for (int d = how.first_shared; d < x.rank(); ++d) {
    mask_shape[d] = 1;
  }
  const double s = kSeluDepth, kept = how.to_depth ? std::sqrt((1 - p) * (1 + p * s * s)) : 1 - p;
  const double a = p < 1 ? 1 / kept : 0;
  Array mask = random_bernoulli(mask_shape, generator, 1 - p, x.dtype());
  const Array shift =
      how.to_depth ? map<kernels::MulScalar>(map<kernels::AddScalar>(mask, {.a = p - 1}), {.a = a * s}) : Array();
  map_<kernels::MulScalar>(mask, {.a = a});
  Array y = zip<kernels::Multiply>(x.array(), mask);
  if (shift.defined()) {
    zip_<kernels::Add>(y, shift);
  }
  return record({.name = how.op, .inputs = {x, Tensor(std::move(mask))}, .keep = Keep::input(1)}, std::move(y),
                [](const Saved& saved, const Tensor& dy) -> Grads {
                  return {dy * saved.input(1), Tensor()};
                });
}

/// Whole channels with `spatial` dims behind them, with or without a batch in front.
Tensor drop_channels(std::string_view op, int spatial, const Tensor& x, double p, bool training, Generator& generator) {
  check_float(op, x);
  const int rank = x.rank();
  require<ShapeError>(rank == spatial + 1 || rank == spatial + 2, op, "Expected ", spatial + 1, "D or ", spatial + 2,
                      "D input, but received a ", rank, "D input of shape ", x.shape());
  return drop({.op = op, .first_shared = rank - spatial}, x, p, training, generator);
}

/// Whole channels of (N, C, *).
Tensor drop_features(Dropping how, const Tensor& x, double p, bool training, Generator& generator) {
  check_float(how.op, x);
  require<ShapeError>(x.rank() >= 2, how.op, "the input must be of shape (N, C, *), got ", x.shape());
  how.first_shared = 2;
  return drop(how, x, p, training, generator);
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator& generator) {
  check_float("dropout", x);
  return drop({.op = "dropout"}, x, p, training, generator);
}

Tensor dropout1d(const Tensor& x, double p, bool training, Generator& generator) {
  return drop_channels("dropout1d", 1, x, p, training, generator);
}

Tensor dropout2d(const Tensor& x, double p, bool training, Generator& generator) {
  return drop_features({.op = "dropout2d"}, x, p, training, generator);
}

Tensor dropout3d(const Tensor& x, double p, bool training, Generator& generator) {
  return drop_channels("dropout3d", 3, x, p, training, generator);
}

Tensor alpha_dropout(const Tensor& x, double p, bool training, Generator& generator) {
  check_float("alpha_dropout", x);
  return drop({.op = "alpha_dropout", .to_depth = true}, x, p, training, generator);
}

Tensor feature_alpha_dropout(const Tensor& x, double p, bool training, Generator& generator) {
  return drop_features({.op = "feature_alpha_dropout", .to_depth = true}, x, p, training, generator);
}

}  // namespace evenkeel
