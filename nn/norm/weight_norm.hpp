#pragma once

#include "evenkeel/nn/weighted_layer.hpp"

#include <optional>

namespace evenkeel::nn {

/// Splits the weight of a Linear, Conv2d or ConvTranspose2d into length and direction: w = g v / |v|.
///   dim = 0: one norm per output row or filter, g of shape (O, 1, ...); another dim: per slice along it (1 for a
///   ConvTranspose2d's output channels); nullopt: one norm for the whole weight, g of shape ().
/// Parameters and their names: g is parametrizations.weight.original0, v .original1; v is the tensor that `weight` was
/// and g starts at its norm, so the function does not change. Files with torch 1.13's names weight_g, weight_v load.
/// The optimizer must be given the parameters anew. remove_parametrization(layer) undoes it.
/// Throws ValueError: a layer without a weight; a norm of 0 (here and in forward,
/// where PyTorch's weight becomes NaN). Salimans & Kingma 2016, arXiv:1602.07868, equation 2.
void weight_norm(Module& layer, std::optional<std::int64_t> dim = 0);

/// remove_parametrization(layer), but throws if what computes the weight is not weight_norm's.
void remove_weight_norm(Module& layer);

/// `state` for torch 1.13's weight_norm and torch.nn.utils.weight_norm since: weight_g and weight_v instead of
/// parametrizations.weight.original0 and .original1, in every layer.
StateDict old_weight_norm_names(StateDict state);

}  // namespace evenkeel::nn
