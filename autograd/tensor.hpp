#pragma once

#include "evenkeel/core/array.hpp"
#include "evenkeel/core/nested_numbers.hpp"
#include "evenkeel/core/random.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace evenkeel {

class IndexedTensor;
class Indices;
class Node;
class Tensor;

/// A function of a gradient, called when it is known; what it returns (unless undefined) replaces the gradient.
using Hook = std::function<Tensor(const Tensor& grad)>;

/// What autograd knows of a tensor, apart from its values; graph edges hold this, so that values nobody needs can go.
struct AutogradMeta;

/// What users see: a shared handle of an Array and, where gradients are wanted, its place in the graph. Copying a
/// Tensor copies the handle; a const one is a handle that stays on its tensor, whose gradient, hooks and flags can be
/// changed through it. A default-constructed Tensor is undefined.
class Tensor {
 public:
  Tensor() = default;
  /// A leaf around `array` (shared, not copied).
  explicit Tensor(Array array, bool requires_grad = false);
  /// A rank-0 constant is made where a number meets a tensor in an expression; see autograd/ops/arithmetic.hpp.

  bool defined() const { return impl_ != nullptr; }
  const Array& array() const;
  /// For writing into the values (optimizers, initialization); autograd notices through the storage's version.
  Array& mutable_array();
  /// Puts another array into a leaf, as PyTorch's `data =`: gradients must have its shape and dtype from now on, those
  /// of a backward() whose forward ran before included. Throws for results of ops and undefined arrays.
  void set_data(Array array) const;

  const Shape& shape() const { return array().shape(); }
  std::int64_t size(std::int64_t dim) const { return array().size(dim); }
  int rank() const { return array().rank(); }
  int dim() const { return rank(); }  ///< PyTorch's name of it
  std::int64_t numel() const { return array().numel(); }
  DType dtype() const { return array().dtype(); }
  /// The values in another dtype, differentiable between floating ones; this tensor if it has that dtype already.
  Tensor to(DType dtype) const;
  double item() const { return array().item(); }
  /// All elements in row-major order, of any dtype: x.to_vector<double>(); see Array::to_vector.
  template <class T>
  std::vector<T> to_vector() const {
    return array().to_vector<T>();
  }
  /// x[2], x[{0, ellipsis, Slice{1, 5}}], x[mask]: see autograd/ops/indexing.hpp. Assigning to it writes into x.
  IndexedTensor operator[](const Indices& indices);
  const Tensor operator[](const Indices& indices) const;

  bool requires_grad() const;
  /// Throws for non-float dtypes, and for turning it off on a tensor that an op made (use detach()).
  const Tensor& requires_grad_(bool requires_grad = true) const;
  /// True unless an op made it while recording.
  bool is_leaf() const;
  /// Name of the op that made it, "" for a leaf.
  std::string_view op_name() const;

  /// The accumulated gradient (undefined if none). Leaves have one after backward(), others if retain_grad() was
  /// called.
  const Tensor& grad() const;
  /// Throws unless shape and dtype equal this tensor's (or `grad` is undefined).
  void set_grad(Tensor grad) const;
  void retain_grad() const;
  /// set_to_none: grad() becomes undefined, else it is filled with 0.
  void zero_grad(bool set_to_none = true) const;
  /// Called with the gradient of this tensor, in order of registration; returns a number for remove_hook.
  std::size_t register_hook(Hook hook) const;
  void remove_hook(std::size_t id) const;

  /// Back-propagates from this tensor into the leaves' grad(). See autograd/engine.hpp.
  void backward(const Tensor& gradient = {}, bool retain_graph = false, bool create_graph = false) const;

  /// The same values outside the graph (storage shared). What in-place ops record later on one of the two is not known
  /// to the other: the detached one stays a constant; the other is refused by ops after a change that was recorded on
  /// the detached one.
  Tensor detach() const;
  /// The same handle as another's.
  bool is(const Tensor& other) const { return impl_ == other.impl_; }
  /// True if nothing else has this handle or its storage, so that its values may be reused.
  bool is_unshared() const { return impl_.use_count() == 1 && array().is_unshared(); }

  /// For the engine: place in the graph; null where no gradient is wanted.
  const std::shared_ptr<AutogradMeta>& meta() const;
  void set_meta(std::shared_ptr<AutogradMeta> meta) const;
  /// meta() is not null; looks for no news, so that it never throws.
  bool has_meta() const noexcept;

  /// True if it shows elements of another tensor's storage, by an op.
  bool is_view() const;
  /// True if an in-place op that was recorded on another handle changed the values, and this handle can't be related to
  /// that one: it is no view of it by ops that were recorded.
  bool outdated() const;
  /// For record(): this tensor is the result of a view op on `input`.
  void become_view_of(const Tensor& input) const;
  /// For record(): this tensor shares storage with an op's input, but is no view by OpInfo::view.
  void become_alias() const;
  /// For in-place ops: false if writing while recording would change what another handle's graph stands for.
  bool may_be_recorded_in_place() const;
  /// For in-place ops: what it is a view of; itself if of nothing.
  Tensor base() const;
  /// For in-place ops: the values were changed, and have this place in the graph. retain_grad() and grad() go with the
  /// tensor, hooks stay with the values that they were registered for.
  void move_to(std::shared_ptr<AutogradMeta> meta) const;

 private:
  struct Impl;
  explicit Tensor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  void catch_up() const;

  std::shared_ptr<Impl> impl_;
};

/// As PyTorch prints a tensor: the values, then "requires_grad=True" or "grad_fn=<op>".
std::string to_string(const Tensor& tensor);
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

/// Options of the factory functions.
struct TensorOptions {
  DType dtype = DType::float32;
  bool requires_grad = false;
};

Tensor zeros(const Shape& shape, TensorOptions options = {});
Tensor ones(const Shape& shape, TensorOptions options = {});
Tensor full(const Shape& shape, double value, TensorOptions options = {});
/// start, start + step, ... below `stop`, or 0, 1, ... below it. float32 unless the options say otherwise, also of
/// integers, of which PyTorch makes int64.
Tensor arange(double start, double stop, double step = 1, TensorOptions options = {});
Tensor arange(double stop, TensorOptions options = {});
/// Standard normal, uniform in [0, 1), integers in [low, high) (int64), a permutation of 0..n-1 (int64).
Tensor randn(const Shape& shape, Generator& generator, TensorOptions options = {});
Tensor rand(const Shape& shape, Generator& generator, TensorOptions options = {});
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator);
Tensor randperm(std::int64_t n, Generator& generator);
/// A tensor of the given values, row-major: tensor<double>({1, 2, 3, 4}, {2, 2}).
template <class T>
Tensor tensor(const std::vector<T>& values, const Shape& shape, bool requires_grad = false) {
  return Tensor(Array::from(values, shape), requires_grad);
}

/// Options where the dtype is that of what a tensor is made from, unless given.
struct InferredOptions {
  std::optional<DType> dtype = {};
  bool requires_grad = false;
};

/// The tensor of nested braces, or of one number: tensor({{1, 2}, {3, 4}}), tensor({0.5, 2}), tensor(3.5). As
/// torch.tensor it is float32 for floating numbers, doubles included, int64 for integers, bool for bools, and of a mix
/// the first of these that occurs. Throws ShapeError for lists of unequal length.
Tensor tensor(const NestedNumbers& numbers, const InferredOptions& options = {});

}  // namespace evenkeel
