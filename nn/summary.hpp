#pragma once

#include "evenkeel/nn/module.hpp"

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace evenkeel::nn {

/// One module of a model.
struct LayerSummary {
  std::string name;  ///< full; empty for the model itself
  std::string type;
  std::vector<Shape> inputs, outputs;  ///< of the last call
  std::int64_t calls = 0;              ///< 0: it never ran
  std::int64_t parameters = 0;         ///< elements of its own, not its children's; a tied parameter counts once
  std::int64_t macs = 0;  ///< multiply-adds of its own in all calls (convolutions and Linear; others count 0)
  std::int64_t parameter_bytes = 0;  ///< own parameters and buffers
  std::int64_t output_bytes = 0;     ///< of a layer without children; 0 if the output shares its input's memory
  /// The activation behind a norm that could run it in its op and did not: "relu" for relu(bn(x)), which
  /// bn(x, nn::relu) spares; else empty.
  std::string apart;
  std::string remark;  ///< remarks() of the module: "one channel per group, as InstanceNorm", "statistics frozen"
};

struct Summary {
  std::vector<LayerSummary> layers;  ///< the model, then everything below it, depth first
  std::int64_t trainable_parameters = 0;
  /// The sum of one column.
  std::int64_t total(std::int64_t LayerSummary::*column) const;
};

/// The floating dtype that the model computes in: that of its first parameter; float32 if it has none.
DType parameter_dtype(const Module& model);

/// Runs the model once on zeros of `input_shape` (batch included), in eval mode and without recording, and lists what
/// each layer made. Changes nothing: modes, statistics, gradients and generators are as before, also when it throws.
Summary summary(Layer& model, const Shape& input_shape);
/// The same for a model of other arguments: `run` calls it, by call(model, ...) or any of its parts.
Summary summary(Module& model, const std::function<void()>& run);

/// How many layers of each type in the model have which remark (Module::remark): "GroupNorm: 13 of 19 have one channel
/// per group, as InstanceNorm", "Conv2d: 2 of 2 have parameters frozen".
std::vector<std::string> remark_counts(const Module& model);

/// A table with one line per layer, and the totals. Behind it, what is marked there: "*", a norm that could run the
/// activation behind it; "+", layers with remarks, counted.
std::string to_string(const Summary& summary);
std::ostream& operator<<(std::ostream& out, const Summary& summary);

}  // namespace evenkeel::nn
