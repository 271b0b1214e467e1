#include "evenkeel/nn/pixel_shuffle.hpp"

#include "evenkeel/autograd/ops/rearrange.hpp"

namespace evenkeel::nn {
namespace {

std::int64_t checked_factor(const char* layer, const char* name, std::int64_t factor) {
  require(factor > 0, layer, name, " must be positive, got ", factor);
  return factor;
}

}  // namespace

PixelShuffle::PixelShuffle(std::int64_t upscale_factor)
    : upscale_factor(checked_factor("PixelShuffle", "upscale_factor", upscale_factor)) {}

Tensor PixelShuffle::forward(const Tensor& x) { return pixel_shuffle(x, upscale_factor); }

PixelUnshuffle::PixelUnshuffle(std::int64_t downscale_factor)
    : downscale_factor(checked_factor("PixelUnshuffle", "downscale_factor", downscale_factor)) {}

Tensor PixelUnshuffle::forward(const Tensor& x) { return pixel_unshuffle(x, downscale_factor); }

}  // namespace evenkeel::nn
