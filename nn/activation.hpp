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

// Activations; formulas stand in autograd/ops/activation.hpp. Shapes are kept but by GLU.

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

class CELU : public Layer {
 public:
  explicit CELU(double alpha = 1.0) : alpha(alpha) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<CELU>(alpha); }
  Tensor forward(const Tensor& x) override { return celu(x, alpha); }

  const double alpha;
};

class SELU : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<SELU>(); }
  Tensor forward(const Tensor& x) override { return selu(x); }
};

class Mish : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Mish>(); }
  Tensor forward(const Tensor& x) override { return mish(x); }
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

class LogSigmoid : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<LogSigmoid>(); }
  Tensor forward(const Tensor& x) override { return logsigmoid(x); }
};

class Softsign : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Softsign>(); }
  Tensor forward(const Tensor& x) override { return softsign(x); }
};

class Tanhshrink : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Tanhshrink>(); }
  Tensor forward(const Tensor& x) override { return tanhshrink(x); }
};

class Softshrink : public Layer {
 public:
  explicit Softshrink(double lambda = 0.5) : lambda(lambda) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Softshrink>(lambda); }
  Tensor forward(const Tensor& x) override { return softshrink(x, lambda); }

  const double lambda;
};

class Hardshrink : public Layer {
 public:
  explicit Hardshrink(double lambda = 0.5) : lambda(lambda) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Hardshrink>(lambda); }
  Tensor forward(const Tensor& x) override { return hardshrink(x, lambda); }

  const double lambda;
};

class Hardsigmoid : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Hardsigmoid>(); }
  Tensor forward(const Tensor& x) override { return hardsigmoid(x); }
};

class ReLU6 : public Layer {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ReLU6>(); }
  Tensor forward(const Tensor& x) override { return relu6(x); }
};

/// Throws ValueError unless min_val < max_val.
class Hardtanh : public Layer {
 public:
  explicit Hardtanh(double min_val = -1.0, double max_val = 1.0);
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Hardtanh>(min_val, max_val); }
  Tensor forward(const Tensor& x) override { return hardtanh(x, min_val, max_val); }

  const double min_val, max_val;
};

/// x where x > threshold, else value.
class Threshold : public Layer {
 public:
  Threshold(double threshold, double value) : threshold(threshold), value(value) {}
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Threshold>(threshold, value); }
  Tensor forward(const Tensor& x) override { return evenkeel::threshold(x, threshold, value); }

  const double threshold, value;
};

/// x where x > 0, else weight x, with a slope that is learned: one, or one for each channel of (N, C, *). Weight decay
/// should leave it alone. Throws ValueError unless num_parameters > 0, ShapeError where that is neither 1 nor C.
/// arXiv:1502.01852
class PReLU : public Layer {
 public:
  explicit PReLU(std::int64_t num_parameters = 1, double init = 0.25);
  std::string extra_repr() const override { return concat("num_parameters=", num_parameters); }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<PReLU>(num_parameters); }
  Tensor forward(const Tensor& x) override { return prelu(x, weight); }

  const std::int64_t num_parameters;
  Tensor& weight;
};

/// The first half of x along dim times the sigmoid of the second.
class GLU : public Layer {
 public:
  explicit GLU(std::int64_t dim = -1) : dim(dim) {}
  std::string extra_repr() const override { return concat("dim=", dim); }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<GLU>(dim); }
  Tensor forward(const Tensor& x) override { return glu(x, dim); }

  const std::int64_t dim;
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
