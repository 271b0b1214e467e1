#include "evenkeel/nn/norm/convert.hpp"

#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"

#include <algorithm>
#include <ostream>
#include <typeinfo>

namespace evenkeel::nn {
namespace {

/// Makes what takes a layer's place; null: it stays.
using Make = std::function<std::unique_ptr<Layer>(const std::string& name, Layer& layer)>;

struct Step {
  Slot* slot;
  std::unique_ptr<Layer> now;
  Conversion what;
};

/// The new layer, in the old one's mode; errors name the place.
std::unique_ptr<Layer> attempt(const std::string& name, Layer& layer, const Make& make) {
  try {
    std::unique_ptr<Layer> now = make(name, layer);
    if (now != nullptr) {
      require<StateError>(!layer.parametrized(), layer.type_name(),
                          "parameters have a parametrization; remove_parametrizations first");
      now->train(layer.training());
    }
    return now;
  } catch (Error& error) {
    error.set_path(name);
    throw;
  }
}

void plan(Module& parent, const std::string& prefix, const Make& make, std::vector<Step>& steps) {
  for (Slot* slot : parent.children()) {
    auto* layer = dynamic_cast<Layer*>(&**slot);
    const std::string name = prefix + slot->name();
    if (std::unique_ptr<Layer> now = layer == nullptr ? nullptr : attempt(name, *layer, make)) {
      Conversion what{name, layer->type_name(), now->type_name()};
      steps.push_back({slot, std::move(now), std::move(what)});
    } else {
      plan(**slot, name + ".", make, steps);
    }
  }
}

/// The layers replaced, without notes.
Conversions replaced(const char* op, const ConversionRoot& root, const Make& make) {
  if (auto* whole = dynamic_cast<Layer*>(&root.module())) {
    if (std::unique_ptr<Layer> now = attempt("", *whole, make)) {
      require(root.replaceable(), op, "the model is itself a ", whole->type_name(),
              ", which can't be replaced through a reference; give the unique_ptr<Layer> or the Slot that owns it");
      Conversions done;
      done.push_back({"", whole->type_name(), now->type_name()});
      root.replace(std::move(now));
      return done;
    }
  }
  std::vector<Step> steps;
  plan(root.module(), "", make, steps);
  Conversions done;
  for (Step& step : steps) {
    step.slot->replace(std::move(step.now));
    done.push_back(std::move(step.what));
  }
  return done;
}

Conversions convert(const char* op, const ConversionRoot& root, const Make& make) {
  const std::vector<Tensor> before = root.module().parameters();
  Conversions done = replaced(op, root, make);
  detail::compare_parameters(done, before, root.module().parameters());
  return done;
}

bool is_1d(const BatchNormBase& norm) {
  return dynamic_cast<const BatchNorm1d*>(&norm) != nullptr || dynamic_cast<const BatchRenorm1d*>(&norm) != nullptr;
}
bool is_2d(const BatchNormBase& norm) {
  return dynamic_cast<const BatchNorm2d*>(&norm) != nullptr || dynamic_cast<const BatchRenorm2d*>(&norm) != nullptr;
}
bool is_3d(const BatchNormBase& norm) { return dynamic_cast<const BatchNorm3d*>(&norm) != nullptr; }

/// Of its values; float32 if it has none.
DType dtype_of(const BatchNormBase& norm) {
  return norm.weight.defined()         ? norm.weight.dtype()
         : norm.running_mean.defined() ? norm.running_mean.dtype()
                                       : DType::float32;
}

Tensor copied(const Tensor& from) { return Tensor(from.array().clone()); }

std::unique_ptr<Layer> to_frozen(const BatchNormBase& norm, AffineValues affine) {
  require<StateError>(norm.running_mean.defined(), norm.type_name(),
                      "has no running statistics to freeze (track_running_stats=False)");
  const FrozenBatchNormOptions options{.eps = norm.options.eps};
  const std::int64_t features = norm.num_features;
  std::unique_ptr<FrozenBatchNorm> now = is_1d(norm)   ? std::make_unique<FrozenBatchNorm1d>(features, options)
                                         : is_2d(norm) ? std::make_unique<FrozenBatchNorm2d>(features, options)
                                         : is_3d(norm) ? std::make_unique<FrozenBatchNorm3d>(features, options)
                                                       : std::make_unique<FrozenBatchNorm>(features, options);
  now->to(dtype_of(norm));
  now->running_mean = copied(norm.running_mean);
  now->running_var = copied(norm.running_var);
  if (norm.weight.defined() && affine == AffineValues::keep) {
    now->weight = copied(norm.weight);
    now->bias = copied(norm.bias);
  }
  return now;
}

std::unique_ptr<Layer> to_group_norm(const BatchNormBase& norm, std::int64_t num_groups, AffineValues affine) {
  const std::int64_t channels = norm.num_features;
  const bool images_only = is_2d(norm) || is_3d(norm);  // the others take (N, C), too
  const std::int64_t groups = most_groups(channels, num_groups, images_only ? 1 : 2);
  const bool keep = affine == AffineValues::keep;
  auto now = std::make_unique<GroupNorm>(
      groups, channels, GroupNormOptions{.eps = norm.options.eps, .affine = !keep || norm.weight.defined()});
  now->to(dtype_of(norm));
  if (keep && norm.weight.defined()) {
    now->weight = norm.weight;
    now->bias = norm.bias;
  }
  return now;
}

std::unique_ptr<Layer> to_sync(const BatchNormBase& norm, const std::shared_ptr<Communicator>& ranks,
                               AffineValues affine) {
  auto now = std::make_unique<SyncBatchNorm>(norm.num_features, norm.options, ranks);
  now->to(dtype_of(norm));
  if (affine == AffineValues::keep) {
    now->weight = norm.weight;
    now->bias = norm.bias;
  }
  now->running_mean = norm.running_mean;
  now->running_var = norm.running_var;
  now->num_batches_tracked = norm.num_batches_tracked;
  if (norm.statistics_frozen()) {
    now->freeze_statistics();
  }
  return now;
}

}  // namespace

ConversionRoot::ConversionRoot(std::unique_ptr<Layer>& owner) : module_(owner.get()), owner_(&owner) {
  require(module_ != nullptr, "ConversionRoot", "the unique_ptr is empty");
}

Module& ConversionRoot::module() const { return slot_ != nullptr ? **slot_ : owner_ != nullptr ? **owner_ : *module_; }

void ConversionRoot::replace(std::unique_ptr<Layer> layer) const {
  if (slot_ != nullptr) {
    slot_->replace(std::move(layer));
  } else {
    *owner_ = std::move(layer);
  }
}

std::string to_string(const Conversions& conversions) {
  std::string text;
  for (const Conversion& c : conversions) {
    text += concat(c.name.empty() ? "the model" : c.name, ": ", c.from, " -> ", c.to, "\n");
  }
  for (const std::string& note : conversions.notes) {
    text += concat("note: ", note, "\n");
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const Conversions& conversions) { return out << to_string(conversions); }

void detail::compare_parameters(Conversions& done, const std::vector<Tensor>& before,
                                const std::vector<Tensor>& after) {
  const auto count_missing = [](const std::vector<Tensor>& of, const std::vector<Tensor>& in) {
    return std::count_if(of.begin(), of.end(), [&](const Tensor& one) {
      return std::none_of(in.begin(), in.end(), [&](const Tensor& other) { return one.is(other); });
    });
  };
  done.removed_parameters = count_missing(before, after);
  done.new_parameters = count_missing(after, before);
  if (done.removed_parameters + done.new_parameters > 0) {
    done.notes.push_back(concat("of the model's ", before.size(), " parameters ", done.removed_parameters,
                                " are gone, ", done.new_parameters,
                                " are new: make an optimizer of before anew from model.parameters()"));
  }
}

Conversions convert_bn_to_frozen(ConversionRoot model, AffineValues affine) {
  std::vector<std::string> unseen;
  const auto make = [&](const std::string& name, const Layer& layer) -> std::unique_ptr<Layer> {
    const auto* norm = dynamic_cast<const BatchNormBase*>(&layer);
    if (norm != nullptr && norm->has_new_statistics()) {
      unseen.push_back(name.empty() ? "the model" : name);
    }
    return norm == nullptr ? nullptr : to_frozen(*norm, affine);
  };
  Conversions done = convert("convert_bn_to_frozen", model, make);
  if (!unseen.empty()) {
    done.notes.push_back(concat("the statistics of ", unseen.size(), " of ", done.size(),
                                " layers never saw a batch (num_batches_tracked 0), the first: ", unseen.front()));
  }
  return done;
}

Conversions convert_bn_to_gn(ConversionRoot model, std::int64_t num_groups, AffineValues affine) {
  require(num_groups > 0, "convert_bn_to_gn", "num_groups must be positive, got ", num_groups);
  int single = 0;
  const auto make = [&](const std::string&, const Layer& layer) -> std::unique_ptr<Layer> {
    const auto* norm = dynamic_cast<const BatchNormBase*>(&layer);
    std::unique_ptr<Layer> now = norm == nullptr ? nullptr : to_group_norm(*norm, num_groups, affine);
    single += now != nullptr && !now->remark().empty() ? 1 : 0;
    return now;
  };
  Conversions done = convert("convert_bn_to_gn", model, make);
  if (single > 0) {
    done.notes.push_back(
        concat(single, " of ", done.size(), " GroupNorms have one channel per group, as InstanceNorm"));
  }
  return done;
}

Conversions convert_sync_batchnorm(ConversionRoot model, const std::shared_ptr<Communicator>& ranks,
                                   AffineValues affine) {
  require(ranks != nullptr, "convert_sync_batchnorm", "the communicator is null");
  return convert("convert_sync_batchnorm", model,
                 [&](const std::string&, const Layer& layer) -> std::unique_ptr<Layer> {
                   const auto* norm = dynamic_cast<const BatchNormBase*>(&layer);
                   const auto* sync = dynamic_cast<const SyncBatchNorm*>(&layer);
                   const bool plain = norm != nullptr && (typeid(layer) == typeid(BatchNorm1d) ||
                                                          typeid(layer) == typeid(BatchNorm2d) || is_3d(*norm));
                   const bool elsewhere = sync != nullptr && sync->communicator != ranks;
                   return plain || elsewhere ? to_sync(*norm, ranks, affine) : nullptr;
                 });
}

Conversions convert_conv_to_ws(ConversionRoot model, const WSOptions& options, const ConvPredicate& which) {
  return convert("convert_conv_to_ws", model, [&](const std::string& name, Layer& layer) -> std::unique_ptr<Layer> {
    if (typeid(layer) != typeid(Conv2d)) {
      return nullptr;
    }
    auto& conv = dynamic_cast<Conv2d&>(layer);
    const bool wanted = which == nullptr || which(name, conv);
    return wanted ? std::make_unique<WSConv2d>(conv, options) : nullptr;
  });
}

}  // namespace evenkeel::nn
