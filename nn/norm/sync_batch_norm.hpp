#pragma once

#include "evenkeel/core/communicator.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"

#include <memory>

namespace evenkeel::nn {

/// BatchNorm whose training statistics are those of all ranks' batches together; see BatchNormBase.
///   x, y: (N, C, *), this rank's part; N and * may differ between ranks, and N may be 0
/// mean and variance are pooled over all elements, so several ranks compute what one computes on the whole batch, and
/// running_mean, running_var (unbiased by the common count) get the same bits everywhere. dx takes all ranks' gradients
/// into account; the gradients of weight and bias are this rank's part, summed up like all other parameters' by
/// whoever trains on several ranks. With one rank, and in eval, it is BatchNorm; second derivatives only there.
/// Every rank must call forward and backward, or the others fail with CommunicationError.
/// Throws as BatchNorm; one value per channel is refused if the ranks have no more together.
class SyncBatchNorm : public BatchNormBase {
 public:
  using Options = BatchNormOptions;
  explicit SyncBatchNorm(std::int64_t num_features, Options options = {},
                         std::shared_ptr<Communicator> communicator = local_communicator());
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<SyncBatchNorm>(num_features, options, communicator);
  }

  const std::shared_ptr<Communicator> communicator;

 protected:
  Tensor normalize_batch(const Tensor& x, const FusedActivation& activation) override;
};

}  // namespace evenkeel::nn
