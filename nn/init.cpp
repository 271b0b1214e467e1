#include "evenkeel/nn/init.hpp"

#include "evenkeel/autograd/tensor.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace evenkeel::nn::init {

namespace {

Tensor& assign(Tensor& tensor, const Array& values) {
  tensor.mutable_array().copy_(values);
  return tensor;
}

/// The inverse of erf on (-1, 1): Winitzki's closed form (right to 2e-3), polished by Halley's iteration.
double erf_inverse(double x) {
  const double log_term = std::log1p(-x * x);
  const double k = 2 / (std::numbers::pi * 0.147) + log_term / 2;
  double y = std::copysign(std::sqrt(std::sqrt(k * k - log_term / 0.147) - k), x);
  for (int i = 0; i < 3; ++i) {
    const double error = std::erf(y) - x;
    y -= error / (2 * std::numbers::inv_sqrtpi * std::exp(-y * y) + y * error);
  }
  return y;
}

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    total += a[i] * b[i];
  }
  return total;
}

/// Gram-Schmidt, each vector twice against the ones before it so that rounding does not add up. Normal vectors of
/// positive length along their own direction give a uniform (Haar) result.
void orthonormalize(std::vector<Vector>& vectors) {
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    Vector& v = vectors[i];
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t j = 0; j < i; ++j) {
        const double along = dot(v, vectors[j]);
        for (std::size_t k = 0; k < v.size(); ++k) {
          v[k] -= along * vectors[j][k];
        }
      }
    }
    const double length = std::sqrt(dot(v, v));
    for (double& value : v) {
      value /= length;
    }
  }
}

}  // namespace

Tensor& uniform_(Tensor& tensor, Generator& generator, double low, double high) {
  return assign(tensor, random_uniform(tensor.shape(), generator, low, high, tensor.dtype()));
}

Tensor& normal_(Tensor& tensor, Generator& generator, double mean, double std) {
  return assign(tensor, random_normal(tensor.shape(), generator, mean, std, tensor.dtype()));
}

Tensor& trunc_normal_(Tensor& tensor, Generator& generator, double mean, double std, double low, double high) {
  require(std > 0 && low < high, "trunc_normal_", "std must be positive and low below high, got std=", std,
          ", low=", low, ", high=", high);
  const auto erf_at = [&](double value) { return std::erf((value - mean) / (std * std::numbers::sqrt2)); };
  Array values = random_uniform(tensor.shape(), generator, erf_at(low), erf_at(high), DType::float64);
  for (double& value : values.mutable_span<double>()) {
    value = std::clamp(mean + std * std::numbers::sqrt2 * erf_inverse(value), low, high);
  }
  return assign(tensor, values);
}

Tensor& constant_(Tensor& tensor, double value) {
  tensor.mutable_array().fill_(value);
  return tensor;
}

Tensor& ones_(Tensor& tensor) { return constant_(tensor, 1); }

Tensor& zeros_(Tensor& tensor) { return constant_(tensor, 0); }

Fans fan_in_and_fan_out(const Shape& shape) {
  require<ShapeError>(shape.rank() >= 2, "fan_in_and_fan_out", "the tensor must have at least 2 dims, got shape ",
                      shape);
  std::int64_t kernel = 1;
  for (int i = 2; i < shape.rank(); ++i) {
    kernel *= shape[i];
  }
  return {shape[1] * kernel, shape[0] * kernel};
}

double calculate_gain(Nonlinearity nonlinearity, double negative_slope) {
  switch (nonlinearity) {
    case Nonlinearity::tanh:
      return 5.0 / 3;
    case Nonlinearity::relu:
      return std::numbers::sqrt2;
    case Nonlinearity::leaky_relu:
      return std::sqrt(2 / (1 + negative_slope * negative_slope));
    case Nonlinearity::selu:
      return 3.0 / 4;
    default:
      return 1;
  }
}

namespace {

/// gain / sqrt(fan); 0 where nothing feeds the tensor, which then has no elements.
double kaiming_std(const Tensor& tensor, const KaimingOptions& options) {
  const Fans fans = fan_in_and_fan_out(tensor.shape());
  const std::int64_t fan = options.mode == FanMode::fan_in ? fans.in : fans.out;
  return fan == 0 ? 0 : calculate_gain(options.nonlinearity, options.a) / std::sqrt(static_cast<double>(fan));
}

double xavier_std(const Tensor& tensor, double gain) {
  const Fans fans = fan_in_and_fan_out(tensor.shape());
  return fans.in + fans.out == 0 ? 0 : gain * std::sqrt(2 / static_cast<double>(fans.in + fans.out));
}

}  // namespace

Tensor& xavier_uniform_(Tensor& tensor, Generator& generator, double gain) {
  const double bound = std::numbers::sqrt3 * xavier_std(tensor, gain);
  return uniform_(tensor, generator, -bound, bound);
}

Tensor& xavier_normal_(Tensor& tensor, Generator& generator, double gain) {
  return normal_(tensor, generator, 0, xavier_std(tensor, gain));
}

Tensor& kaiming_uniform_(Tensor& tensor, Generator& generator, KaimingOptions options) {
  const double bound = std::numbers::sqrt3 * kaiming_std(tensor, options);
  return uniform_(tensor, generator, -bound, bound);
}

Tensor& kaiming_normal_(Tensor& tensor, Generator& generator, KaimingOptions options) {
  return normal_(tensor, generator, 0, kaiming_std(tensor, options));
}

Tensor& orthogonal_(Tensor& tensor, Generator& generator, double gain) {
  require<ShapeError>(tensor.rank() >= 2, "orthogonal_", "the tensor must have at least 2 dims, got shape ",
                      tensor.shape());
  if (tensor.numel() == 0) {
    return tensor;
  }
  const std::int64_t rows = tensor.size(0);
  const std::int64_t columns = tensor.numel() / rows;
  const std::int64_t count = std::min(rows, columns);
  const std::int64_t length = std::max(rows, columns);
  const auto draws = random_normal({count, length}, generator, 0, 1, DType::float64).to_vector<double>();
  std::vector<Vector> vectors;
  for (auto first = draws.begin(); first != draws.end(); first += length) {
    vectors.emplace_back(first, first + length);
  }
  orthonormalize(vectors);
  Vector flat;
  for (const Vector& v : vectors) {
    std::transform(v.begin(), v.end(), std::back_inserter(flat), [gain](double value) { return gain * value; });
  }
  const Array matrix = Array::from(flat, {count, length});
  return assign(tensor, (rows > columns ? matrix.transpose(0, 1) : matrix).reshape(tensor.shape()));
}

void default_weight_and_bias_(Tensor& weight, Tensor& bias, Generator& generator) {
  kaiming_uniform_(weight, generator, {.a = std::sqrt(5.0)});
  if (bias.defined()) {
    const std::int64_t fan_in = fan_in_and_fan_out(weight.shape()).in;
    const double bound = fan_in == 0 ? 0 : 1 / std::sqrt(static_cast<double>(fan_in));
    uniform_(bias, generator, -bound, bound);
  }
}

}  // namespace evenkeel::nn::init
