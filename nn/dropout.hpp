#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// In training, zeroes each element with probability p and scales the rest by 1/(1 - p); in eval the identity.
/// Draws from a generator of its own, derived from `generator`, so that masks depend neither on other layers nor on
/// threads; Module::generator_state() saves it. Throws unless 0 <= p <= 1. Srivastava et al. 2014.
class Dropout : public Layer {
 public:
  Dropout(double p, Generator& generator);
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Dropout>(p, unused_generator()); }
  Tensor forward(const Tensor& x) override;

  const double p;
  Generator& generator;
};

/// The same for whole channels of (N, C, *) input.
class Dropout2d : public Layer {
 public:
  Dropout2d(double p, Generator& generator);
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<Dropout2d>(p, unused_generator());
  }
  Tensor forward(const Tensor& x) override;

  const double p;
  Generator& generator;
};

}  // namespace evenkeel::nn
