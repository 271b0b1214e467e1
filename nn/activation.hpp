#pragma once

#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/nn/module.hpp"

#include <optional>
#include <typeinfo>

namespace evenkeel::nn {

// The functions that a norm can run in its op: bn(x, nn::relu), bn(x, {nn::leaky_relu, 0.2}).
using evenkeel::hardswish;
using evenkeel::leaky_relu;
using evenkeel::relu;
using evenkeel::silu;

/// act(a + b), the end of a residual block: one op where `act` is a ReLU that a norm could run, too (see Activation).
Tensor add(const Tensor& a, const Tensor& b, const Activation& act);

/// For Layer::fused(): `form`, unless `layer` is of a class derived from T, whose forward may be another one.
template <class T>
std::optional<FusedActivation> unless_derived(const T& layer, const std::optional<FusedActivation>& form) {
  return typeid(layer) == typeid(T) ? form : std::nullopt;
}

// Activations without parameters; formulas stand in autograd/ops/activation.hpp. Shapes are kept.

struct ActivationOptions {
  bool inplace = false;  ///< overwrite the input, unless it is a view that an op made
};

class ReLU : public Layer {
 public:
  using Options = ActivationOptions;
  explicit ReLU(ActivationOptions options = {}) : options(options) {}
  std::string extra_repr() const override { return options.inplace ? "inplace=True" : ""; }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ReLU>(options); }
  Tensor forward(const Tensor& x) override;
  std::optional<FusedActivation> fused() const override { return unless_derived(*this, fused_form(relu)); }

  const ActivationOptions options;
};

class SiLU : public Layer {
 public:
  using Options = ActivationOptions;
  explicit SiLU(ActivationOptions options = {}) : options(options) {}
  std::string extra_repr() const override { return options.inplace ? "inplace=True" : ""; }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<SiLU>(options); }
  Tensor forward(const Tensor& x) override;
  std::optional<FusedActivation> fused() const override { return unless_derived(*this, fused_form(silu)); }

  const ActivationOptions options;
};

class Sigmoid : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Sigmoid>(); }
  Tensor forward(const Tensor& x) override { return sigmoid(x); }
};

class Tanh : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Tanh>(); }
  Tensor forward(const Tensor& x) override { return tanh(x); }
};

class GELU : public Layer {
 public:
  explicit GELU(GeluApproximation approximate = GeluApproximation::none) : approximate(approximate) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<GELU>(approximate); }
  Tensor forward(const Tensor& x) override { return gelu(x, approximate); }

  const GeluApproximation approximate;
};

class LeakyReLU : public Layer {
 public:
  explicit LeakyReLU(double negative_slope = 0.01) : negative_slope(negative_slope) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<LeakyReLU>(negative_slope); }
  Tensor forward(const Tensor& x) override { return leaky_relu(x, negative_slope); }
  std::optional<FusedActivation> fused() const override {
    return unless_derived(*this, fused_form(leaky_relu, negative_slope));
  }

  const double negative_slope;
};

class ELU : public Layer {
 public:
  explicit ELU(double alpha = 1.0) : alpha(alpha) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ELU>(alpha); }
  Tensor forward(const Tensor& x) override { return elu(x, alpha); }

  const double alpha;
};

class Hardswish : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Hardswish>(); }
  Tensor forward(const Tensor& x) override { return hardswish(x); }
  std::optional<FusedActivation> fused() const override { return unless_derived(*this, fused_form(hardswish)); }
};

/// log(1 + exp(beta x)) / beta, and x itself where beta x > threshold.
class Softplus : public Layer {
 public:
  explicit Softplus(double beta = 1, double threshold = 20) : beta(beta), threshold(threshold) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Softplus>(beta, threshold); }
  Tensor forward(const Tensor& x) override { return softplus(x, beta, threshold); }

  const double beta, threshold;
};

/// The dim must be given (PyTorch guesses one with a warning).
class Softmax : public Layer {
 public:
  explicit Softmax(std::int64_t dim) : dim(dim) {}
  std::string extra_repr() const override { return concat("dim=", dim); }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Softmax>(dim); }
  Tensor forward(const Tensor& x) override { return softmax(x, dim); }

  const std::int64_t dim;
};

class LogSoftmax : public Layer {
 public:
  explicit LogSoftmax(std::int64_t dim) : dim(dim) {}
  std::string extra_repr() const override { return concat("dim=", dim); }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<LogSoftmax>(dim); }
  Tensor forward(const Tensor& x) override { return log_softmax(x, dim); }

  const std::int64_t dim;
};

}  // namespace evenkeel::nn
