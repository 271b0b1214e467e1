#pragma once

#include "evenkeel/nn/norm/batch_norm.hpp"

#include <functional>
#include <optional>

namespace evenkeel::nn {

/// Precise BatchNorm: replaces the running statistics of every batch norm in `model`, which lag behind the weights, by
/// those of given batches; call it after training and before eval(). Per layer and channel, over all batches together:
///   running_mean = E[mu_i];  running_var = (E[v_i] + Var[mu_i]) n / (n - 1), n the number of values
/// with batches weighed by their size, where mu_i, v_i are mean and biased variance of the layer's input. One batch
/// gives what a training step with momentum 1 does. The batch norms normalize by the batch meanwhile, all other layers
/// are in eval mode. Modes and num_batches_tracked end as they were; when a forward throws,
/// the statistics too. Frozen and not tracking layers are left alone. A SyncBatchNorm gets this rank's part only.
/// next() gives the batches, then nullopt. Returns the number of layers changed. Throws if there is no batch.
/// Wu & Johnson 2021, arXiv:2105.07576, section 3.
std::size_t update_bn_stats(Layer& model, const std::function<std::optional<Tensor>()>& next);
std::size_t update_bn_stats(Layer& model, const std::vector<Tensor>& batches);

}  // namespace evenkeel::nn
