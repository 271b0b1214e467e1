#pragma once

#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

// Losses as modules: loss(input, target). Formulas stand in autograd/ops/loss.hpp and loss_elementwise.hpp. A weight is
// a buffer, so it is converted and saved with the module.

/// A module of input and target.
class Loss : public Module {
 public:
  virtual Tensor forward(const Tensor& input, const Tensor& target) = 0;
  Tensor operator()(const Tensor& input, const Tensor& target) { return call(*this, input, target); }
};

/// A module of three tensors.
class LossOfThree : public Module {
 public:
  virtual Tensor forward(const Tensor& first, const Tensor& second, const Tensor& third) = 0;
  Tensor operator()(const Tensor& first, const Tensor& second, const Tensor& third) {
    return call(*this, first, second, third);
  }
};

/// Of class indices or class probabilities.
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

class HuberLoss : public Loss {
 public:
  explicit HuberLoss(Reduction reduction = Reduction::mean, double delta = 1.0);
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<HuberLoss>(reduction, delta); }
  Tensor forward(const Tensor& input, const Tensor& target) override {
    return huber_loss(input, target, reduction, delta);
  }

  const Reduction reduction;
  const double delta;
};

/// Of probabilities.
class BCELoss : public Loss {
 public:
  using Options = WeightedLossOptions;
  explicit BCELoss(WeightedLossOptions options = {});
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<BCELoss>(options_); }
  Tensor forward(const Tensor& input, const Tensor& target) override;

  Tensor& weight;

 private:
  WeightedLossOptions options_;
};

class KLDivLoss : public Loss {
 public:
  using Options = KlDivOptions;
  explicit KLDivLoss(KlDivOptions options = {}) : options(options) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<KLDivLoss>(options); }
  Tensor forward(const Tensor& input, const Tensor& target) override { return kl_div(input, target, options); }

  const KlDivOptions options;
};

class SoftMarginLoss : public Loss {
 public:
  explicit SoftMarginLoss(Reduction reduction = Reduction::mean) : reduction(reduction) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<SoftMarginLoss>(reduction); }
  Tensor forward(const Tensor& input, const Tensor& target) override {
    return soft_margin_loss(input, target, reduction);
  }

  const Reduction reduction;
};

class PoissonNLLLoss : public Loss {
 public:
  using Options = PoissonNllOptions;
  explicit PoissonNLLLoss(PoissonNllOptions options = {}) : options(options) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<PoissonNLLLoss>(options); }
  Tensor forward(const Tensor& input, const Tensor& target) override {
    return poisson_nll_loss(input, target, options);
  }

  const PoissonNllOptions options;
};

/// loss(input, target, var).
class GaussianNLLLoss : public LossOfThree {
 public:
  using Options = GaussianNllOptions;
  explicit GaussianNLLLoss(GaussianNllOptions options = {}) : options(options) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<GaussianNLLLoss>(options); }
  Tensor forward(const Tensor& input, const Tensor& target, const Tensor& var) override {
    return gaussian_nll_loss(input, target, var, options);
  }

  const GaussianNllOptions options;
};

class MultiMarginLoss : public Loss {
 public:
  using Options = MultiMarginOptions;
  explicit MultiMarginLoss(MultiMarginOptions options = {});
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<MultiMarginLoss>(options_); }
  Tensor forward(const Tensor& input, const Tensor& target) override;

  Tensor& weight;

 private:
  MultiMarginOptions options_;
};

class MultiLabelMarginLoss : public Loss {
 public:
  explicit MultiLabelMarginLoss(Reduction reduction = Reduction::mean) : reduction(reduction) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<MultiLabelMarginLoss>(reduction); }
  Tensor forward(const Tensor& input, const Tensor& target) override {
    return multilabel_margin_loss(input, target, reduction);
  }

  const Reduction reduction;
};

class MultiLabelSoftMarginLoss : public Loss {
 public:
  using Options = WeightedLossOptions;
  explicit MultiLabelSoftMarginLoss(WeightedLossOptions options = {});
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<MultiLabelSoftMarginLoss>(options_);
  }
  Tensor forward(const Tensor& input, const Tensor& target) override;

  Tensor& weight;

 private:
  WeightedLossOptions options_;
};

}  // namespace evenkeel::nn
