#include "evenkeel/nn/pool.hpp"

#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

namespace {

/// Checks at construction what max_pool2d and avg_pool2d would say at the first input.
template <class Options>
Options checked(const char* layer, const Options& p) {
  const Size2 stride = p.stride.value_or(p.kernel_size);
  require(p.kernel_size.h >= 1 && p.kernel_size.w >= 1, layer, "kernel_size must be positive, got ",
          repr(p.kernel_size));
  require(stride.h >= 1 && stride.w >= 1, layer, "stride must be positive, got ", repr(stride));
  require(
      p.padding.h >= 0 && p.padding.w >= 0 && 2 * p.padding.h <= p.kernel_size.h && 2 * p.padding.w <= p.kernel_size.w,
      layer, "padding must be at most half of kernel_size, got ", repr(p.padding), " and ", repr(p.kernel_size));
  return p;
}

template <class Options>
std::string describe(const Options& p) {
  return concat("kernel_size=", repr_short(p.kernel_size), ", stride=", repr_short(p.stride.value_or(p.kernel_size)),
                ", padding=", repr_short(p.padding));
}

}  // namespace

MaxPool2d::MaxPool2d(MaxPool2dOptions options) : options(checked("MaxPool2d", options)) {
  require(options.dilation.h >= 1 && options.dilation.w >= 1, "MaxPool2d", "dilation must be positive, got ",
          repr(options.dilation));
}

std::string MaxPool2d::extra_repr() const {
  return concat(describe(options), ", dilation=", repr_short(options.dilation),
                ", ceil_mode=", repr(options.ceil_mode));
}

AvgPool2d::AvgPool2d(AvgPool2dOptions options) : options(checked("AvgPool2d", options)) {
  require(options.divisor_override != 0, "AvgPool2d", "divisor must be not zero");
}

std::string AvgPool2d::extra_repr() const { return describe(options); }

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Size2 output_size) : output_size(output_size) {
  require(output_size.h >= 0 && output_size.w >= 0, "AdaptiveAvgPool2d", "output_size must not be negative, got ",
          repr(output_size));
}

std::string AdaptiveAvgPool2d::extra_repr() const {
  const auto side = [](std::int64_t size) { return size == 0 ? "None" : std::to_string(size); };
  const auto [h, w] = output_size;
  return concat("output_size=", h == w && h != 0 ? side(h) : concat("(", side(h), ", ", side(w), ")"));
}

}  // namespace evenkeel::nn
