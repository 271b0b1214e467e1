#include "evenkeel/nn/norm/convert.hpp"

#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"

#include <typeinfo>

namespace evenkeel::nn {
namespace {

using Target = std::optional<NormTarget>;

const BatchNormBase* batch_norm(const FoundNorm& found) { return dynamic_cast<const BatchNormBase*>(&found.layer); }

bool is_1d(const Layer& norm) {
  return dynamic_cast<const BatchNorm1d*>(&norm) != nullptr || dynamic_cast<const BatchRenorm1d*>(&norm) != nullptr;
}
bool is_2d(const Layer& norm) {
  return dynamic_cast<const BatchNorm2d*>(&norm) != nullptr || dynamic_cast<const BatchRenorm2d*>(&norm) != nullptr;
}
bool is_3d(const Layer& norm) { return dynamic_cast<const BatchNorm3d*>(&norm) != nullptr; }

std::unique_ptr<Layer> frozen_twin(const BatchNormBase& norm) {
  const FrozenBatchNormOptions options{.eps = norm.options.eps};
  const std::int64_t features = norm.num_features;
  return is_1d(norm)   ? std::make_unique<FrozenBatchNorm1d>(features, options)
         : is_2d(norm) ? std::make_unique<FrozenBatchNorm2d>(features, options)
         : is_3d(norm) ? std::make_unique<FrozenBatchNorm3d>(features, options)
                       : std::make_unique<FrozenBatchNorm>(features, options);
}

}  // namespace

Conversions convert_bn_to_frozen(ConversionRoot model, AffineValues affine) {
  return detail::convert_norms("convert_bn_to_frozen", model, [&](const FoundNorm& found) -> Target {
    const BatchNormBase* norm = batch_norm(found);
    if (norm == nullptr) {
      return std::nullopt;
    }
    require<StateError>(norm->running_mean.defined(), norm->type_name(),
                        "has no running statistics to freeze (track_running_stats=False)");
    return NormTarget{.affine = affine, .layer = frozen_twin(*norm)};
  });
}

Conversions convert_bn_to_gn(ConversionRoot model, std::int64_t num_groups, AffineValues affine) {
  require(num_groups > 0, "convert_bn_to_gn", "num_groups must be positive, got ", num_groups);
  return detail::convert_norms("convert_bn_to_gn", model, [&](const FoundNorm& found) -> Target {
    const BatchNormBase* norm = batch_norm(found);
    if (norm == nullptr) {
      return std::nullopt;
    }
    const bool images_only = is_2d(*norm) || is_3d(*norm);  // the others take (N, C), too
    const std::int64_t groups = most_groups(found.channels, num_groups, images_only ? 1 : 2);
    const GroupNormOptions options{.eps = norm->options.eps,
                                   .affine = affine == AffineValues::reset || norm->weight.defined()};
    return NormTarget{.affine = affine, .layer = std::make_unique<GroupNorm>(groups, found.channels, options)};
  });
}

Conversions convert_sync_batchnorm(ConversionRoot model, const std::shared_ptr<Communicator>& ranks,
                                   AffineValues affine) {
  require(ranks != nullptr, "convert_sync_batchnorm", "the communicator is null");
  return detail::convert_norms("convert_sync_batchnorm", model, [&](const FoundNorm& found) -> Target {
    const BatchNormBase* norm = batch_norm(found);
    const auto* sync = dynamic_cast<const SyncBatchNorm*>(&found.layer);
    const bool plain =
        typeid(found.layer) == typeid(BatchNorm1d) || typeid(found.layer) == typeid(BatchNorm2d) || is_3d(found.layer);
    const bool elsewhere = sync != nullptr && sync->communicator != ranks;
    if (!plain && !elsewhere) {
      return std::nullopt;
    }
    return NormTarget{.affine = affine,
                      .layer = std::make_unique<SyncBatchNorm>(norm->num_features, norm->options, ranks)};
  });
}

Conversions convert_conv_to_ws(ConversionRoot model, const WSOptions& options, const ConvPredicate& which) {
  return detail::replace_layers("convert_conv_to_ws", model,
                                [&](const std::string& name, Layer& layer) -> std::unique_ptr<Layer> {
                                  if (typeid(layer) != typeid(Conv2d)) {
                                    return nullptr;
                                  }
                                  auto& conv = dynamic_cast<Conv2d&>(layer);
                                  const bool wanted = which == nullptr || which(name, conv);
                                  return wanted ? std::make_unique<WSConv2d>(conv, options) : nullptr;
                                });
}

}  // namespace evenkeel::nn
