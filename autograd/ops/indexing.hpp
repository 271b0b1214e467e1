#pragma once

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/tensor.hpp"

#include <concepts>
#include <initializer_list>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace evenkeel {

/// start, start + step, ... below stop: Python's start:stop:step. Negative ends count from the back; one that is not
/// given is the first or behind the last; both are clamped. step must be positive, as PyTorch's.
struct Slice {
  std::optional<std::int64_t> start = {}, stop = {};
  std::int64_t step = 1;
};
/// `ellipsis` among indices: all dims that the others leave, at most once. Python's "...".
struct Ellipsis {};
inline constexpr Ellipsis ellipsis{};
/// `newaxis` among indices: a new dim of size 1. Python's None.
struct NewAxis {};
inline constexpr NewAxis newaxis{};

/// One of the indices in x[{...}]: an integer, a Slice, ellipsis, newaxis, or a tensor (bool or int64). No bool: an
/// index true would be meant as a mask or as 1.
class Index {
 public:
  using Item = std::variant<std::int64_t, Slice, Ellipsis, NewAxis, Tensor>;

  template <std::integral T>
  requires(!std::same_as<T, bool>) Index(T position) : item_(static_cast<std::int64_t>(position)) {}
  Index(Slice slice) : item_(slice) {}
  Index(Ellipsis all) : item_(all) {}
  Index(NewAxis axis) : item_(axis) {}
  Index(Tensor tensor) : item_(std::move(tensor)) {}
  const Item& item() const { return item_; }

 private:
  Item item_;
};

/// What stands in the brackets: one index, or several in braces, or a vector of them.
class Indices {
 public:
  template <class T>
  requires std::convertible_to<const T&, Index> Indices(const T& one) : items_{Index(one)} {}
  Indices(std::initializer_list<Index> items) : items_(items) {}
  Indices(std::vector<Index> items) : items_(std::move(items)) {}
  const std::vector<Index>& items() const { return items_; }

 private:
  std::vector<Index> items_;
};

/// What x[indices] reads, by the rules of PyTorch. From left to right
///   an integer i takes element i of a dim, which goes (negative: from the back);
///   Slice{start, stop, step} keeps every step-th element of a dim, `ellipsis` dims as they are, `newaxis` adds one;
///   an int64 tensor takes those elements of a dim; one of rank 0 is an integer;
///   a bool tensor of rank r, the mask, takes the elements of r dims, whose sizes it has, where it is true.
/// Dims behind the last index stay. Without tensors the result is a view of x. With tensors it is a copy: all of them
/// broadcast to one shape, a mask as the r lists of its true elements' indices, and go through their dims together.
/// That shape stands in place of these dims where they are neighbours, and else in front. Throws for two ellipses, for
/// more indices than dims, for one out of range, for a mask of another shape, for tensors of other dtypes (uint8 is no
/// mask) and for those that do not broadcast.
Tensor index(const Tensor& x, const Indices& indices);
/// x[indices] = values, or with accumulate x[indices] += values: in place, see record_in_place for what is refused.
/// values broadcast to what index() reads, where dims of size 1 in front may be too many; beside tensors among the
/// indices they must have x's dtype. An element that tensors name several times becomes the last of its values, which
/// alone gets the gradient, or the sum.
Tensor& index_put_(Tensor& x, const Indices& indices, const Tensor& values, bool accumulate = false);
/// Writes `source`, broadcast to target's shape and converted to its dtype, into target. Nothing of the gradient goes
/// to what stood there. See record_in_place.
Tensor& copy_(Tensor& target, const Tensor& source);

/// What x[...] gives: the tensor index(x, ...), and while it has no name of its own an assignment to it writes into x:
///   x[0] = y;  x[{ellipsis, Slice{1, {}}}] *= 2;  x[isnan(x)] = 0;
/// A named one is a tensor as any other: `auto row = x[0]; row = y;` gives the name to y and leaves x alone. A number
/// takes x's dtype. Where reading would be a copy and take time that an assignment needs not, there is index_put_.
class IndexedTensor : public Tensor {
 public:
  IndexedTensor(Tensor whole, Indices indices);
  IndexedTensor(const IndexedTensor&) = default;

  IndexedTensor& operator=(const Tensor& other) &;
  IndexedTensor& operator=(const IndexedTensor& other) & = default;
  void operator=(const Tensor& values) &&;
  void operator=(const IndexedTensor& values) &&;
  void operator=(double value) &&;

  // x[...] = x[...] + value, and so on: an element that is named several times changes once, as in PyTorch.
  template <class Value>
  void operator+=(const Value& value) && {
    std::move(*this) = *this + value;
  }
  template <class Value>
  void operator-=(const Value& value) && {
    std::move(*this) = *this - value;
  }
  template <class Value>
  void operator*=(const Value& value) && {
    std::move(*this) = *this * value;
  }
  template <class Value>
  void operator/=(const Value& value) && {
    std::move(*this) = *this / value;
  }

 private:
  Tensor whole_;
  Indices indices_;
};

}  // namespace evenkeel
