#include "evenkeel/nn/upsample.hpp"

#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

namespace {

/// "2.0", "(2.0, 1.5)".
std::string repr(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) {
    text += concat(text.empty() ? "" : ", ", nn::repr(value));
  }
  return values.size() == 1 ? text : concat("(", text, ")");
}

}  // namespace

Upsample::Upsample(Options options) : options(std::move(options)) { check_interpolate("Upsample", this->options); }

std::string Upsample::extra_repr() const {
  const Shape& size = options.size;
  return concat(options.scale_factor.empty() ? concat("size=", size.rank() == 1 ? concat(size[0]) : nn::repr(size))
                                             : concat("scale_factor=", repr(options.scale_factor)),
                ", mode='", options.mode, "'");
}

UpsamplingNearest2d::UpsamplingNearest2d(const Options& options)
    : Upsample({.size = options.size, .scale_factor = options.scale_factor}) {}

UpsamplingBilinear2d::UpsamplingBilinear2d(const Options& options)
    : Upsample({.size = options.size,
                .scale_factor = options.scale_factor,
                .mode = Interpolation::bilinear,
                .align_corners = true}) {}

}  // namespace evenkeel::nn
