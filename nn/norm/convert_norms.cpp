#include "evenkeel/nn/norm/convert_norms.hpp"

#include "evenkeel/nn/norm/act_norm.hpp"
#include "evenkeel/nn/norm/batch_channel_norm.hpp"
#include "evenkeel/nn/norm/batch_group_norm.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/dynamic_tanh.hpp"
#include "evenkeel/nn/norm/evo_norm.hpp"
#include "evenkeel/nn/norm/filter_response_norm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/global_response_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/ibn.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/iter_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/layer_scale.hpp"
#include "evenkeel/nn/norm/power_norm.hpp"
#include "evenkeel/nn/norm/rms_norm.hpp"
#include "evenkeel/nn/summary.hpp"

#include <algorithm>
#include <map>

namespace evenkeel::nn {
namespace {

template <class... Norms>
bool is_any(const Layer& layer) {
  return ((dynamic_cast<const Norms*>(&layer) != nullptr) || ...);
}

/// NormOptions::spatial_dims of what a norm takes.
int dims_of(const Layer& layer) {
  return is_any<BatchNorm1d, BatchRenorm1d, FrozenBatchNorm1d>(layer)    ? 0
         : is_any<InstanceNorm1d>(layer)                                 ? 1
         : is_any<BatchNorm3d, FrozenBatchNorm3d, InstanceNorm3d>(layer) ? 3
                                                                         : 2;
}

/// What only some norms have, so that one that stays of its kind keeps it.
void add_own_options(const Layer& layer, NormOptions& options) {
  if (const auto* ghost = dynamic_cast<const GhostBatchNorm*>(&layer)) {
    options.virtual_batch_size = ghost->virtual_batch_size;
  }
  if (const auto* renorm = dynamic_cast<const BatchRenormBase*>(&layer)) {
    options.rmax = renorm->renorm.rmax;
    options.dmax = renorm->renorm.dmax;
    options.warmup_steps = renorm->renorm.warmup_steps;
    options.hold_steps = renorm->renorm.hold_steps;
    options.rmax_steps = renorm->renorm.rmax_steps;
    options.dmax_steps = renorm->renorm.dmax_steps;
  }
}

/// What a `Norm` says of itself; nothing if the layer is none.
template <class Norm>
std::optional<FoundNorm> found_as(const std::string& path, const Layer& layer) {
  const auto* norm = dynamic_cast<const Norm*>(&layer);
  if (norm == nullptr) {
    return std::nullopt;
  }
  FoundNorm found{.path = path, .layer = layer};
  if constexpr (requires { norm->num_features; }) {
    found.channels = norm->num_features;
  } else {
    found.channels = norm->num_channels;
  }
  if constexpr (requires { found.options.eps = norm->options.eps; }) {
    found.options.eps = norm->options.eps;
  }
  if constexpr (requires { found.options.momentum = norm->options.momentum; }) {
    found.options.momentum = norm->options.momentum;
  }
  if constexpr (requires { norm->num_groups; }) {
    found.options.num_groups = norm->num_groups;
  }
  if constexpr (requires { norm->options.track_running_stats; }) {
    constexpr bool usual = std::is_same_v<Norm, BatchNormBase>;  // of the others, InstanceNorm's
    if (norm->options.track_running_stats != usual) {
      found.options.track_running_stats = !usual;
    }
  }
  add_own_options(layer, found.options);
  if constexpr (requires { norm->weight; }) {
    found.options.affine = norm->weight.defined();
  }
  found.options.spatial_dims = dims_of(layer);
  return found;
}

/// What the first of these that the layer is says of it.
template <class Norm, class... Others>
std::optional<FoundNorm> first_of(const std::string& path, const Layer& layer) {
  std::optional<FoundNorm> found = found_as<Norm>(path, layer);
  if constexpr (sizeof...(Others) > 0) {
    return found ? found : first_of<Others...>(path, layer);
  } else {
    return found;
  }
}

/// The layer as a norm; nothing if it is none that normalizes a number of channels.
std::optional<FoundNorm> find_norm(const std::string& path, const Layer& layer) {
  return first_of<BatchNormBase, BatchGroupNorm, NormBase<FusibleNorm>, NormBase<Layer>, FrozenBatchNorm, GroupNorm,
                  BatchChannelNorm, LayerNorm2d, RMSNorm2d, FilterResponseNorm, GlobalResponseNorm, DynamicNormBase,
                  LayerScale, EvoNormSBase, EvoNormBBase, PowerNorm, IBN, IterNorm, ActNorm>(path, layer);
}

using Named = std::map<std::string, Tensor>;

Named by_name(const std::vector<std::pair<std::string, Tensor>>& entries) { return {entries.begin(), entries.end()}; }

/// What a layer's parameters and buffers are, by name.
struct State {
  explicit State(const Layer& layer)
      : parameters(by_name(layer.named_parameters())), buffers(by_name(layer.named_buffers())) {}

  /// The parameter or buffer of that name, or an undefined tensor.
  Tensor find(const std::string& name) const {
    const auto parameter = parameters.find(name);
    const auto buffer = buffers.find(name);
    return parameter != parameters.end() ? parameter->second : buffer != buffers.end() ? buffer->second : Tensor();
  }
  /// Of its numbers; `otherwise` if it has none.
  DType dtype(DType otherwise) const {
    for (const Named& part : {parameters, buffers}) {
      for (const auto& [name, value] : part) {
        if (is_floating(value.dtype())) {
          return value.dtype();
        }
      }
    }
    return otherwise;
  }

  Named parameters, buffers;
};

/// Why the old state has no place in the new norm; "" if it has.
std::string misfit(const State& old, const Layer& now, AffineValues affine) {
  const State next(now);
  if (is_any<FrozenBatchNorm>(now) && !old.find("running_mean").defined()) {
    return "it has no running statistics to freeze";
  }
  if (affine == AffineValues::reset) {
    return "";
  }
  Named values = old.parameters;
  for (const char* name : {"weight", "bias"}) {  // buffers, where they are frozen
    if (const auto buffer = old.buffers.find(name); buffer != old.buffers.end()) {
      values.insert(*buffer);
    }
  }
  for (const auto& [name, value] : values) {
    const Tensor place = next.find(name);
    if (!place.defined()) {
      return concat("a ", now.type_name(), " has no ", name, " to take its own");
    }
    if (place.shape() != value.shape()) {
      return concat("its ", name, " has shape ", value.shape(), ", a ", now.type_name(), "'s ", place.shape());
    }
  }
  return !values.empty() && is_any<ActNorm>(now) ? "an ActNorm draws its weight and bias from its first batch" : "";
}

/// The old state where the new norm has it; both fit.
void carry_over(const State& old, Layer& now, AffineValues affine, DType model_dtype) {
  now.to(old.dtype(model_dtype));
  for (const auto& [name, value] : now.named_parameters()) {
    const auto parameter = old.parameters.find(name);
    const auto buffer = old.buffers.find(name);
    Tensor& place = now.get_parameter(name);
    if (parameter != old.parameters.end() && affine == AffineValues::keep) {
      place = parameter->second;
    } else if (parameter != old.parameters.end()) {
      place.requires_grad_(parameter->second.requires_grad());
    } else if (buffer != old.buffers.end() && affine == AffineValues::keep) {
      place.mutable_array().copy_(buffer->second.array());
    }
  }
  for (const auto& [name, value] : now.named_buffers()) {
    const Tensor from = old.find(name);
    const bool of_affine = name == "weight" || name == "bias";
    if (from.defined() && from.shape() == value.shape() && !(of_affine && affine == AffineValues::reset)) {
      now.get_buffer(name).mutable_array().copy_(from.array());
    }
  }
}

/// A list of names for a note: how many there are, and the first.
struct Places {
  std::int64_t count = 0;
  std::string first;

  void add(const std::string& path) { first = count++ == 0 ? (path.empty() ? "the model" : path) : first; }
};

/// What convert_norms gathers while it makes new norms.
class Converter {
 public:
  Converter(const NormRule& rule, DType dtype) : rule_(rule), dtype_(dtype) {}

  /// The norm that takes the layer's place, or null.
  std::unique_ptr<Layer> operator()(const std::string& path, const Layer& layer) {
    const bool inside = whole_ && path.starts_with(*whole_);
    const std::optional<FoundNorm> found = inside ? std::nullopt : find_norm(path, layer);
    if (!found) {
      return nullptr;
    }
    std::optional<NormTarget> target = rule_(*found);
    if (!target) {
      kept_.push_back({path, layer.type_name(), "the rule leaves it"});
      return nullptr;
    }
    if (layer.parametrized()) {
      return stays(*found, "its parameters are parametrized; remove_parametrizations first");
    }
    const bool by_name = target->layer == nullptr;
    std::unique_ptr<Layer> now = by_name ? make(*found, *target) : std::move(target->layer);
    if (now == nullptr) {
      return nullptr;
    }
    if (by_name && target->affine == AffineValues::keep && concat(*now) == concat(layer)) {
      return stays(*found, "it is one already");
    }
    const State old(layer);
    if (std::string why = misfit(old, *now, target->affine); !why.empty()) {
      return stays(*found, std::move(why));
    }
    carry_over(old, *now, target->affine, dtype_);
    note(*found, old, *now, by_name && norm_activates(target->name));
    return now;
  }

  /// Adds what is to be known of `done`.
  void finish(Conversions& done) {
    done.kept = std::move(kept_);
    const auto say = [&](const Places& places, const auto&... text) {
      if (places.count > 0) {
        done.notes.push_back(concat(text..., places.first));
      }
    };
    if (single_.count > 0) {
      done.notes.push_back(
          concat(single_.count, " of ", groups_.count, " GroupNorms have one channel per group, as InstanceNorm"));
    }
    say(unseen_, "the statistics of ", unseen_.count, " of ", frozen_.count,
        " layers never saw a batch (num_batches_tracked 0), the first: ");
    say(anew_, "the running statistics of ", anew_.count, " of ", done.size(),
        " norms start anew: train before eval(); the first: ");
    say(active_, "the activation is part of ", active_.count, " of ", done.size(),
        " norms, what stands behind them stays; the first: ");
  }

 private:
  /// The norm that the rule wanted to be another stays, as a whole.
  std::unique_ptr<Layer> stays(const FoundNorm& found, std::string why) {
    kept_.push_back({found.path, found.layer.type_name(), std::move(why)});
    whole_ = found.path.empty() ? "" : found.path + ".";
    return nullptr;
  }

  /// The norm of the target's name and options; null, noting why, if there is none of these dims.
  std::unique_ptr<Layer> make(const FoundNorm& found, const NormTarget& target) {
    const NormOptions options = target.options.value_or(found.options);
    for (const NormEntry& entry : norms()) {
      const bool takes =
          options.spatial_dims >= entry.min_spatial_dims && options.spatial_dims <= entry.max_spatial_dims;
      if (entry.name == target.name && !takes) {
        return stays(found, concat("'", target.name, "' takes no input of ", options.spatial_dims,
                                   " spatial dims after (N, C)"));
      }
    }
    return make_norm(target.name, found.channels, options);
  }

  void note(const FoundNorm& found, const State& old, Layer& now, bool activates) {
    const auto* before = dynamic_cast<const BatchNormBase*>(&found.layer);
    if (auto* after = dynamic_cast<BatchNormBase*>(&now); after != nullptr && before != nullptr) {
      if (before->statistics_frozen() && after->running_mean.defined()) {
        after->freeze_statistics();
      }
    }
    if (is_any<GroupNorm>(now)) {
      groups_.add(found.path);
      if (!now.remark().empty()) {
        single_.add(found.path);
      }
    }
    if (is_any<FrozenBatchNorm>(now)) {
      frozen_.add(found.path);
      if (before != nullptr && before->has_new_statistics()) {
        unseen_.add(found.path);
      }
    }
    const Tensor running = State(now).find("running_var");
    const Tensor known = old.find("running_var");
    if (running.defined() && (!known.defined() || known.shape() != running.shape())) {
      anew_.add(found.path);
    }
    if (activates) {
      active_.add(found.path);
    }
  }

  const NormRule& rule_;
  const DType dtype_;                 ///< of the model, for norms that have no numbers of their own
  std::optional<std::string> whole_;  ///< how the names of its parts begin
  std::vector<KeptNorm> kept_;
  Places groups_, single_, frozen_, unseen_, anew_, active_;
};

}  // namespace

Conversions detail::convert_norms(const char* op, const ConversionRoot& model, const NormRule& rule) {
  Converter converter(rule, parameter_dtype(model.module()));
  Conversions done =
      replace_layers(op, model, [&](const std::string& path, const Layer& layer) { return converter(path, layer); });
  converter.finish(done);
  return done;
}

Conversions convert_norms(ConversionRoot model, const NormRule& rule) {
  require(static_cast<bool>(rule), "convert_norms", "the rule is an empty function");
  return detail::convert_norms("convert_norms", model, rule);
}

}  // namespace evenkeel::nn
