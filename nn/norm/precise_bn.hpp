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

/// The running statistics as torch.optim.swa_utils.update_bn leaves them, for weights that never saw a batch (averages
/// of weights): those of a new layer that has seen the given batches in training mode, with momentum = nullopt:
///   running_mean = E[mu_i];  running_var = E[v_i n_i / (n_i - 1)];  num_batches_tracked = the number of batches
/// where every batch counts the same. All layers are in training mode meanwhile, dropout too; everything else is as for
/// update_bn_stats(), which takes the spread of the means and the sizes of batches into account.
std::size_t update_bn(const std::function<std::optional<Tensor>()>& next, Layer& model);
/// The same for a range of tensors, or of batches with images: update_bn(loader.epoch(0), model).
template <class Batches>
requires requires(Batches& batches) { batches.begin(); }
std::size_t update_bn(Batches&& batches, Layer& model) {
  auto batch = batches.begin();
  bool first = true;
  const auto next = [&]() -> std::optional<Tensor> {
    if (!first) {
      ++batch;
    }
    first = false;
    if (batch == batches.end()) {
      return std::nullopt;
    }
    if constexpr (requires { (*batch).images; }) {
      return (*batch).images;
    } else {
      return *batch;
    }
  };
  return update_bn(std::function<std::optional<Tensor>()>(next), model);
}

}  // namespace evenkeel::nn
