#include "evenkeel/autograd/ops/loss_embedding.hpp"

#include "evenkeel/autograd/ops/loss_parts.hpp"

namespace evenkeel {
namespace {

void check_two(std::string_view op, const Tensor& a, const Tensor& b) {
  check_float(op, a);
  check_float(op, b);
  require<DtypeError>(a.dtype() == b.dtype(), op, "both inputs must have one dtype, got ", a.dtype(), " and ",
                      b.dtype());
}

/// Where the target has this value.
Tensor has(const Tensor& target, double value) { return eq(target, constant(value, target)); }

/// cos of the last dim's vectors, each square of a length grown by 1e-12, so that zero vectors have one.
Tensor damped_cosine(const Tensor& a, const Tensor& b) {
  const double eps = 1e-12f;
  return sum(a * b, {-1}) / sqrt((sum(square(a), {-1}) + eps) * (sum(square(b), {-1}) + eps));
}

}  // namespace

Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, const PairwiseDistanceOptions& options) {
  check_two("pairwise_distance", x1, x2);
  require<ShapeError>(x1.rank() > 0 || x2.rank() > 0, "pairwise_distance",
                      "the inputs must have a dim of vectors, got shapes ", x1.shape(), " and ", x2.shape());
  require(options.p >= 1, "pairwise_distance", "p must be at least 1, got ", options.p);
  return norm(x1 - x2 + options.eps, options.p, {-1}, options.keepdim);
}

Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin,
                             Reduction reduction) {
  const std::string_view op = "cosine_embedding_loss";
  check_pair(op, input1, input2, "both inputs");
  check_defined(op, target);
  require<ShapeError>(target.rank() <= 1, op, "0D or 1D target tensor expected, multi-target not supported");
  require<ShapeError>(input1.rank() == target.rank() + 1, op, target.rank(), "D target tensor expects ",
                      target.rank() + 1, "D input tensors, but found inputs with sizes ", input1.shape(), " and ",
                      input2.shape());
  require<ShapeError>(target.rank() == 0 || target.size(0) == input1.size(0), op, "target must have shape [",
                      input1.size(0), "], one number per sample, got ", target.shape());
  const Tensor cosine = damped_cosine(input1, input2), zero = constant(0, cosine);
  const Tensor apart = at_least(cosine - margin, 0);
  return reduced(where(has(target, 1), 1 - cosine, where(has(target, -1), apart, zero)), reduction);
}

Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin, Reduction reduction) {
  check_float("hinge_embedding_loss", input);
  check_defined("hinge_embedding_loss", target);
  const Tensor zero = constant(0, input);
  return reduced(where(has(target, 1), zero, at_least(margin - input, 0)) + where(has(target, -1), zero, input),
                 reduction);
}

Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin,
                           Reduction reduction) {
  const std::string_view op = "margin_ranking_loss";
  check_two(op, input1, input2);
  check_defined(op, target);
  require<ShapeError>(input1.rank() == input2.rank() && input1.rank() == target.rank(), op,
                      "All input tensors should have same dimension but got sizes: input1: ", input1.shape(),
                      ", input2: ", input2.shape(), ", target: ", target.shape());
  const Tensor side = target.detach().to(input1.dtype());
  return reduced(at_least(side * (input2 - input1) + margin, 0), reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginOptions& options) {
  const std::string_view op = "triplet_margin_loss";
  check_two(op, anchor, positive);
  check_two(op, anchor, negative);
  require<ShapeError>(anchor.rank() == positive.rank() && anchor.rank() == negative.rank(), op,
                      "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
                      "but got: anchor ",
                      anchor.rank(), "D, positive ", positive.rank(), "D, and negative ", negative.rank(), "D inputs");
  require(options.margin > 0, op, "margin must be greater than 0, got ", options.margin);
  const PairwiseDistanceOptions distance{.p = options.p, .eps = options.eps};
  Tensor far = pairwise_distance(anchor, negative, distance);
  if (options.swap) {
    far = minimum(far, pairwise_distance(positive, negative, distance));
  }
  return reduced(at_least(pairwise_distance(anchor, positive, distance) - far + options.margin, 0), options.reduction);
}

}  // namespace evenkeel
