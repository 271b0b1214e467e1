#include "evenkeel/autograd/window.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/core/reduce.hpp"

namespace evenkeel {
namespace {

std::int64_t extent(const Array& x) {
  std::int64_t last = 0;
  for (int d = 0; d < x.rank(); ++d) {
    last += (x.shape()[d] - 1) * x.strides()[d];
  }
  return x.numel() == 0 ? 0 : last + 1;
}

}  // namespace

Window::Window(const Array& whole, const Array& view)
    : whole_shape_(whole.shape()),
      whole_strides_(whole.strides()),
      shape_(view.shape()),
      strides_(view.strides()),
      offset_(view.offset() - whole.offset()),
      extent_(extent(whole)) {
  require<ShapeError>(offset_ >= 0 && offset_ + extent(view) <= extent_, "view", "a view of shape ", shape_,
                      ", strides ", strides_, " at ", offset_, " reaches beyond the ", extent_,
                      " elements of what it views");
}

bool Window::is_all() const { return numel(shape_) == numel(whole_shape_); }

Array Window::laid_out(const Array& x, bool writable) const {
  if (!writable && whole_strides_ == contiguous_strides(whole_shape_)) {
    return x.contiguous();
  }
  const Array memory = Array::zeros({extent_}, x.dtype());
  Array result = memory.as_strided(whole_shape_, whole_strides_, 0);
  result.copy_(x);
  return result;
}

Array Window::window_in(const Array& whole, const Shape& shape) const {
  return whole.as_strided(shape, strides_, whole.offset() + offset_);
}

Tensor Window::of(const Tensor& x) const {
  return record({.name = "as_strided", .inputs = {x}}, window_in(laid_out(x.array(), false), shape_),
                [self = *this](const Saved&, const Tensor& dy) -> Grads { return {self.put_into_zeros(dy)}; });
}

Tensor Window::cut_from(const Tensor& x) const {
  Array y = laid_out(x.array(), true);
  window_in(y, shape_).fill_(0);
  return record({.name = "copy_slices_backward", .inputs = {x}}, std::move(y),
                [self = *this](const Saved&, const Tensor& dy) -> Grads { return {self.cut_from(dy)}; });
}

Tensor Window::put_into_zeros(const Tensor& x) const {
  Shape distinct = shape_;  // without the dims along which the view repeats itself
  for (int d = 0; d < shape_.rank(); ++d) {
    distinct[d] = strides_[d] == 0 && shape_[d] > 1 ? 1 : shape_[d];
  }
  Array y = Array::zeros({extent_}, x.dtype()).as_strided(whole_shape_, whole_strides_, 0);
  window_in(y, distinct).copy_(sum_to(x.array(), distinct));
  return record({.name = "as_strided_backward", .inputs = {x}}, std::move(y),
                [self = *this](const Saved&, const Tensor& dy) -> Grads { return {self.of(dy)}; });
}

}  // namespace evenkeel
