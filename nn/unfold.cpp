#include "evenkeel/nn/unfold.hpp"

#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

std::string Unfold::extra_repr() const {
  return concat("kernel_size=", repr_short(options.kernel_size), ", dilation=", repr_short(options.dilation),
                ", padding=", repr_short(options.padding), ", stride=", repr_short(options.stride));
}

std::string Fold::extra_repr() const {
  return concat("output_size=", repr_short(output_size), ", ", Unfold(options).extra_repr());
}

}  // namespace evenkeel::nn
