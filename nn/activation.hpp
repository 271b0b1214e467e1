#pragma once

#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

// Activations without parameters; formulas stand in autograd/ops/activation.hpp. Shapes are kept.

struct ActivationOptions {
  bool inplace = false;  ///< overwrite the input, unless it is a view that an op made
};

class ReLU : public Layer {
 public:
  using Options = ActivationOptions;
  explicit ReLU(ActivationOptions opts = {}) : options(opts) {}
  std::string extra_repr() const override { return options.inplace ? "inplace=True" : ""; }
  Tensor forward(const Tensor& x) override;

  const ActivationOptions options;
};

class SiLU : public Layer {
 public:
  using Options = ActivationOptions;
  explicit SiLU(ActivationOptions opts = {}) : options(opts) {}
  std::string extra_repr() const override { return options.inplace ? "inplace=True" : ""; }
  Tensor forward(const Tensor& x) override;

  const ActivationOptions options;
};

class Sigmoid : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return sigmoid(x); }
};

class Tanh : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return tanh(x); }
};

class GELU : public Layer {
 public:
  explicit GELU(GeluApproximation approximation = GeluApproximation::none) : approximate(approximation) {}
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return gelu(x, approximate); }

  const GeluApproximation approximate;
};

class LeakyReLU : public Layer {
 public:
  explicit LeakyReLU(double slope = 0.01) : negative_slope(slope) {}
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return leaky_relu(x, negative_slope); }

  const double negative_slope;
};

class ELU : public Layer {
 public:
  explicit ELU(double scale = 1.0) : alpha(scale) {}
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return elu(x, alpha); }

  const double alpha;
};

class Hardswish : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return hardswish(x); }
};

/// log(1 + exp(beta x)) / beta, and x itself where beta x > threshold.
class Softplus : public Layer {
 public:
  explicit Softplus(double steepness = 1, double linear_above = 20) : beta(steepness), threshold(linear_above) {}
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override { return softplus(x, beta, threshold); }

  const double beta, threshold;
};

/// relu(a + b), the end of a residual block: one op (add_relu) where `relu` holds a ReLU without forward hooks and no
/// AnomalyGuard lives, which both want to see the layer itself.
Tensor add_relu(const Tensor& a, const Tensor& b, const Slot& relu);

/// The dim must be given (PyTorch guesses one with a warning).
class Softmax : public Layer {
 public:
  explicit Softmax(std::int64_t along) : dim(along) {}
  std::string extra_repr() const override { return concat("dim=", dim); }
  Tensor forward(const Tensor& x) override { return softmax(x, dim); }

  const std::int64_t dim;
};

class LogSoftmax : public Layer {
 public:
  explicit LogSoftmax(std::int64_t along) : dim(along) {}
  std::string extra_repr() const override { return concat("dim=", dim); }
  Tensor forward(const Tensor& x) override { return log_softmax(x, dim); }

  const std::int64_t dim;
};

}  // namespace evenkeel::nn
