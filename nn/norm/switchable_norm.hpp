#pragma once

#include "evenkeel/nn/norm/norm_base.hpp"

namespace evenkeel::nn {

struct SwitchableNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value (the authors' 0.9 weighs the old one)
  bool affine = true;
  bool unbiased = false;  ///< unbiased instance variance, as the authors' code; the paper's is biased
};

/// y = (x - m) / sqrt(v + eps) * weight + bias, where statistics of instance, layer and batch norm are mixed:
///   m = sum_k softmax(mean_weight)_k m_k,  v = sum_k softmax(var_weight)_k v_k,  k = IN, LN, BN in this order
///   x, y: (N, C, H, W); weight (from 1), bias (from 0), running_mean, running_var (both from 0): (C); mean_weight,
///   var_weight (from 1): (3). LN is over (C, H, W). v_LN and v_BN follow from the instance statistics (v_IN, m_IN).
/// eval() takes the BN part from the buffers, which training moves toward the batch's mean and (biased) variance:
/// running = (1 - momentum) running + momentum batch. The authors' files have weight and bias as (1, C, 1, 1), the
/// buffers as (1, C, 1). Throws invalid_argument: wrong rank or C; one value per channel in training; one value per
/// instance with `unbiased`. Luo et al. 2019, arXiv:1806.10779, equations 2 to 5.
class SwitchableNorm2d : public NormBase<Layer> {
 public:
  using Options = SwitchableNormOptions;
  explicit SwitchableNorm2d(std::int64_t num_features, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<SwitchableNorm2d>(num_features,
                                              Options{options.eps, options.momentum, options.affine, unbiased});
  }
  Tensor forward(const Tensor& x) override;

  const bool unbiased;
  Tensor& mean_weight;
  Tensor& var_weight;

 private:
  struct Moments {
    Tensor mean, var;
  };
  Moments batch_moments(const Moments& instance) const;
};

}  // namespace evenkeel::nn
