#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

/// Where elements of an array, a view, lie among all of them; and the ops with which gradients follow an in-place op on
/// one of the two to the other. Differentiable: of() and put_into_zeros() are adjoints, cut_from() is its own.
class Window {
 public:
  /// Throws unless `view` shows elements of `whole`'s storage between whole's first and last.
  Window(const Array& whole, const Array& view);

  /// The view covers all elements.
  bool is_all() const;
  /// The window of x, which has the whole's shape.
  Tensor of(const Tensor& x) const;
  /// x with zeros in the window. The view must have no overlap.
  Tensor cut_from(const Tensor& x) const;
  /// Zeros of the whole's shape with x, which has the view's shape, in the window; elements that the view shows more
  /// than once get the sum.
  Tensor put_into_zeros(const Tensor& x) const;

 private:
  /// The whole, laid out as it is in its storage, with values of `x`; `writable`: in memory of its own.
  Array laid_out(const Array& x, bool writable) const;
  /// The view of what laid_out() gives.
  Array window_in(const Array& whole, const Shape& shape) const;

  Shape whole_shape_, whole_strides_, shape_, strides_;
  std::int64_t offset_ = 0;  ///< of the view in the whole
  std::int64_t extent_ = 0;  ///< elements from the whole's first to its last
};

}  // namespace evenkeel
