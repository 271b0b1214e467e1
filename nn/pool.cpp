#include "evenkeel/nn/pool.hpp"

#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

namespace {

/// "kernel_size=2, stride=2, padding=0". As PyTorch prints them: of one axis, where `tuples` says so, "(2,)".
template <class Options>
std::string describe(const Options& o, bool tuples) {
  const auto print = [tuples](const auto& size) { return tuples ? repr(size) : repr_short(size); };
  return concat("kernel_size=", print(o.kernel_size), ", stride=", print(o.stride.value_or(o.kernel_size)),
                ", padding=", print(o.padding));
}

}  // namespace

template <int D>
MaxPool<D>::MaxPool(Options options) : options(options) {
  check_pool(class_name(typeid(MaxPool)), options);
}

template <int D>
std::string MaxPool<D>::extra_repr() const {
  return concat(describe(options, false), ", dilation=", repr_short(options.dilation),
                ", ceil_mode=", repr(options.ceil_mode));
}

template <int D>
MaxUnpool<D>::MaxUnpool(Options options) : options(options) {
  check_pool(class_name(typeid(MaxUnpool)), options);
}

template <int D>
std::string MaxUnpool<D>::extra_repr() const {
  return describe(options, true);
}

template <int D>
AvgPool<D>::AvgPool(Options options) : options(options) {
  check_pool(class_name(typeid(AvgPool)), options);
}

template <int D>
std::string AvgPool<D>::extra_repr() const {
  return describe(options, D == 1);
}

template <int D>
LPPool<D>::LPPool(Options options) : options(options) {
  check_pool(class_name(typeid(LPPool)), options);
}

template <int D>
std::string LPPool<D>::extra_repr() const {
  return concat("norm_type=", repr_number(options.norm_type), ", kernel_size=", repr_short(options.kernel_size),
                ", stride=", options.stride ? repr_short(*options.stride) : "None",
                ", ceil_mode=", repr(options.ceil_mode));
}

template <int D>
AdaptivePoolBase<D>::AdaptivePoolBase(const std::string& name, SizeND<D> output_size) : output_size(output_size) {
  check_pool(name, output_size);
}

template <int D>
std::string AdaptivePoolBase<D>::extra_repr() const {
  const auto side = [](std::int64_t size) { return size == 0 ? "None" : std::to_string(size); };
  if (D == 1 || (output_size == SizeND<D>(output_size[0]) && output_size[0] != 0)) {
    return concat("output_size=", side(output_size[0]));
  }
  std::string sides;
  for (int axis = 0; axis < D; ++axis) {
    sides += concat(axis == 0 ? "" : ", ", side(output_size[axis]));
  }
  return concat("output_size=(", sides, ")");
}

template class MaxPool<1>;
template class MaxPool<2>;
template class MaxPool<3>;
template class MaxUnpool<1>;
template class MaxUnpool<2>;
template class MaxUnpool<3>;
template class AvgPool<1>;
template class AvgPool<2>;
template class AvgPool<3>;
template class LPPool<1>;
template class LPPool<2>;
template class LPPool<3>;
template class AdaptivePoolBase<1>;
template class AdaptivePoolBase<2>;
template class AdaptivePoolBase<3>;

}  // namespace evenkeel::nn
