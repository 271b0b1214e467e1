#pragma once

#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

// Losses as modules: loss(input, target). Formulas stand in autograd/ops/loss.hpp. A class weight is a buffer, so it is
// converted and saved with the module.

/// A module of input and target.
class Loss : public Module {
 public:
  virtual Tensor forward(const Tensor& input, const Tensor& target) = 0;
  Tensor operator()(const Tensor& input, const Tensor& target) { return call(*this, input, target); }
};

class CrossEntropyLoss : public Loss {
 public:
  using Options = CrossEntropyOptions;
  explicit CrossEntropyLoss(CrossEntropyOptions options = {});
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<CrossEntropyLoss>(options_); }
  Tensor forward(const Tensor& input, const Tensor& target) override;

  Tensor& weight;

 private:
  CrossEntropyOptions options_;
};

class NLLLoss : public Loss {
 public:
  using Options = NllOptions;
  explicit NLLLoss(NllOptions options = {});
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<NLLLoss>(options_); }
  Tensor forward(const Tensor& input, const Tensor& target) override;

  Tensor& weight;

 private:
  NllOptions options_;
};

class MSELoss : public Loss {
 public:
  explicit MSELoss(Reduction reduction = Reduction::mean) : reduction(reduction) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<MSELoss>(reduction); }
  Tensor forward(const Tensor& input, const Tensor& target) override { return mse_loss(input, target, reduction); }

  const Reduction reduction;
};

class L1Loss : public Loss {
 public:
  explicit L1Loss(Reduction reduction = Reduction::mean) : reduction(reduction) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<L1Loss>(reduction); }
  Tensor forward(const Tensor& input, const Tensor& target) override { return l1_loss(input, target, reduction); }

  const Reduction reduction;
};

class SmoothL1Loss : public Loss {
 public:
  explicit SmoothL1Loss(Reduction reduction = Reduction::mean, double beta = 1.0);
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<SmoothL1Loss>(reduction, beta); }
  Tensor forward(const Tensor& input, const Tensor& target) override {
    return smooth_l1_loss(input, target, reduction, beta);
  }

  const Reduction reduction;
  const double beta;
};

class BCEWithLogitsLoss : public Loss {
 public:
  using Options = BceOptions;
  explicit BCEWithLogitsLoss(BceOptions options = {});
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<BCEWithLogitsLoss>(options_); }
  Tensor forward(const Tensor& input, const Tensor& target) override;

  Tensor& weight;
  Tensor& pos_weight;

 private:
  BceOptions options_;
};

}  // namespace evenkeel::nn
