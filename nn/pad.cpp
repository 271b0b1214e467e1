#include "evenkeel/nn/pad.hpp"

#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

template <int D>
std::string PadBase<D>::extra_repr() const {
  return repr(padding);
}

template <int D>
Tensor PadBase<D>::forward(const Tensor& x) {
  std::vector<std::int64_t> numbers(std::size_t{2} * D);
  for (int i = 0; i < 2 * D; ++i) {
    numbers[static_cast<std::size_t>(i)] = padding[i];
  }
  return pad(x, numbers, mode, value);
}

template <int D>
std::string ConstantPad<D>::extra_repr() const {
  return concat("padding=", this->padding, ", value=", repr_number(this->value));
}

template class PadBase<1>;
template class PadBase<2>;
template class PadBase<3>;
template class ConstantPad<1>;
template class ConstantPad<2>;
template class ConstantPad<3>;

}  // namespace evenkeel::nn
