#pragma once

#include "evenkeel/autograd/ops/interpolate.hpp"
#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// interpolate() as a layer; formulas and shapes stand in autograd/ops/interpolate.hpp.
///   Upsample({.scale_factor = {2}, .mode = Interpolation::bilinear})
class Upsample : public Layer {
 public:
  using Options = InterpolateOptions;
  explicit Upsample(Options options);
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Upsample>(options); }
  Tensor forward(const Tensor& x) override { return interpolate(x, options); }

  const Options options;
};

/// Where UpsamplingNearest2d and UpsamplingBilinear2d go: one of both, as in InterpolateOptions.
struct UpsamplingOptions {
  Shape size = {};
  std::vector<double> scale_factor = {};
};

/// Upsample by the nearest cell.
class UpsamplingNearest2d : public Upsample {
 public:
  using Options = UpsamplingOptions;
  explicit UpsamplingNearest2d(const Options& options);
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<UpsamplingNearest2d>(Options{options.size, options.scale_factor});
  }
};

/// Upsample by bilinear interpolation with align_corners.
class UpsamplingBilinear2d : public Upsample {
 public:
  using Options = UpsamplingOptions;
  explicit UpsamplingBilinear2d(const Options& options);
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<UpsamplingBilinear2d>(Options{options.size, options.scale_factor});
  }
};

}  // namespace evenkeel::nn
