#include "evenkeel/nn/init.hpp"

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/matmul.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <span>

namespace evenkeel::nn::init {

namespace {

Tensor& assign(Tensor& tensor, const Array& values) {
  tensor.mutable_array().copy_(values);
  return tensor;
}

/// The standard normal distribution function, right to its last digits also far below 0.
double normal_below(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

/// Its inverse for p in (0, 1): Newton's iteration on the logarithm, which is concave, from a bound below the root, so
/// that it climbs to the root from one side.
double normal_quantile(double p) {
  if (p > 0.5) {
    return -normal_quantile(1 - p);
  }
  double z = -std::sqrt(-2 * std::log(p));
  for (int i = 0; i < 20; ++i) {
    const double below = normal_below(z);
    const double density = std::exp(-z * z / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
    const double step = std::log(p / below) * below / density;
    z += step;
    if (std::abs(step) <= 1e-15 * (1 + std::abs(z))) {
      break;
    }
  }
  return z;
}

/// Gram-Schmidt over rows that are contiguous.
void orthonormalize_block(Array& block) {
  const auto length = static_cast<std::size_t>(block.size(1));
  const std::span<double> values = block.mutable_span<double>();
  for (std::size_t i = 0; i < values.size(); i += length) {
    const auto v = values.subspan(i, length);
    for (std::size_t j = 0; j < i; j += length) {
      const auto u = values.subspan(j, length);
      const double along = std::inner_product(v.begin(), v.end(), u.begin(), 0.0);
      std::transform(v.begin(), v.end(), u.begin(), v.begin(), [along](double a, double b) { return a - along * b; });
    }
    const double size = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
    std::transform(v.begin(), v.end(), v.begin(), [size](double a) { return a / size; });
  }
}

/// Gram-Schmidt over rows, block after block, each twice against the rows before it so that rounding does not add up.
/// Normal rows of positive length along their own direction give a uniform (Haar) result.
void orthonormalize(Array& rows) {
  const std::int64_t per_block = 32, count = rows.size(0);
  for (std::int64_t first = 0; first < count; first += per_block) {
    Array block = rows.slice(0, first, first + per_block);
    const Array before = rows.slice(0, 0, first);
    for (int pass = 0; pass < 2; ++pass) {
      if (first > 0) {
        zip_<kernels::Subtract>(block, matmul(matmul(block, before.transpose(0, 1)), before));
      }
      orthonormalize_block(block);
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
  // Mirrored where all lies above the mean, since small probabilities keep their digits and those near 1 do not.
  const double sign = low > mean ? -1 : 1, ends[] = {(low - mean) * sign / std, (high - mean) * sign / std};
  const double first = normal_below(std::min(ends[0], ends[1])), last = normal_below(std::max(ends[0], ends[1]));
  const double least = 1e-305;  // of probabilities: below, doubles have fewer digits
  require(last > least, "trunc_normal_", "low and high must not both lie beyond 37 std from the mean, got std=", std,
          ", low=", low, ", high=", high);
  Array values = random_uniform(tensor.shape(), generator, first, last, DType::float64);
  for (double& value : values.mutable_span<double>()) {
    value = std::clamp(mean + sign * std * normal_quantile(std::max(value, least)), low, high);
  }
  return assign(tensor, values);
}

Tensor& constant_(Tensor& tensor, double value) {
  tensor.mutable_array().fill_(value);
  return tensor;
}

Tensor& ones_(Tensor& tensor) { return constant_(tensor, 1); }

Tensor& zeros_(Tensor& tensor) { return constant_(tensor, 0); }

Tensor& eye_(Tensor& tensor) {
  require<ShapeError>(tensor.rank() == 2, "eye_", "Only tensors with 2 dimensions are supported, got shape ",
                      tensor.shape());
  const std::int64_t columns = tensor.size(1);
  Array values = Array::zeros(tensor.shape(), DType::float64);
  for (std::int64_t i = 0; i < std::min(tensor.size(0), columns); ++i) {
    values.mutable_span<double>()[static_cast<std::size_t>(i * columns + i)] = 1;
  }
  return assign(tensor, values);
}

Tensor& dirac_(Tensor& tensor, std::int64_t groups) {
  const int rank = tensor.rank();
  require<ShapeError>(rank >= 3 && rank <= 5, "dirac_",
                      "Only tensors with 3, 4, or 5 dimensions are supported, got shape ", tensor.shape());
  require(groups >= 1 && tensor.size(0) % groups == 0, "dirac_", "dim 0 must be divisible by groups, got ",
          tensor.size(0), " and ", groups);
  std::int64_t kernel = 1, center = 0;  // elements of one, and the place of its middle
  for (int d = 2; d < rank; ++d) {
    kernel *= tensor.size(d);
    center = center * tensor.size(d) + tensor.size(d) / 2;
  }
  const std::int64_t inputs = tensor.size(1), per_group = tensor.size(0) / groups;
  Array values = Array::zeros(tensor.shape(), DType::float64);
  for (std::int64_t i = 0; i < groups * std::min(per_group, inputs) && kernel > 0; ++i) {
    const std::int64_t group = i / std::min(per_group, inputs), channel = i % std::min(per_group, inputs);
    const std::int64_t filter = (group * per_group + channel) * inputs + channel;
    values.mutable_span<double>()[static_cast<std::size_t>(filter * kernel + center)] = 1;
  }
  return assign(tensor, values);
}

Tensor& sparse_(Tensor& tensor, Generator& generator, double sparsity, double std) {
  require<ShapeError>(tensor.rank() == 2, "sparse_", "Only tensors with 2 dimensions are supported, got shape ",
                      tensor.shape());
  require(sparsity >= 0 && sparsity <= 1, "sparse_", "sparsity must lie in [0, 1], got ", sparsity);
  const std::int64_t rows = tensor.size(0), columns = tensor.size(1);
  const auto dropped = static_cast<std::size_t>(std::ceil(sparsity * static_cast<double>(rows)));
  Array values = random_normal(tensor.shape(), generator, 0, std, DType::float64);
  for (std::int64_t column = 0; column < columns; ++column) {
    const auto order = random_permutation(rows, generator).to_vector<std::int64_t>();
    for (std::size_t i = 0; i < dropped; ++i) {
      values.mutable_span<double>()[static_cast<std::size_t>(order[i] * columns + column)] = 0;
    }
  }
  return assign(tensor, values);
}

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
  Array matrix = random_normal({count, length}, generator, 0, 1, DType::float64);
  orthonormalize(matrix);
  map_<kernels::MulScalar>(matrix, {.a = gain});
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
