#include "evenkeel/nn/norm/precise_bn.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <algorithm>
#include <memory>

namespace evenkeel::nn {
namespace {

/// Gathers the statistics of one layer's inputs while it lives.
class Gatherer {
 public:
  explicit Gatherer(BatchNormBase& layer)
      : layer_(layer), means_(channels()), squares_(channels()), before_{clones(layer)} {
    layer.train();
    hook_ = layer.register_forward_hook([this](const Module&, const auto& inputs, const auto&) { take(inputs[0]); });
  }
  ~Gatherer() {
    layer_.remove_forward_hook(hook_);
    layer_.running_mean.mutable_array().copy_(before_.mean);
    layer_.running_var.mutable_array().copy_(before_.var);
    layer_.num_batches_tracked.mutable_array().copy_(before_.count);
  }
  Gatherer(const Gatherer&) = delete;
  Gatherer& operator=(const Gatherer&) = delete;

  /// From now on the gathered statistics are the ones that the end leaves; false if there are none.
  bool keep() {
    if (count_ == 0) {
      return false;
    }
    for (double& square : squares_) {
      square /= std::max(count_ - 1, 1.0);
    }
    const DType dtype = layer_.running_mean.dtype();
    before_.mean = Array::from(means_, {layer_.num_features}).to(dtype);
    before_.var = Array::from(squares_, {layer_.num_features}).to(dtype);
    return true;
  }

 private:
  struct Statistics {
    Array mean, var, count;
  };
  static Statistics clones(const BatchNormBase& layer) {
    return {layer.running_mean.array().clone(), layer.running_var.array().clone(),
            layer.num_batches_tracked.array().clone()};
  }
  std::size_t channels() const { return static_cast<std::size_t>(layer_.num_features); }

  /// Joins the sums of squares around the means.
  void take(const Tensor& x) {
    const GroupView view{1, x.size(0), layer_.num_features, spatial_size(x.shape())};
    if (view.count() == 0) {
      return;
    }
    const Moments batch = moments(x, view);
    const auto n = static_cast<double>(view.count());
    const double total = count_ + n;
    for (std::size_t c = 0; c < means_.size(); ++c) {
      const double off = batch.mean.span<double>()[c] - means_[c];
      squares_[c] += n * batch.var.span<double>()[c] + off * off * count_ * n / total;
      means_[c] += off * n / total;
    }
    count_ = total;
  }

  BatchNormBase& layer_;
  std::vector<double> means_, squares_;
  double count_ = 0;
  Statistics before_;
  std::size_t hook_ = 0;
};

}  // namespace

std::size_t update_bn_stats(Layer& model, const std::function<std::optional<Tensor>()>& next) {
  const EvalGuard modes(model);
  const NoGradGuard no_grad;
  std::vector<std::unique_ptr<Gatherer>> gatherers;
  for (const auto& [name, module] : model.named_modules()) {
    auto* layer = dynamic_cast<BatchNormBase*>(module);
    if (layer != nullptr && layer->running_mean.defined() && !layer->statistics_frozen()) {
      gatherers.push_back(std::make_unique<Gatherer>(*layer));
    }
  }
  bool any = false;
  for (std::optional<Tensor> batch = next(); batch; batch = next()) {
    model(*batch);
    any = true;
  }
  require(any, "update_bn_stats", "no batch was given to take statistics of");
  std::size_t changed = 0;
  for (const auto& gatherer : gatherers) {
    changed += gatherer->keep() ? 1 : 0;
  }
  return changed;
}

std::size_t update_bn_stats(Layer& model, const std::vector<Tensor>& batches) {
  return update_bn_stats(model, [batch = batches.begin(), end = batches.end()]() mutable -> std::optional<Tensor> {
    return batch == end ? std::nullopt : std::optional<Tensor>(*batch++);
  });
}

}  // namespace evenkeel::nn
