#include "evenkeel/nn/norm/precise_bn.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <algorithm>
#include <memory>

namespace evenkeel::nn {
namespace {

/// What the statistics of many batches are: those of all values together, or the mean of the batches' own.
enum class Pooling : std::uint8_t { values, batches };

/// Gathers the statistics of one layer's inputs while it lives.
class Gatherer {
 public:
  Gatherer(BatchNormBase& layer, Pooling pooling)
      : layer_(layer), pooling_(pooling), means_(channels()), squares_(channels()), before_{clones(layer)} {
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
    if (pooling_ == Pooling::values) {
      for (double& square : squares_) {
        square /= std::max(count_ - 1, 1.0);
      }
    } else {
      before_.count = Array::scalar(static_cast<std::int64_t>(count_));
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

  void take(const Tensor& x) {
    const GroupView view{1, x.size(0), layer_.num_features, spatial_size(x.shape())};
    if (view.count() == 0) {
      return;
    }
    const Moments batch = moments(x, view);
    const auto n = static_cast<double>(view.count());
    pooling_ == Pooling::values ? join(batch, n) : average(batch, n);
  }

  /// Joins the sums of squares around the means.
  void join(const Moments& batch, double n) {
    const double total = count_ + n;
    for (std::size_t c = 0; c < means_.size(); ++c) {
      const double off = batch.mean.span<double>()[c] - means_[c];
      squares_[c] += n * batch.var.span<double>()[c] + off * off * count_ * n / total;
      means_[c] += off * n / total;
    }
    count_ = total;
  }

  void average(const Moments& batch, double n) {
    ++count_;
    for (std::size_t c = 0; c < means_.size(); ++c) {
      means_[c] += (batch.mean.span<double>()[c] - means_[c]) / count_;
      squares_[c] += (batch.var.span<double>()[c] * n / (n - 1) - squares_[c]) / count_;
    }
  }

  BatchNormBase& layer_;
  const Pooling pooling_;
  std::vector<double> means_, squares_;
  double count_ = 0;  ///< values per channel, or batches
  Statistics before_;
  std::size_t hook_ = 0;
};

/// Runs the batches; all modes are those of before afterwards.
std::size_t update(std::string_view op, Layer& model, Pooling pooling,
                   const std::function<std::optional<Tensor>()>& next) {
  const EvalGuard modes(model);
  const NoGradGuard no_grad;
  if (pooling == Pooling::batches) {
    model.train();
  }
  std::vector<std::unique_ptr<Gatherer>> gatherers;
  for (const auto& [name, module] : model.named_modules()) {
    auto* layer = dynamic_cast<BatchNormBase*>(module);
    if (layer != nullptr && layer->running_mean.defined() && !layer->statistics_frozen()) {
      gatherers.push_back(std::make_unique<Gatherer>(*layer, pooling));
    }
  }
  bool any = false;
  for (std::optional<Tensor> batch = next(); batch; batch = next()) {
    model(*batch);
    any = true;
  }
  require(any, op, "no batch was given to take statistics of");
  std::size_t changed = 0;
  for (const auto& gatherer : gatherers) {
    changed += gatherer->keep() ? 1 : 0;
  }
  return changed;
}

}  // namespace

std::size_t update_bn_stats(Layer& model, const std::function<std::optional<Tensor>()>& next) {
  return update("update_bn_stats", model, Pooling::values, next);
}

std::size_t update_bn(const std::function<std::optional<Tensor>()>& next, Layer& model) {
  return update("update_bn", model, Pooling::batches, next);
}

std::size_t update_bn_stats(Layer& model, const std::vector<Tensor>& batches) {
  return update_bn_stats(model, [batch = batches.begin(), end = batches.end()]() mutable -> std::optional<Tensor> {
    return batch == end ? std::nullopt : std::optional<Tensor>(*batch++);
  });
}

}  // namespace evenkeel::nn
