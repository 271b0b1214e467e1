#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel::nn::init {

// Fill a tensor in place, without recording, and return it. All keep the tensor's dtype.

Tensor& uniform_(Tensor& tensor, Generator& generator, double low = 0, double high = 1);
Tensor& normal_(Tensor& tensor, Generator& generator, double mean = 0, double std = 1);
/// Normal, cut to [low, high] by the inverse distribution function, exact also far from the mean (PyTorch draws until a
/// value fits); low and high are values, not multiples of std. Throws if both lie beyond 37 std on one side of it.
Tensor& trunc_normal_(Tensor& tensor, Generator& generator, double mean = 0, double std = 1, double low = -2,
                      double high = 2);
Tensor& constant_(Tensor& tensor, double value);
Tensor& ones_(Tensor& tensor);
Tensor& zeros_(Tensor& tensor);
/// 1 on the diagonal of a matrix, else 0.
Tensor& eye_(Tensor& tensor);
/// A convolution's weight (3 to 5 dims) that hands its inputs on: 1 in the middle of the kernel from input channel i to
/// output channel i of each group, as far as there are both, else 0. Throws unless groups divides size(0).
Tensor& dirac_(Tensor& tensor, std::int64_t groups = 1);
/// A matrix of N(0, std) with ceil(sparsity rows) zeros in every column. Martens 2010, "Deep learning via Hessian-free
/// optimization".
Tensor& sparse_(Tensor& tensor, Generator& generator, double sparsity, double std = 0.01);

/// What feeds a weight's output and what it feeds: size(1) and size(0), times the elements of the kernel.
struct Fans {
  std::int64_t in = 0, out = 0;
};
/// Throws for fewer than 2 dims.
Fans fan_in_and_fan_out(const Shape& shape);

enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu, selu };  ///< linear: convolutions too
/// Factor that keeps the scale behind the nonlinearity: 1, 1, 5/3, sqrt(2), sqrt(2 / (1 + slope^2)), 3/4.
double calculate_gain(Nonlinearity nonlinearity, double negative_slope = 0.01);

/// U(-b, b) with b = gain sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010.
Tensor& xavier_uniform_(Tensor& tensor, Generator& generator, double gain = 1);
/// N(0, s) with s = gain sqrt(2 / (fan_in + fan_out)).
Tensor& xavier_normal_(Tensor& tensor, Generator& generator, double gain = 1);

enum class FanMode { fan_in, fan_out };
struct KaimingOptions {
  double a = 0;  ///< negative slope of the leaky_relu behind
  FanMode mode = FanMode::fan_in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
};
/// U(-b, b) with b = gain sqrt(3 / fan). He et al. 2015, arXiv:1502.01852.
Tensor& kaiming_uniform_(Tensor& tensor, Generator& generator, KaimingOptions options = {});
/// N(0, s) with s = gain / sqrt(fan).
Tensor& kaiming_normal_(Tensor& tensor, Generator& generator, KaimingOptions options = {});

/// A (semi-)orthogonal matrix (first dim against the rest flattened) times gain, uniform over such matrices.
/// Saxe et al. 2013, arXiv:1312.6120.
Tensor& orthogonal_(Tensor& tensor, Generator& generator, double gain = 1);

/// What Linear and the convolutions start from: weight kaiming_uniform_ with a = sqrt(5), that is U(-b, b) with
/// b = 1 / sqrt(fan_in), and bias (if defined) from the same range.
void default_weight_and_bias_(Tensor& weight, Tensor& bias, Generator& generator);

}  // namespace evenkeel::nn::init
