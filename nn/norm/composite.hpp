#pragma once

#include "evenkeel/nn/module.hpp"

#include <initializer_list>
#include <optional>

/// What the norms that are composed of differentiable ops share.
namespace evenkeel::nn::composite {

/// The number of groups, by default choose_gn_groups(channels); throws if it does not divide.
std::int64_t checked_groups(const char* layer, std::int64_t channels, std::optional<std::int64_t> groups);

/// "0.1", "None"
std::string repr_momentum(std::optional<double> momentum);

/// `value` repeated for each channel, undefined if it is not wanted.
Array value_if(bool wanted, std::int64_t channels, double value);

/// Throws unless x is (N, C, *) with `channels` channels; rank: the one wanted, or 0 for any from 2.
void check_channels(const Module& layer, const Tensor& x, std::int64_t channels, int rank);

/// Throws PyTorch's sentence if `elements`, the number that a statistic is taken over, is 1.
void check_count(const Module& layer, const Tensor& x, std::int64_t elements, const char* per);

/// (C) as it meets (N, C, *) of that rank.
Tensor per_channel(const Tensor& parameter, int rank);

/// x * weight + bias per channel; either may be undefined.
Tensor scale_and_shift(const Tensor& x, const Tensor& weight, const Tensor& bias);

// Statistics are float64 (autograd/ops/group_moments.hpp), and so is what is computed from them:

/// A copy as float64 (also of a float64 one: an update of running statistics must not change what backward reads).
Tensor in_double(const Tensor& x);

/// scale, of one number, C or N * C, times the channels' weight; scale itself if that is undefined.
Tensor times_weight(const Tensor& scale, const Tensor& weight);

/// The result for an empty x: x itself, on which the parameters hang with gradients of 0.
Tensor empty_output(const Tensor& x, std::initializer_list<Tensor> parameters);

/// Counts a batch; the weight that it gets: momentum, or 1 / count.
double count_batch(Tensor& num_batches_tracked, std::optional<double> momentum);

/// running = (1 - t) running + t factor batch; the shapes may differ.
void move_toward(Tensor& running, const Array& batch, double factor, double t);

}  // namespace evenkeel::nn::composite
