#pragma once

#include "evenkeel/autograd/ops/dropout.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// What the dropout layers share: an op of autograd/ops/dropout.hpp, in training with probability p, in eval the
/// identity. Draws from a generator of its own, derived from `generator`, so that masks depend neither on other layers
/// nor on threads; Module::generator_state() saves it. Throws unless 0 <= p <= 1.
class DropoutBase : public Layer {
 public:
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return op_(x, p, training(), generator); }

  const double p;
  Generator& generator;

 protected:
  using Op = Tensor (*)(const Tensor& x, double p, bool training, Generator& generator);
  DropoutBase(const char* layer, Op op, double p, Generator& generator);

 private:
  const Op op_;
};

/// Zeroes each element with probability p and scales the rest by 1/(1 - p). Srivastava et al. 2014.
class Dropout : public DropoutBase {
 public:
  Dropout(double p, Generator& generator) : DropoutBase("Dropout", dropout, p, generator) {}
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Dropout>(p, unused_generator()); }
};

/// The same for whole channels of (N, C, L) or (C, L) input.
class Dropout1d : public DropoutBase {
 public:
  Dropout1d(double p, Generator& generator) : DropoutBase("Dropout1d", dropout1d, p, generator) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<Dropout1d>(p, unused_generator());
  }
};

/// The same for whole channels of (N, C, *) input.
class Dropout2d : public DropoutBase {
 public:
  Dropout2d(double p, Generator& generator) : DropoutBase("Dropout2d", dropout2d, p, generator) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<Dropout2d>(p, unused_generator());
  }
};

/// The same for whole channels of (N, C, D, H, W) or (C, D, H, W) input.
class Dropout3d : public DropoutBase {
 public:
  Dropout3d(double p, Generator& generator) : DropoutBase("Dropout3d", dropout3d, p, generator) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<Dropout3d>(p, unused_generator());
  }
};

/// Takes each element to SELU's lowest value with probability p, and keeps mean 0 and variance 1; see alpha_dropout.
class AlphaDropout : public DropoutBase {
 public:
  AlphaDropout(double p, Generator& generator) : DropoutBase("AlphaDropout", alpha_dropout, p, generator) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<AlphaDropout>(p, unused_generator());
  }
};

/// The same for whole channels of (N, C, *) input.
class FeatureAlphaDropout : public DropoutBase {
 public:
  FeatureAlphaDropout(double p, Generator& generator)
      : DropoutBase("FeatureAlphaDropout", feature_alpha_dropout, p, generator) {}
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<FeatureAlphaDropout>(p, unused_generator());
  }
};

}  // namespace evenkeel::nn
