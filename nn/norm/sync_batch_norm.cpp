#include "nn/norm/sync_batch_norm.hpp"

#include "nn/norm/norm_common.hpp"

namespace evenkeel::nn {

SyncBatchNorm::SyncBatchNorm(std::int64_t features, BatchNormOptions opts, std::shared_ptr<Communicator> ranks)
    : BatchNormBase("SyncBatchNorm", features, opts), communicator(std::move(ranks)) {
  require(communicator != nullptr, "SyncBatchNorm", "the communicator is null");
}

Tensor SyncBatchNorm::normalize_batch(const Tensor& x) {
  if (!training() || communicator->size() == 1) {
    return BatchNormBase::normalize_batch(x);
  }
  const AffineView affine{num_features, spatial_size(x.shape())};
  SyncNormalized result = sync_normalize(x, weight, bias, affine, options.eps, communicator);
  check_count(result.count, x);  // the same on every rank
  track(result.mean, result.var, result.count);
  return result.y;
}

}  // namespace evenkeel::nn
