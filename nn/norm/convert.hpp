#pragma once

#include "evenkeel/core/communicator.hpp"
#include "evenkeel/nn/norm/ws_conv.hpp"

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace evenkeel::nn {

// Conversions of built models. They look at every layer below the model, and at the model itself; when one throws,
// nothing has changed. A new layer gets its predecessor's place (Slot references stay valid), mode and dtype, but not
// its hooks; one with parametrized parameters is refused. Parameters "taken over" are the same handles, so an optimizer made before goes on with them; where
// there are others, make the optimizer anew from model.parameters(): PyTorch's steps on removed parameters without a
// word, and so does this one, but the Conversions returned count them and say so where they are printed.

/// What a conversion is asked to convert: a module with everything below it. Given by its owner, a layer may itself be
/// replaced; given by reference, one that would have to be is an error.
class ConversionRoot {
 public:
  ConversionRoot(Module& module) : module_(&module) {}
  ConversionRoot(std::unique_ptr<Layer>& owner);
  ConversionRoot(Slot& slot) : module_(&*slot), slot_(&slot) {}

  /// The module, or what has taken its place.
  Module& module() const;
  bool replaceable() const { return owner_ != nullptr || slot_ != nullptr; }
  void replace(std::unique_ptr<Layer> layer) const;

 private:
  Module* module_;
  std::unique_ptr<Layer>* owner_ = nullptr;
  Slot* slot_ = nullptr;
};

/// A layer that was replaced: its name in the model ("" for the model itself), its type before and after.
struct Conversion {
  std::string name, from, to;
};

/// What a conversion did. Printed, one line each: "bn1: BatchNorm2d -> GroupNorm", and "note: ...".
struct Conversions : std::vector<Conversion> {
  /// What to know of it: statistics frozen that never saw a batch, GroupNorms that are InstanceNorms, an optimizer made
  /// before that must be made anew.
  std::vector<std::string> notes;
  /// Parameters of before that the model has no more: an optimizer made before steps on them, and nothing reads them.
  std::int64_t removed_parameters = 0;
  /// Parameters that were not there: an optimizer made before does not know them.
  std::int64_t new_parameters = 0;
};
std::string to_string(const Conversions& conversions);
std::ostream& operator<<(std::ostream& out, const Conversions& conversions);

namespace detail {

/// Counts the parameters that went and came, with the note on the optimizer.
void compare_parameters(Conversions& done, const std::vector<Tensor>& before, const std::vector<Tensor>& after);

}  // namespace detail

/// What the new norm's weight and bias are: the old one's values, or 1 and 0.
enum class AffineValues { keep, reset };

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
