#pragma once

#include "evenkeel/nn/norm/conversion.hpp"
#include "evenkeel/nn/norm/registry.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace evenkeel::nn {

/// What the new norm's weight and bias are: the old one's values, or those that it starts with.
enum class AffineValues { keep, reset };

/// A norm that convert_norms came upon: a layer of nn/norm (or derived from one) that normalizes a number of channels.
struct FoundNorm {
  std::string path;  ///< its name in the model; "" for the model itself
  const Layer& layer;
  std::int64_t channels = 0;
  /// What it says of itself in make_norm's terms: eps, momentum, whether it is affine, its number of groups, that it
  /// tracks no statistics, spatial_dims (0 for the 1d norms that take (N, C), 2 for norms of any rank).
  NormOptions options = {};
};

/// What a norm is to become.
struct NormTarget {
  std::string name = "";                    ///< one that make_norm knows
  std::optional<NormOptions> options = {};  ///< for make_norm; by default FoundNorm::options
  AffineValues affine = AffineValues::keep;
  std::unique_ptr<Layer> layer = nullptr;  ///< a layer made just now, instead of a name and options
};

/// Says of each norm what it becomes; nothing: it stays.
using NormRule = std::function<std::optional<NormTarget>(const FoundNorm& norm)>;

/// The rule by which every norm that is a `Norm` (BatchNormBase: the batch norms; Layer: all) becomes the one of that
/// name, with its own options as far as `change` leaves them:
///   convert_norms(model, norms_to<BatchNormBase>("brn", [](NormOptions& options) { options.rmax = 2; }));
template <class Norm = Layer>
NormRule norms_to(std::string name, std::function<void(NormOptions&)> change = {}) {
  return [name = std::move(name), change = std::move(change)](const FoundNorm& norm) -> std::optional<NormTarget> {
    if (dynamic_cast<const Norm*>(&norm.layer) == nullptr) {
      return std::nullopt;
    }
    NormTarget target{.name = name, .options = norm.options};
    if (change) {
      change(*target.options);
    }
    if (target.options->channels_per_group && target.options->num_groups == norm.options.num_groups) {
      target.options->num_groups.reset();  // the old norm's, which gives way to what is asked for
    }
    return target;
  };
}

/// Puts other norms in the place of a model's norms. The rule is asked for each one, in the order of the model; for
/// those that a norm consists of (IBN, BatchChannelNorm) where it leaves the whole:
///   convert_norms(model, [](const FoundNorm& norm) -> std::optional<NormTarget> {
///     return norm.path.starts_with("head.") ? std::nullopt : std::optional(NormTarget{.name = "gn"});
///   });
/// The state goes over by its names, weight, bias, running_mean, running_var, num_batches_tracked: parameters as the
/// same handles (an optimizer goes on with them), buffers as copies; where a parameter becomes a buffer (bn -> frozen)
/// or the other way, its values. dtype, mode, requires_grad and frozen statistics stay. Running statistics that the new
/// norm does not have are dropped, those that only it has start anew, which is noted. With AffineValues::reset only
/// buffers go over. A BatchRenorm with the counter of a trained BatchNorm has its warm-up behind it.
/// A norm stays where its state does not fit, which Conversions::kept says with the reason:
/// - a weight, a bias or another parameter that the new norm has no place of that shape for
/// - no running statistics where they are to be frozen
/// - an input of fewer or more dims than the new norm takes
/// - values that the new norm draws from its first batch (ActNorm)
/// - a parametrization on one of its parameters
/// Throws, changing nothing, what the rule throws, for a name that does not exist, and for options that the new norm
/// refuses (num_groups that do not divide the channels).
Conversions convert_norms(ConversionRoot model, const NormRule& rule);

namespace detail {

/// The same under another name, for errors.
Conversions convert_norms(const char* op, const ConversionRoot& model, const NormRule& rule);

}  // namespace detail

}  // namespace evenkeel::nn
