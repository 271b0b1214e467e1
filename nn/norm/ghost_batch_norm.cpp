#include "evenkeel/nn/norm/ghost_batch_norm.hpp"

#include "evenkeel/autograd/ops/shape.hpp"

#include <algorithm>

namespace evenkeel::nn {

GhostBatchNorm::GhostBatchNorm(std::int64_t num_features, const Options& options)
    : BatchNormBase("GhostBatchNorm", kAnyRank, num_features,
                    {.eps = options.eps,
                     .momentum = options.momentum,
                     .affine = options.affine,
                     .track_running_stats = options.track_running_stats}),
      virtual_batch_size(options.virtual_batch_size) {
  require(virtual_batch_size > 0, "GhostBatchNorm", "virtual_batch_size must be positive, got ", virtual_batch_size);
}

std::string GhostBatchNorm::extra_repr() const {
  return concat(BatchNormBase::extra_repr(), ", virtual_batch_size=", virtual_batch_size);
}

Tensor GhostBatchNorm::normalize_batch(const Tensor& x, const FusedActivation& activation) {
  const std::int64_t n = x.size(0);
  const std::int64_t rest = n % virtual_batch_size;
  const auto inner = static_cast<double>(spatial_size(x.shape()));
  if (n > 1 && virtual_batch_size == 1 && inner == 1) {
    fail<ShapeError>(type_name(), "Expected more than 1 value per channel when training, got input size ", x.shape(),
                     " and virtual_batch_size 1; take a larger virtual_batch_size, such as ", n);
  }
  check_count(inner * static_cast<double>(std::min(n, virtual_batch_size)), x);
  if (rest > 0 && rest < n && static_cast<double>(rest) * inner == 1) {
    fail<ShapeError>(type_name(), "Expected more than 1 value per channel when training: of input size ", x.shape(),
                     " the last ghost batch (virtual_batch_size ", virtual_batch_size, ") is a single sample; take ",
                     "another virtual_batch_size, such as ", n, ", or let the DataLoader drop a last batch that does ",
                     "not fit (LastBatch::drop)");
  }
  if (rest == 0 || rest == n) {
    return normalize_ghosts(x, std::min(n, virtual_batch_size), activation);
  }
  const Tensor whole = normalize_ghosts(slice(x, 0, 0, n - rest), virtual_batch_size, activation);
  return cat({whole, normalize_ghosts(slice(x, 0, n - rest, n), rest, activation)});
}

/// `size` divides the batch, or both are 0.
Tensor GhostBatchNorm::normalize_ghosts(const Tensor& x, std::int64_t size, const FusedActivation& activation) {
  const std::int64_t inner = spatial_size(x.shape());
  const GroupView view{size > 0 ? x.size(0) / size : 0, size, num_features, inner};
  const Normalized result =
      normalize_groups(x, weight, bias, view, {num_features, inner}, {.eps = options.eps}, activation);
  for (std::int64_t i = 0; i < view.slices; ++i) {
    const std::int64_t first = i * num_features;
    track(result.mean.slice(0, first, first + num_features), result.var.slice(0, first, first + num_features),
          static_cast<double>(view.count()));
  }
  return result.y;
}

}  // namespace evenkeel::nn
