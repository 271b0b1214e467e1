#pragma once

#include "evenkeel/nn/parametrize.hpp"

#include <optional>
#include <string>

namespace evenkeel::nn {

/// Splits the parameter `name` of any layer into length and direction: w = g v / |v|; a parametrization (see
/// nn/parametrize.hpp).
///   dim = 0: one norm per output row or filter, g of shape (O, 1, ...); another dim: per slice along it (1 for a
///   ConvTranspose2d's output channels); nullopt: one norm for the whole weight, g of shape ().
/// Parameters and their names: g is parametrizations.weight.original0, v .original1; v is the tensor that `weight` was
/// and g starts at its norm, so the function does not change. Files with torch 1.13's names weight_g, weight_v load.
/// The optimizer must be given the parameters anew. remove_parametrizations(layer, name) undoes it.
/// Throws ValueError: a layer without such a parameter; a norm of 0 (here and in forward, where PyTorch's weight is
/// NaN). StateError: one that is parametrized already. Salimans & Kingma 2016, arXiv:1602.07868, equation 2.
void weight_norm(Module& layer, std::optional<std::int64_t> dim = 0, const std::string& name = "weight");

/// remove_parametrizations(layer, name), but throws if what computes the parameter is not weight_norm's.
void remove_weight_norm(Module& layer, const std::string& name = "weight");

/// `state` for torch 1.13's weight_norm and torch.nn.utils.weight_norm since: weight_g and weight_v instead of
/// parametrizations.weight.original0 and .original1, in every layer.
StateDict old_weight_norm_names(StateDict state);

}  // namespace evenkeel::nn
