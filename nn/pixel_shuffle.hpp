#pragma once

#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

/// (*, C r^2, H, W) -> (*, C, H r, W r) for r = upscale_factor; see autograd/ops/rearrange.hpp.
class PixelShuffle : public Layer {
 public:
  explicit PixelShuffle(std::int64_t upscale_factor);
  std::string extra_repr() const override { return concat("upscale_factor=", upscale_factor); }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<PixelShuffle>(upscale_factor); }
  Tensor forward(const Tensor& x) override;

  const std::int64_t upscale_factor;
};

/// (*, C, H r, W r) -> (*, C r^2, H, W) for r = downscale_factor, the inverse of PixelShuffle.
class PixelUnshuffle : public Layer {
 public:
  explicit PixelUnshuffle(std::int64_t downscale_factor);
  std::string extra_repr() const override { return concat("downscale_factor=", downscale_factor); }
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<PixelUnshuffle>(downscale_factor);
  }
  Tensor forward(const Tensor& x) override;

  const std::int64_t downscale_factor;
};

}  // namespace evenkeel::nn
