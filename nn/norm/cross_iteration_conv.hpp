#pragma once

#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/norm/norm_base.hpp"

#include <deque>

namespace evenkeel::nn {

struct CrossIterationOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value; nullopt: cumulative average
  bool affine = true;
  int window = 4;            ///< iterations that statistics are taken over, this one included; 1: BatchNorm
  std::int64_t burn_in = 0;  ///< training forwards in the beginning that are plain BatchNorm (the paper: some epochs)
};

/// A convolution without bias and cross-iteration batch normalization (CBN) of its output z, per channel:
///   y = (z - m) / sqrt(v + eps) * weight + bias
/// with the mean m and variance v of this batch and of the window - 1 before it, pooled. The past ones are carried to
/// the present convolution weight w by their first derivatives:
///   m_t' = m_t + <dm_t/dw, w - w_t>, v_t' = max(v_t + <dv_t/dw, w - w_t> - <dm_t/dw, w - w_t>^2, 0)
///   m = mean_t m_t', v = mean_t v_t' + mean_t (m_t' - m)^2, which is the paper's max(E[z^2]_t', m_t'^2), rearranged
/// Gradients pass through this batch's m and v only. Running statistics, used by eval(), are BatchNorm's. The window is
/// not in state_dict(): a loaded layer begins a new one. A forward without gradients leaves the window as it is.
/// Throws invalid_argument: a convolution with bias; window < 1; burn_in < 0; one value per channel in training.
/// Yao et al. 2021, arXiv:2002.05712, equations 6 to 9.
class CrossIterationConv2d : public NormBase<Layer> {
 public:
  using Options = CrossIterationOptions;
  CrossIterationConv2d(std::int64_t in_channels, std::int64_t out_channels, Generator& generator,
                       const Conv2dOptions& conv_options, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override;
  Tensor forward(const Tensor& x) override;
  /// Forgets the past iterations.
  void clear_window() { past_.clear(); }

  const int window;
  const std::int64_t burn_in;
  Child<Conv2d> conv;

 protected:
  void on_clone(const Module& original) override;

 private:
  /// Statistics per channel and their derivatives by the convolution weight that they belong to.
  struct Iteration {
    Array mean, var, mean_slope, var_slope, conv_weight;
  };
  Tensor standardized(const Tensor& z);
  void remember(const Tensor& mean, const Tensor& var);

  std::deque<Iteration> past_;
};

}  // namespace evenkeel::nn
