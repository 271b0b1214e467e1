#pragma once

#include "evenkeel/core/communicator.hpp"
#include "evenkeel/nn/norm/convert_norms.hpp"
#include "evenkeel/nn/norm/ws_conv.hpp"

#include <functional>
#include <memory>
#include <string>

namespace evenkeel::nn {

// The conversions that are often wanted, by names of their own; norms of any other pair: convert_norms.

/// BatchNorm1d, 2d, 3d, SyncBatchNorm, GhostBatchNorm, BatchRenorm -> FrozenBatchNorm1d, 2d, 3d (the kinds that take
/// any rank -> FrozenBatchNorm) with copies of the values and eps: train() and eval() give, bit for bit, what eval()
/// gave. The optimizer: weight and bias are no parameters any more; make it anew. A note names layers whose statistics
/// never saw a batch. Throws for a layer without running statistics. Layers whose weight and bias shall learn on: see
/// freeze_batchnorm_stats.
Conversions convert_bn_to_frozen(ConversionRoot model, AffineValues affine = AffineValues::keep);

/// The same kinds -> GroupNorm with the old eps and most_groups(C, num_groups) groups: the largest number up to
/// num_groups that divides C. For the kinds that may stand behind a Linear layer (BatchNorm1d, BatchRenorm1d and those
/// that take any rank: SyncBatchNorm, GhostBatchNorm) at most C / 2, as GroupNorm refuses (N, C) with groups of one
/// channel. A note counts those that have one channel per group all the same, as InstanceNorm: choose fewer groups if
/// that is not meant. The function is another one: fine-tune afterwards. The optimizer: with `keep`, weight and bias
/// are taken over and it may go on; with `reset` they are new (also where the old norm had none): make it anew.
Conversions convert_bn_to_gn(ConversionRoot model, std::int64_t num_groups = 32,
                             AffineValues affine = AffineValues::keep);

/// BatchNorm1d, 2d, 3d and SyncBatchNorms of other ranks -> SyncBatchNorm on `ranks`, with options, parameters,
/// buffers and frozen statistics taken over; GhostBatchNorm and BatchRenorm stay. eval() gives the same bits. The
/// optimizer may go on after `keep`.
Conversions convert_sync_batchnorm(ConversionRoot model, const std::shared_ptr<Communicator>& ranks,
                                   AffineValues affine = AffineValues::keep);

/// Which convolutions to convert, by their names in the model.
using ConvPredicate = std::function<bool(const std::string& name, const Conv2d& conv)>;

/// Conv2d -> WSConv2d with the parameters taken over; convolutions that are standardized already stay. Standardized
/// filters have another scale: convert those that a norm follows, which `which` may select (by default all), and train.
/// Mode `aws` keeps the function, up to rounding. The optimizer may go on, but in modes `scaled` and `nfnet` the gains
/// are new: make it anew. Throws for fan-in 1 and for a convolution with a parametrization.
Conversions convert_conv_to_ws(ConversionRoot model, const WSOptions& options = {}, const ConvPredicate& which = {});

}  // namespace evenkeel::nn
