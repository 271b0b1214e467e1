#include "bench/support/roofline.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace evenkeel::bench {

namespace {

constexpr double kBytes = 4;  // float32

/// An op's name without the direction, and without the underscore of one in place.
struct OpName {
  explicit OpName(std::string_view text) : name(text), backward(text.ends_with(" backward")) {
    name.remove_suffix(backward ? std::string_view(" backward").size() : 0);
    name.remove_suffix(name.ends_with('_') ? 1 : 0);
  }
  template <std::size_t N>
  bool in(const std::array<std::string_view, N>& names) const {
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  std::string_view name;
  bool backward;
};

enum class OpClass { convolution, product, pool, norm, elementwise, arrangement, other };

double size_of(const std::optional<Shape>& shape) { return shape ? static_cast<double>(numel(*shape)) : 0; }

/// Elements of the inputs in all.
double inputs_size(const OpShapes& shapes) {
  return std::accumulate(shapes.inputs.begin(), shapes.inputs.end(), 0.0,
                         [](double sum, const std::optional<Shape>& shape) { return sum + size_of(shape); });
}

bool wanted(const OpShapes& shapes, std::size_t input) { return (shapes.wanted >> input & 1) != 0; }

/// Elements of the gradients that the op gives, from input `first` on.
double gradients_size(const OpShapes& shapes, std::size_t first = 0) {
  double sum = 0;
  for (std::size_t i = first; i < shapes.inputs.size(); ++i) {
    sum += wanted(shapes, i) ? size_of(shapes.inputs[i]) : 0;
  }
  return sum;
}

/// Inputs of the result's size.
std::int64_t full_inputs(const OpShapes& shapes) {
  const auto full = static_cast<double>(numel(shapes.result));
  return std::count_if(shapes.inputs.begin(), shapes.inputs.end(),
                       [full](const std::optional<Shape>& shape) { return size_of(shape) == full; });
}

OpClass class_of(const OpName& op, const OpShapes& shapes) {
  static constexpr std::array<std::string_view, 2> kConvolutions = {"conv2d", "conv_transpose2d"};
  static constexpr std::array<std::string_view, 3> kProducts = {"linear", "matmul", "gram"};
  static constexpr std::array<std::string_view, 7> kNorms = {
      "normalize_groups", "normalize_with", "sync_normalize", "group_moments", "power_norm", "softmax", "log_softmax"};
  static constexpr std::array<std::string_view, 17> kArrangements = {
      "reshape", "flatten",    "view",       "permute", "transpose", "select", "slice", "expand",      "squeeze",
      "cat",     "as_strided", "contiguous", "clone",   "pad",       "stack",  "split", "index_select"};
  if (op.in(kConvolutions)) {
    return OpClass::convolution;
  }
  if (op.in(kProducts)) {
    return OpClass::product;
  }
  if (op.in(kNorms)) {
    return OpClass::norm;
  }
  if (op.in(kArrangements)) {
    return OpClass::arrangement;
  }
  if (op.name.find("pool") != std::string_view::npos) {
    return OpClass::pool;
  }
  const auto full = static_cast<double>(numel(shapes.result));
  const bool fits = std::all_of(shapes.inputs.begin(), shapes.inputs.end(),
                                [full](const std::optional<Shape>& shape) { return size_of(shape) <= full; });
  return fits && (op.backward || full_inputs(shapes) > 0) ? OpClass::elementwise : OpClass::other;
}

/// Whether a convolution with that kernel may be cut into tiles of 4x4 outputs: 3x3 with stride 1, which is told by
/// more outputs than every second input.
bool tiles(const Shape& larger, const Shape& smaller, const Shape& weight) {
  const auto dense = [&](int dim) { return smaller[dim] > (larger[dim] + 1) / 2; };
  return weight[2] == 3 && weight[3] == 3 && dense(2) && dense(3);
}

/// Of the three products of a convolution each counts the same multiply-adds; what differs is the transforms.
double convolution_flops(const OpName& op, const OpShapes& shapes) {
  const bool transposed = op.name == "conv_transpose2d";
  const Shape& x = *shapes.inputs[0];
  const Shape& weight = *shapes.inputs[1];
  const Shape& y = shapes.result;
  // As of conv2d: from `in`, the larger images, to `out`; weight is (channels of out, channels of in / groups, 3, 3).
  const Shape& in = transposed ? y : x;
  const Shape& out = transposed ? x : y;
  const std::int64_t groups = std::max<std::int64_t>(1, in[1] / weight[1]);
  const double direct = 2 * static_cast<double>(numel(out)) * static_cast<double>(weight[1] * weight[2] * weight[3]);
  const auto cheapest = [&](const Shape& outputs, std::int64_t channels, bool filters) {
    return tiles(in, out, weight) ? std::min(direct, winograd_flops(outputs, channels / groups, groups, filters))
                                  : direct;
  };
  if (!op.backward) {
    return transposed ? cheapest(in, out[1], true) : cheapest(out, in[1], true);
  }
  double flops = 0;
  if (wanted(shapes, 0)) {  // with the filters as the forward pass transformed them
    flops += transposed ? cheapest(out, in[1], false) : cheapest(in, out[1], false);
  }
  if (wanted(shapes, 1)) {  // the filters' transform the other way round
    flops += cheapest(out, in[1], true);
  }
  return flops + (wanted(shapes, 2) ? static_cast<double>(numel(y)) : 0);
}

double product_flops(const OpName& op, const OpShapes& shapes) {
  const Shape& a = *shapes.inputs[0];
  const auto steps = static_cast<double>(op.name == "gram" ? numel(a) / a[1] : a[a.rank() - 1]);
  const double once = 2 * static_cast<double>(numel(shapes.result)) * steps;
  return op.backward ? once * std::popcount(shapes.wanted & 0b11) : once;
}

double flops_of(OpClass kind, const OpName& op, const OpShapes& shapes) {
  const bool has_factors = shapes.inputs.size() > 1 && shapes.inputs[0] && shapes.inputs[1];
  const auto result = static_cast<double>(numel(shapes.result));
  switch (kind) {
    case OpClass::convolution:
      return has_factors ? convolution_flops(op, shapes) : 0;
    case OpClass::product:
      return has_factors || (op.name == "gram" && shapes.inputs[0]) ? product_flops(op, shapes) : 0;
    case OpClass::norm: {
      const bool given = op.name == "normalize_with";
      return std::max(result, size_of(shapes.inputs[0])) * (op.backward ? (given ? 3 : 9) : (given ? 2 : 5));
    }
    case OpClass::elementwise:
      return result * static_cast<double>(std::max<std::size_t>(1, shapes.inputs.size()));
    case OpClass::arrangement:
      return 0;
    case OpClass::pool:
    case OpClass::other:
      return std::max(inputs_size(shapes), result);
  }
  return 0;
}

/// Bytes after ideal fusion.
void count_bytes(OpClass kind, const OpName& op, const OpShapes& shapes, OpWork& work) {
  const auto result = static_cast<double>(numel(shapes.result));
  const auto kept_inputs = static_cast<double>(shapes.kept_inputs);
  switch (kind) {
    case OpClass::arrangement:
      break;
    case OpClass::norm:
      if (op.backward) {
        work.bytes = kBytes * gradients_size(shapes, 1);
        work.kept_bytes = kept_inputs;
      } else {
        work.bytes = kBytes * (inputs_size(shapes) - size_of(shapes.inputs[0]));
      }
      break;
    case OpClass::elementwise:
      if (shapes.inputs.size() < 2) {
        break;
      }
      if (op.backward) {
        work.bytes = kBytes * gradients_size(shapes, 1);
        work.kept_bytes = kept_inputs;
      } else {
        work.bytes = kBytes * (inputs_size(shapes) - result + (full_inputs(shapes) > 1 ? result : 0));
      }
      break;
    case OpClass::convolution:
    case OpClass::product:
    case OpClass::pool:
    case OpClass::other:
      work.bytes = kBytes * (result + (op.backward ? gradients_size(shapes) : inputs_size(shapes)));
      work.kept_bytes = kept_inputs + static_cast<double>(shapes.kept_others);
      break;
  }
}

}  // namespace

double winograd_flops(const Shape& outputs, std::int64_t group_channels, std::int64_t groups, bool filters) {
  constexpr double kProducts = 2 * 36;  // per tile, channel and filter
  constexpr double kInput = 2 * 144;    // per tile and channel of x: 12 transforms of 6 numbers by 12 instructions each
  constexpr double kOutput = 2 * 100;   // per tile and channel of y: 10 transforms, 6 numbers to 4, 10 instructions
  constexpr double kFilter = 2 * 81;    // per filter and channel: 9 transforms, 3 numbers to 6, 9 instructions
  const auto tiles = static_cast<double>(outputs[0] * ((outputs[2] + 3) / 4) * ((outputs[3] + 3) / 4));
  const auto c = static_cast<double>(group_channels * groups), k = static_cast<double>(outputs[1]);
  const double pairs = k * static_cast<double>(group_channels);
  return tiles * (kProducts * pairs + kInput * c + kOutput * k) + (filters ? kFilter * pairs : 0);
}

OpWork work_of(const OpProfile::Row& row, std::int64_t parameters) {
  OpWork work;
  if (row.op == "optimizer step") {
    const auto count = static_cast<double>(parameters);
    work.flops = 4 * count;
    work.bytes = 5 * kBytes * count;  // reads parameter, gradient and momentum, writes parameter and momentum
    work.touched = 3 * kBytes * count;
  }
  if (row.shapes.inputs.empty()) {  // no op
    return work;
  }
  const OpName op(row.op);
  const OpShapes& shapes = row.shapes;
  const OpClass kind = class_of(op, shapes);
  work.flops = flops_of(kind, op, shapes);
  count_bytes(kind, op, shapes, work);
  work.kept_touched = static_cast<double>(shapes.kept_inputs + shapes.kept_others);
  work.touched = kBytes * (static_cast<double>(numel(shapes.result)) +
                           (op.backward ? gradients_size(shapes) : inputs_size(shapes))) +
                 work.kept_touched;
  return work;
}

std::vector<FloorRow> floor_of(const std::vector<OpProfile::Row>& rows, double steps, std::int64_t parameters,
                               const MachineRates& rates) {
  std::vector<FloorRow> result;
  double kept = 0;
  for (const OpProfile::Row& row : rows) {
    FloorRow& floor = result.emplace_back(FloorRow{.row = row, .work = work_of(row, parameters)});
    kept += floor.work.kept_touched * static_cast<double>(row.calls) / steps;
  }
  for (FloorRow& floor : result) {
    const OpWork& work = floor.work;
    const double by_bytes = 1e-6 * work.bytes / rates.copy(work.touched) +
                            1e-6 * work.kept_bytes / rates.copy(std::max(kept, work.touched));
    const double by_flops = 1e-6 * work.flops / rates.matrix;
    floor.by_memory = by_bytes > by_flops;
    floor.ms = std::max(by_bytes, by_flops) * static_cast<double>(floor.row.calls) / steps;
  }
  std::stable_sort(result.begin(), result.end(), [](const FloorRow& a, const FloorRow& b) { return a.ms > b.ms; });
  return result;
}

}  // namespace evenkeel::bench
