#include "evenkeel/core/nested_numbers.hpp"

namespace evenkeel {
namespace {

/// Of a mix of numbers.
DType wider(DType a, DType b) {
  const auto has = [&](DType dtype) { return a == dtype || b == dtype; };
  return has(DType::float32) ? DType::float32 : has(DType::int64) ? DType::int64 : DType::boolean;
}

}  // namespace

NestedNumbers::NestedNumbers(std::initializer_list<NestedNumbers> list)
    : shape_{static_cast<std::int64_t>(list.size())}, dtype_(list.size() == 0 ? DType::float32 : DType::boolean) {
  for (const NestedNumbers& part : list) {
    const Shape& first = list.begin()->shape_;
    require<ShapeError>(part.shape_ == first, "tensor", "lists in nested braces must have one shape, got ", first,
                        " and ", part.shape_);
    dtype_ = wider(dtype_, part.dtype_);
    numbers_.insert(numbers_.end(), part.numbers_.begin(), part.numbers_.end());
    integers_.insert(integers_.end(), part.integers_.begin(), part.integers_.end());
  }
  for (int d = 0; list.size() > 0 && d < list.begin()->shape_.rank(); ++d) {
    shape_.push_back(list.begin()->shape_[d]);
  }
}

Array NestedNumbers::array(DType dtype) const {
  const Array exact = is_floating(dtype_) ? Array::from(numbers_, shape_) : Array::from(integers_, shape_);
  return exact.to(dtype);
}

}  // namespace evenkeel
