#include "evenkeel/nn/norm/sync_batch_norm.hpp"

#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

namespace evenkeel::nn {

SyncBatchNorm::SyncBatchNorm(std::int64_t features, BatchNormOptions opts, std::shared_ptr<Communicator> ranks)
    : BatchNormBase("SyncBatchNorm", features, opts), communicator(std::move(ranks)) {
  require(communicator != nullptr, "SyncBatchNorm", "the communicator is null");
}

Tensor SyncBatchNorm::normalize_batch(const Tensor& x, const FusedActivation& activation) {
  if (!training() || communicator->size() == 1) {
    return BatchNormBase::normalize_batch(x, activation);
  }
  const AffineView affine{num_features, spatial_size(x.shape())};
  SyncNormalized result = sync_normalize(x, weight, bias, affine, options.eps, communicator);
  check_count(result.count, x);  // the same on every rank
  track(result.mean, result.var, result.count);
  return activate(result.y, activation);
}

}  // namespace evenkeel::nn
