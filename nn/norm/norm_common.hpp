#pragma once

#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/nn/module.hpp"
#include "evenkeel/nn/repr.hpp"

#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace evenkeel::nn {

// What the norm layers share. `layer` is a layer's name, for the errors of its constructor.

// ---- Options

/// Throws unless eps, if there is one, is at least 0 and finite.
void check_eps(std::string_view layer, std::optional<double> eps);
/// Throws unless momentum is a weight of the new value in [0, 1] or nullopt (cumulative average).
void check_momentum(std::string_view layer, std::optional<double> momentum);
/// `value`, of that name (num_features, num_channels, a window's size), if it is positive.
std::int64_t checked_channels(std::string_view layer, std::string_view name, std::int64_t value);
/// The number of groups by what options say of it: num_groups, or channels / channels_per_group; nothing if they say
/// nothing. Throws where both are given, and for channels_per_group that do not divide the channels.
std::optional<std::int64_t> given_groups(std::string_view layer, std::int64_t channels,
                                         std::optional<std::int64_t> num_groups,
                                         std::optional<std::int64_t> channels_per_group);
/// The same, by default choose_gn_groups(channels), if it divides the channels.
std::int64_t checked_groups(std::string_view layer, std::int64_t channels, std::optional<std::int64_t> num_groups,
                            std::optional<std::int64_t> channels_per_group);
/// The options, if what they have of eps and momentum can be meant.
template <class Options>
Options checked(std::string_view layer, Options options) {
  if constexpr (requires { options.eps; }) {
    check_eps(layer, options.eps);
  }
  if constexpr (requires { options.momentum; }) {
    check_momentum(layer, options.momentum);
  }
  return options;
}

/// ", eps=1e-05, momentum=0.1, affine=True": what the options have of these, for extra_repr().
template <class Options>
std::string repr_options(const Options& options) {
  std::string text;
  if constexpr (requires { options.eps; }) {
    text += ", eps=" + repr(options.eps);
  }
  if constexpr (requires { options.momentum; }) {
    text += ", momentum=" + repr(options.momentum);
  }
  if constexpr (requires { options.affine; }) {
    text += ", affine=" + repr(options.affine);
  }
  return text;
}

/// The remark() of a norm of groups: "one channel per group, as InstanceNorm" where that is so.
std::string single_channel_remark(std::int64_t num_groups, std::int64_t num_channels, std::string_view equal);

/// The start value of a parameter or buffer: `value` everywhere, undefined if it is not wanted.
Array value_if(bool wanted, const Shape& shape, double value);

// ---- Input

/// The ranks that a layer takes.
struct RankRange {
  int min;
  int max = std::numeric_limits<int>::max();
};
inline constexpr RankRange kAnyRank{2};    ///< (N, C, *)
inline constexpr RankRange kImages{4, 4};  ///< (N, C, H, W)
/// Of the norm "<Name><D>d": one dim may be left out of (N, C, L), none of images and volumes.
constexpr RankRange batch_ranks(int dims) { return {dims == 1 ? 2 : dims + 2, dims + 2}; }

/// Throws for an undefined x and one of another rank, in PyTorch's words.
void check_rank(const Module& layer, const Tensor& x, RankRange ranks);
/// Throws unless x is (N, C, *) of these ranks with `channels` channels.
void check_channels(const Module& layer, const Tensor& x, std::int64_t channels, RankRange ranks);
/// The same for layers that may look at another dim: at dim 1 of any rank from 2 or, with channels_last, at the last.
void check_channels_at(const Module& layer, const Tensor& x, std::int64_t channels, bool channels_last);
/// Throws PyTorch's sentence if `elements`, the number that a statistic is taken over, is 1.
void check_count(const Module& layer, const Tensor& x, std::int64_t elements, std::string_view per);

/// Throws unless x has the dtype of the layer's parameter, where there is one.
void check_dtype(const Module& layer, const Tensor& x, const Tensor& parameter);
/// The same for all of them: for layers whose statistics are float64, which a parameter of that dtype would go with.
template <class... Parameters>
void check_dtypes(const Module& layer, const Tensor& x, const Parameters&... parameters) {
  (check_dtype(layer, x, parameters), ...);
}

/// Elements per sample and channel of (N, C, *).
std::int64_t spatial_size(const Shape& shape);

/// normalized_shape, if it has at least one size and all are positive.
const Shape& checked_normalized_shape(std::string_view layer, const Shape& shape);
/// PyTorch's sentence if x's shape does not end in `normalized_shape`, else "".
std::string trailing_mismatch(const Shape& x, const Shape& normalized_shape);
/// Throws for an undefined x and one whose shape does not end in `normalized_shape`.
void check_trailing(const Module& layer, const Tensor& x, const Shape& normalized_shape);

// ---- Formulas

/// Statistics over the channels of each pixel; x: (N, C, *), weight and bias: (C) or undefined.
Tensor normalize_pixels(const Tensor& x, const Tensor& weight, const Tensor& bias, const Normalization& how,
                        const FusedActivation& activation);

/// x * weight + bias per channel; either may be undefined.
Tensor scale_and_shift(const Tensor& x, const Tensor& weight, const Tensor& bias);

/// The result for an empty x: x itself, on which the parameters hang with gradients of 0.
Tensor empty_output(const Tensor& x, std::initializer_list<Tensor> parameters);

// Statistics are float64 (autograd/ops/group_moments.hpp), and so is what is computed from them:

/// A copy as float64 (also of a float64 one: an update of running statistics must not change what backward reads).
Tensor in_double(const Tensor& x);

/// scale, of one number, C or N * C, times the channels' weight; scale itself if that is undefined.
Tensor times_weight(const Tensor& scale, const Tensor& weight);

// ---- Running statistics

// A forward moves them last, behind every check and when its result is there: one that throws leaves them alone.

/// The weight t that the next batch gets: momentum, or 1 / count.
double next_batch_weight(const Tensor& num_batches_tracked, std::optional<double> momentum);

/// A running statistic, and what it moves towards: `batch` has one value for each of `running` or, for each sample, one
/// for each: then their mean.
struct Move {
  Tensor& running;
  const Array& batch;
  double factor = 1;
};

/// running = (1 - t) running + t factor batch for each of the moves, at most 4. Strided ones are moved in place. Throws
/// before any has moved for an undefined or integer `running` and one whose elements share memory.
void move_toward(std::initializer_list<Move> moves, double t);

/// The same for a counted batch, which is counted too.
void move_and_count(std::initializer_list<Move> moves, Tensor& num_batches_tracked, std::optional<double> momentum);

}  // namespace evenkeel::nn
