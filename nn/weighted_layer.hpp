#pragma once

#include "evenkeel/nn/module.hpp"

#include <initializer_list>

namespace evenkeel::nn {

/// Computes a weight from parameters of its own; see weight_norm and spectral_norm. It lives in its layer as the child
/// "parametrizations.weight", so that a state_dict has the names of torch.nn.utils.parametrizations.
class WeightParametrization : public Module {
 public:
  /// The weight, differentiable in the parameters. What training moves, moves in commit().
  virtual Tensor value() = 0;
  /// Called when the layer has its result, so that a forward that throws leaves the buffers alone.
  virtual void commit() {}

 protected:
  /// For upgrade_state: renames entries of PyTorch's older functions, which stand beside the layer's bias ("weight_g"),
  /// to the names of here ("original0").
  static void rename_old(const std::string& prefix,
                         std::initializer_list<std::pair<std::string_view, std::string_view>> names, StateDict& state);
};

/// What Linear, Conv2d and ConvTranspose2d share: a weight, maybe a bias, and how forward gets at the weight.
class WeightedLayer : public Layer {
 public:
  /// The weight as forward uses it: stored_weight(), unless a layer standardizes it first. What fuses or prints
  /// filters needs this one.
  virtual Tensor effective_weight();
  /// The parameter `weight`, or what its parametrization computes.
  Tensor stored_weight();

  /// From now on `weight` is undefined and its values come from `parametrization`. Throws if there is one already.
  void parametrize(std::unique_ptr<WeightParametrization> parametrization);
  bool parametrized() const { return parametrization_ != nullptr; }
  /// Makes `weight` a parameter again, with the values that eval() uses. Throws if there is no parametrization.
  void remove_parametrization();

  Tensor& weight;
  Tensor& bias;

 protected:
  WeightedLayer(Array initial_weight, Array initial_bias);
  /// y, which forward is about to return: the parametrization commits.
  Tensor done(Tensor y) const;

 private:
  WeightParametrization* parametrization_ = nullptr;
};

/// `layer` as one with a weight; the error names `op` and what `layer` is.
WeightedLayer& as_weighted(const char* op, Module& layer);
/// layer.remove_parametrization() for any layer: the way to make a trained one plain again. Its weight is a new
/// parameter: give it to the optimizer anew.
void remove_parametrization(Module& layer);

}  // namespace evenkeel::nn
