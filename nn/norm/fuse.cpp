#include "evenkeel/nn/norm/fuse.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/scoped_hooks.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::nn {
namespace {

Array in_float64(const Tensor& x) { return x.array().to(DType::float64).contiguous(); }

/// y = x scale + shift per channel: a norm in eval.
struct ScaleAndShift {
  std::vector<double> scale, shift;
};

template <class Norm>
ScaleAndShift scale_and_shift(const Norm& norm) {
  const NoGradGuard no_grad;
  const detail::ParameterScope parameters(norm);
  const std::vector<double> mean = in_float64(norm.running_mean).template to_vector<double>();
  const std::vector<double> var = in_float64(norm.running_var).template to_vector<double>();
  ScaleAndShift result{std::vector<double>(mean.size(), 1), std::vector<double>(mean.size(), 0)};
  if (norm.weight.defined()) {
    result = {in_float64(norm.weight).template to_vector<double>(), in_float64(norm.bias).template to_vector<double>()};
  }
  for (std::size_t c = 0; c < mean.size(); ++c) {
    result.scale[c] /= std::sqrt(var[c] + norm.options.eps);
    result.shift[c] -= mean[c] * result.scale[c];
  }
  return result;
}

/// Nothing if `layer` is none that can be folded, as it stands.
std::optional<ScaleAndShift> folded(const Module& layer) {
  if (const auto* frozen = dynamic_cast<const FrozenBatchNorm*>(&layer)) {
    return scale_and_shift(*frozen);
  }
  const auto* norm = dynamic_cast<const BatchNormBase*>(&layer);
  return norm != nullptr && !norm->training() && norm->running_mean.defined() ? std::optional(scale_and_shift(*norm))
                                                                              : std::nullopt;
}

/// A layer of the same kind with a bias, and where its weight has the output channels: [slice][outer][group][inner].
struct Blank {
  std::unique_ptr<WeightedLayer> layer;
  GroupView channels;
};

template <class Conv>
Blank blank_conv(const Conv& conv, const GroupView& channels) {
  auto options = conv.options;
  options.bias = true;
  Generator unused(0);
  return {std::make_unique<Conv>(conv.in_channels, conv.out_channels, unused, options), channels};
}

template <int D>
std::optional<Blank> blank_over(const WeightedLayer& layer) {
  if (const auto* conv = dynamic_cast<const Conv<D>*>(&layer)) {
    const std::int64_t inputs = conv->in_channels / conv->options.groups;
    return blank_conv(*conv, {1, 1, conv->out_channels, inputs * product_of(conv->options.kernel_size)});
  }
  if (const auto* conv = dynamic_cast<const ConvTranspose<D>*>(&layer)) {
    const std::int64_t groups = conv->options.groups;
    return blank_conv(*conv, {groups, conv->in_channels / groups, conv->out_channels / groups,
                              product_of(conv->options.kernel_size)});
  }
  return std::nullopt;
}

std::optional<Blank> blank(const WeightedLayer& layer) {
  if (const auto* linear = dynamic_cast<const Linear*>(&layer)) {
    Generator unused(0);
    return Blank{std::make_unique<Linear>(linear->in_features, linear->out_features, unused),
                 {1, 1, linear->out_features, linear->in_features}};
  }
  std::optional<Blank> conv = blank_over<2>(layer);
  conv = conv ? std::move(conv) : blank_over<1>(layer);
  return conv ? std::move(conv) : blank_over<3>(layer);
}

std::unique_ptr<Layer> fused(WeightedLayer& layer, Blank blank, const ScaleAndShift& norm) {
  const NoGradGuard no_grad;
  const detail::ParameterScope parameters(layer);
  const Tensor effective = layer.effective_weight();
  const GroupView& view = blank.channels;
  Array weight = in_float64(effective).clone();
  double* w = weight.mutable_data<double>();
  std::int64_t i = 0;
  for (std::int64_t slice = 0; slice < view.slices; ++slice) {
    for (std::int64_t outer = 0; outer < view.outer; ++outer) {
      for (std::int64_t channel = slice * view.groups; channel < (slice + 1) * view.groups; ++channel) {
        for (const std::int64_t end = i + view.inner; i < end; ++i) {
          w[i] *= norm.scale[static_cast<std::size_t>(channel)];
        }
      }
    }
  }
  std::vector<double> bias = norm.shift;
  if (layer.bias.defined()) {
    const std::vector<double> before = in_float64(layer.bias).to_vector<double>();
    for (std::size_t c = 0; c < bias.size(); ++c) {
      bias[c] += before[c] * norm.scale[c];
    }
  }
  blank.layer->to(effective.dtype());
  blank.layer->weight.mutable_array().copy_(weight);
  blank.layer->bias.mutable_array().copy_(Array::from(bias, {view.statistics()}));
  return std::move(blank.layer);
}

struct Call {
  Slot* slot;
  std::string name;
  std::vector<Tensor> inputs, outputs;

  bool takes(const Tensor& x) const {
    return std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& input) { return input.is(x); });
  }
};

/// The calls of everything below `model` that a forward of `example` makes, apart from containers.
std::vector<Call> trace(Layer& model, const Tensor& example, Tensor& y) {
  std::vector<Call> calls;
  ScopedHooks hooks;
  const std::function<void(Module&, const std::string&)> listen = [&](Module& parent, const std::string& prefix) {
    for (Slot* slot : parent.children()) {
      Module& layer = **slot;
      const std::string name = prefix + slot->name();
      const std::vector<Slot*> parts = layer.children();
      if (std::all_of(parts.begin(), parts.end(), [](const Slot* s) { return s->name() == "parametrizations"; })) {
        hooks.add(layer, [&calls, slot, name](const Module&, const auto& in, const auto& out) {
          calls.push_back({slot, name, in, out});
        });
      } else {
        listen(layer, name + ".");
      }
    }
  };
  listen(model, "");
  y = no_grad([&] { return model(example); });
  return calls;
}

/// A layer and the norm behind it.
struct Pair {
  const Call* layer;
  const Call* norm;
};

std::vector<Pair> find_pairs(const std::vector<Call>& calls) {
  const auto times = [&](const auto& matches) { return std::count_if(calls.begin(), calls.end(), matches); };
  std::vector<Pair> pairs;
  for (const Call& norm : calls) {
    if (!folded(**norm.slot)) {
      continue;
    }
    const Tensor& between = norm.inputs[0];
    const auto front = std::find_if(calls.begin(), calls.end(), [&](const Call& c) {
      return dynamic_cast<WeightedLayer*>(&**c.slot) != nullptr && c.outputs[0].is(between);
    });
    if (front == calls.end()) {
      continue;
    }
    const int rank = Child<WeightedLayer>(*front->slot)->effective_weight().rank();  // with channels at dim 1
    const bool once = times([&](const Call& c) { return c.slot == norm.slot || c.slot == front->slot; }) == 2;
    const bool alone = times([&](const Call& c) { return c.takes(between); }) == 1;
    if (once && alone && between.rank() == rank) {
      pairs.push_back({&*front, &norm});
    }
  }
  return pairs;
}

bool same_up_to_rounding(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) {
    return false;
  }
  const double tolerance = a.dtype() == DType::float64 ? 1e-9 : 1e-3;
  const std::vector<double> as = in_float64(a).to_vector<double>();
  const std::vector<double> bs = in_float64(b).to_vector<double>();
  double scale = 1;
  for (const double value : as) {
    scale = std::max(scale, std::abs(value));
  }
  for (std::size_t i = 0; i < as.size(); ++i) {
    if (!(std::abs(as[i] - bs[i]) <= tolerance * scale)) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::unique_ptr<Layer> fused_conv_bn(WeightedLayer& layer, Layer& norm) {
  const std::optional<ScaleAndShift> values = folded(norm);
  const bool training = dynamic_cast<BatchNormBase*>(&norm) != nullptr && norm.training();
  require(values.has_value(), "fused_conv_bn", "a ", norm.type_name(), training ? " in training mode" : "",
          " was given, expected a FrozenBatchNorm, or a BatchNorm in eval with running statistics");
  std::optional<Blank> target = blank(layer);
  require(target.has_value(), "fused_conv_bn", "a ", layer.type_name(),
          " was given, expected a Conv2d, ConvTranspose2d or Linear");
  require<ShapeError>(target->channels.statistics() == std::ssize(values->scale), "fused_conv_bn", layer.type_name(),
                      " has ", target->channels.statistics(), " output channels, ", norm.type_name(), " ",
                      values->scale.size());
  return fused(layer, std::move(*target), *values);
}

Conversions fuse_conv_bn(Layer& model, const Tensor& example) {
  require<StateError>(!model.training(), "fuse_conv_bn",
                      "the model is in training mode; fusing is for inference: call eval()");
  Tensor before;
  const std::vector<Call> calls = trace(model, example, before);
  Conversions done;
  std::vector<std::pair<Slot*, std::unique_ptr<Module>>> other;  // the new layers, after an exchange the old ones
  const auto place = [&](Slot* slot, const std::string& name, std::unique_ptr<Layer> now) {
    now->eval();
    done.push_back({name, (*slot)->type_name(), now->type_name()});
    other.emplace_back(slot, std::move(now));
  };
  for (const auto& [layer, norm] : find_pairs(calls)) {
    place(layer->slot, layer->name, fused_conv_bn(*Child<WeightedLayer>(*layer->slot), *Child<Layer>(*norm->slot)));
    place(norm->slot, norm->name, std::make_unique<Identity>());
  }
  const auto exchange = [&] {
    for (auto& [slot, layer] : other) {
      layer = slot->replace(std::move(layer));
    }
  };
  const std::vector<Tensor> parameters = model.parameters();
  exchange();
  const Tensor after = no_grad([&] { return model(example); });
  if (!same_up_to_rounding(before, after)) {
    exchange();
    fail<StateError>("fuse_conv_bn",
                     "the model's output changed, so a forward uses what stands in front of a norm elsewhere, too; "
                     "nothing was fused. Fuse pair by pair with fused_conv_bn");
  }
  detail::compare_parameters(done, parameters, model.parameters());
  return done;
}

}  // namespace evenkeel::nn
