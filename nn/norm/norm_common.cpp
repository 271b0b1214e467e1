#include "evenkeel/nn/norm/norm_common.hpp"

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/strided.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace evenkeel::nn {
namespace {

void check_defined(const Module& layer, const Tensor& x) {
  if (!x.defined()) {
    fail(layer.type_name(), "the input is an undefined tensor");
  }
}

/// "4D", "2D or 3D", "at least 2D"
std::string text(RankRange ranks) {
  return ranks.min == ranks.max       ? concat(ranks.min, "D")
         : ranks.min + 1 == ranks.max ? concat(ranks.min, "D or ", ranks.max, "D")
                                      : concat("at least ", ranks.min, "D");
}

/// (C) as it meets (N, C, *) of that rank.
Tensor per_channel(const Tensor& parameter, int rank) {
  Shape shape = Shape::filled(rank, 1);
  shape[1] = parameter.numel();
  return reshape(parameter, shape);
}

}  // namespace

// ---- Options

void check_eps(std::string_view layer, std::optional<double> eps) {
  require(!eps || (*eps >= 0 && std::isfinite(*eps)), layer, "eps must be at least 0, got ", eps.value_or(0));
}

void check_momentum(std::string_view layer, std::optional<double> momentum) {
  require(!momentum || (*momentum >= 0 && *momentum <= 1), layer, "momentum must lie in [0, 1], got ",
          momentum.value_or(0),
          "; it weighs the new value: running = (1 - momentum) * running + momentum * batch. Keras and Flax give the "
          "old value's weight m: pass 1 - m (0.01 for their 0.99)");
}

std::int64_t checked_channels(std::string_view layer, std::string_view name, std::int64_t value) {
  require(value > 0, layer, name, " must be positive, got ", value);
  return value;
}

std::optional<std::int64_t> given_groups(std::string_view layer, std::int64_t channels,
                                         std::optional<std::int64_t> num_groups,
                                         std::optional<std::int64_t> channels_per_group) {
  if (!channels_per_group) {
    return num_groups;
  }
  require(!num_groups, layer, "num_groups or channels_per_group must be given, not both, got ", num_groups.value_or(0),
          " and ", *channels_per_group);
  require(*channels_per_group > 0 && channels % *channels_per_group == 0, layer,
          "the number of channels must be divisible by channels_per_group, got ", channels, " channels and ",
          *channels_per_group, " per group");
  return channels / *channels_per_group;
}

std::int64_t checked_groups(std::string_view layer, std::int64_t channels, std::optional<std::int64_t> num_groups,
                            std::optional<std::int64_t> channels_per_group) {
  const std::int64_t chosen = choose_gn_groups(channels);
  const std::int64_t count = given_groups(layer, channels, num_groups, channels_per_group).value_or(chosen);
  require(count > 0 && channels % count == 0, layer, "the number of channels must be divisible by num_groups, got ",
          channels, " channels and ", count, " groups; choose_gn_groups(", channels, ") gives ", chosen);
  return count;
}

std::string single_channel_remark(std::int64_t num_groups, std::int64_t num_channels, std::string_view equal) {
  return num_groups == num_channels && num_channels > 1 ? concat("one channel per group, as ", equal) : "";
}

Array value_if(bool wanted, const Shape& shape, double value) { return wanted ? Array::full(shape, value) : Array(); }

// ---- Input

void check_rank(const Module& layer, const Tensor& x, RankRange ranks) {
  check_defined(layer, x);
  if (x.rank() < ranks.min || x.rank() > ranks.max) {
    fail<ShapeError>(layer.type_name(), "expected ", text(ranks), " input (got ", x.rank(), "D input of shape ",
                     x.shape(), ")");
  }
}

void check_channels(const Module& layer, const Tensor& x, std::int64_t channels, RankRange ranks) {
  check_rank(layer, x, ranks);
  if (x.size(1) != channels) {
    fail<ShapeError>(layer.type_name(), "expected ", channels, " channels, got ", x.size(1), " (input of shape ",
                     x.shape(), ")");
  }
}

void check_channels_at(const Module& layer, const Tensor& x, std::int64_t channels, bool channels_last) {
  check_rank(layer, x, {channels_last ? 1 : 2});
  const int dim = channels_last ? -1 : 1;
  if (const std::int64_t size = x.size(dim); size != channels) {
    fail<ShapeError>(layer.type_name(), "expected ", channels, " channels at dim ", dim, ", got ", size,
                     " (input of shape ", x.shape(), ")");
  }
}

void check_count(const Module& layer, const Tensor& x, std::int64_t elements, std::string_view per) {
  if (elements == 1) {
    fail<ShapeError>(layer.type_name(), "Expected more than 1 value per ", per, " when training, got input size ",
                     x.shape());
  }
}

void check_dtype(const Module& layer, const Tensor& x, const Tensor& parameter) {
  if (parameter.defined() && x.dtype() != parameter.dtype()) {
    fail<DtypeError>(layer.type_name(), "expected ", parameter.dtype(), " input, as a parameter of the layer is, got ",
                     x.dtype(), " of shape ", x.shape());
  }
}

std::int64_t spatial_size(const Shape& shape) {
  std::int64_t size = 1;
  for (int d = 2; d < shape.rank(); ++d) {
    size *= shape[d];
  }
  return size;
}

const Shape& checked_normalized_shape(std::string_view layer, const Shape& shape) {
  require(!shape.empty() && std::all_of(shape.begin(), shape.end(), [](std::int64_t size) { return size > 0; }), layer,
          "normalized_shape must have at least one size and only positive ones, got ", shape);
  return shape;
}

std::string trailing_mismatch(const Shape& x, const Shape& normalized_shape) {
  const int start = x.rank() - normalized_shape.rank();
  if (start >= 0 && std::equal(normalized_shape.begin(), normalized_shape.end(), x.begin() + start)) {
    return "";
  }
  std::string sizes = "[*";
  for (const std::int64_t size : normalized_shape) {
    sizes += ", " + std::to_string(size);
  }
  return concat("Given normalized_shape=", normalized_shape, ", expected input with shape ", sizes,
                "], but got input of size ", x);
}

void check_trailing(const Module& layer, const Tensor& x, const Shape& normalized_shape) {
  check_defined(layer, x);
  if (const std::string mismatch = trailing_mismatch(x.shape(), normalized_shape); !mismatch.empty()) {
    fail<ShapeError>(layer.type_name(), mismatch.c_str());  // the message's own words
  }
}

// ---- Formulas

Tensor normalize_pixels(const Tensor& x, const Tensor& weight, const Tensor& bias, const Normalization& how,
                        const FusedActivation& activation) {
  const std::int64_t pixels = spatial_size(x.shape());
  return normalize_groups(x, weight, bias, {x.size(0), x.size(1), pixels, 1}, {x.size(1), pixels}, how, activation).y;
}

Tensor scale_and_shift(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (!weight.defined() && !bias.defined()) {
    return x;
  }
  const std::int64_t channels = x.size(1);
  if (x.numel() == 0) {
    const Tensor y = weight.defined() ? x * per_channel(weight, x.rank()) : x;
    return bias.defined() ? y + per_channel(bias, x.rank()) : y;
  }
  // One pass each way, instead of four and sums over two of them: as if standardized by mean 0 and variance 1.
  const Tensor mean(Array::zeros({channels}, x.dtype()));
  const Tensor var(Array::ones({channels}, x.dtype()));
  return normalize_with(x, mean, var, weight, bias, {channels, x.numel() / (x.size(0) * channels)}, 0);
}

Tensor empty_output(const Tensor& x, std::initializer_list<Tensor> parameters) {
  Tensor y = x * 1.0;
  for (const Tensor& parameter : parameters) {
    if (parameter.defined()) {
      y = y + sum(parameter) * 0.0;
    }
  }
  return y;
}

Tensor in_double(const Tensor& x) { return x.dtype() == DType::float64 ? clone(x) : to(x, DType::float64); }

Tensor times_weight(const Tensor& scale, const Tensor& weight) {
  if (!weight.defined()) {
    return scale;
  }
  const std::int64_t channels = weight.numel();
  const Tensor w = in_double(weight);
  return scale.numel() == 1 ? scale * w : flatten(reshape(scale, {scale.numel() / channels, channels}) * w);
}

// ---- Running statistics

namespace {

/// count elements of `running`, `stride` apart, of which the first is element `at` of `news`.
template <class T>
void move_run(T* running, std::int64_t stride, std::int64_t count, std::span<const double> news, std::int64_t at,
              std::int64_t size, const Move& move, double t) {
  const double samples = static_cast<double>(news.size()) / static_cast<double>(size);
  for (std::int64_t c = 0; c < count; ++c) {
    double sum = 0;
    for (auto i = static_cast<std::size_t>(at + c); i < news.size(); i += static_cast<std::size_t>(size)) {
      sum += news[i];
    }
    T& value = running[c * stride];
    value = static_cast<T>((1 - t) * static_cast<double>(value) + t * (sum / samples * move.factor));
  }
}

template <class T>
void move_values(Array& running, std::span<const double> news, const Move& move, double t) {
  T* values = running.mutable_data<T>();
  if (running.is_contiguous()) {
    move_run(values, 1, running.numel(), news, 0, running.numel(), move, t);
    return;
  }
  const StridedLoop<1> loop = collapse<1>(running.shape(), {running.strides()});
  std::int64_t at = 0;
  for_each_run(loop, 0, running.numel(), [&](const std::array<std::int64_t, 1>& offsets, std::int64_t count) {
    move_run(values + offsets[0], loop.strides[0].back(), count, news, at, running.numel(), move, t);
    at += count;
  });
}

}  // namespace

double next_batch_weight(const Tensor& num_batches_tracked, std::optional<double> momentum) {
  return momentum ? *momentum : 1 / static_cast<double>(num_batches_tracked.array().item_int64() + 1);
}

void move_toward(std::initializer_list<Move> moves, double t) {
  std::array<Array, 4> batches;
  require(moves.size() <= batches.size(), "running statistics", "at most ", batches.size(), " move at once, got ",
          moves.size());
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const Move& move = moves.begin()[i];
    const Array& running = move.running.array();
    require<DtypeError>(is_floating(running.dtype()), "running statistics", "they must be float32 or float64, got ",
                        running.dtype());
    require(!running.has_overlap(), "running statistics", "elements of theirs share memory (shape ", running.shape(),
            ", strides ", running.strides(), "), so they can't be written; clone() them first");
    batches[i] = move.batch.to(DType::float64).contiguous();
  }
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const Move& move = moves.begin()[i];
    Array& running = move.running.mutable_array();
    dispatch_float(running.dtype(), "running statistics",
                   [&]<class T>() { move_values<T>(running, batches[i].span<double>(), move, t); });
  }
}

void move_and_count(std::initializer_list<Move> moves, Tensor& num_batches_tracked, std::optional<double> momentum) {
  move_toward(moves, next_batch_weight(num_batches_tracked, momentum));
  ++*num_batches_tracked.mutable_array().mutable_data<std::int64_t>();
}

}  // namespace evenkeel::nn
