#include "evenkeel/autograd/tensor.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/indexing.hpp"
#include "evenkeel/core/pooled.hpp"
#include "evenkeel/core/print.hpp"

#include <atomic>
#include <ostream>

namespace evenkeel {

struct Tensor::Impl {
  explicit Impl(Array values)
      : array(std::move(values)), storage(array.storage().get()), seen(array.storage()->recorded) {}

  bool is_behind() const { return array.storage() != nullptr && array.storage()->recorded != seen; }

  /// How it came by storage that others have, where that matters for in-place ops.
  enum class Origin : std::uint8_t { plain, detached, hidden_view, alias };

  Array array;
  std::shared_ptr<AutogradMeta> meta;
  std::shared_ptr<Impl> base;     // what this is a view of, by ops that were recorded or could have been
  const Storage* storage;         // the storage that `seen` counts for; the array may be replaced
  std::uint64_t seen;             // Storage::recorded, as far as `meta` tells of it
  Origin origin = Origin::plain;  // hidden_view: made under NoGradGuard of what requires gradients
  std::vector<std::weak_ptr<AutogradMeta>, PoolAllocator<std::weak_ptr<AutogradMeta>>> former;  // with hooks
};

namespace {

/// The meta to hang gradients and hooks on, made when first needed.
AutogradMeta& ensure_meta(const Tensor& tensor) {
  if (!tensor.meta()) {
    tensor.set_meta(make_pooled<AutogradMeta>(tensor.array(), false));
  }
  return *tensor.meta();
}

Tensor make(Array array, const TensorOptions& options) { return Tensor(std::move(array), options.requires_grad); }

}  // namespace

Tensor::Tensor(Array array, bool requires_grad) {
  if (!array.defined()) {
    require(!requires_grad, "Tensor", "an undefined array can't require gradients");
    return;
  }
  impl_ = make_pooled<Impl>(std::move(array));
  if (requires_grad) {
    requires_grad_();
  }
}

const Array& Tensor::array() const {
  require(defined(), "Tensor", "this tensor is undefined");
  return impl_->array;
}

Array& Tensor::mutable_array() {
  require(defined(), "Tensor", "this tensor is undefined");
  return impl_->array;
}

void Tensor::set_data(Array array) const {
  require(is_leaf() && defined() && array.defined(), "set_data", "takes a defined array for a leaf");
  impl_->array = std::move(array);
  if (impl_->meta) {
    impl_->meta->dtype = impl_->array.dtype();
    impl_->meta->shape = impl_->array.shape();
  }
}

Tensor Tensor::to(DType dtype) const { return evenkeel::to(*this, dtype); }

IndexedTensor Tensor::operator[](const Indices& indices) { return {*this, indices}; }

const Tensor Tensor::operator[](const Indices& indices) const { return index(*this, indices); }

bool Tensor::requires_grad() const {
  const std::shared_ptr<AutogradMeta>& place = meta();
  return place && place->requires_grad;
}

const Tensor& Tensor::requires_grad_(bool requires_grad) const {
  require<DtypeError>(!requires_grad || is_floating(dtype()), "requires_grad_",
                      "only Tensors of floating point dtype can require gradients, this one is ", dtype());
  require<StateError>(requires_grad || is_leaf(), "requires_grad_",
                      "you can only change requires_grad flags of leaf variables; this is the result of '", op_name(),
                      "': use detach()");
  if (requires_grad || impl_->meta) {
    ensure_meta(*this).requires_grad = requires_grad;
  }
  return *this;
}

bool Tensor::is_leaf() const { return !meta() || !meta()->node; }

std::string_view Tensor::op_name() const { return is_leaf() ? std::string_view() : meta()->node->name; }

const Tensor& Tensor::grad() const {
  static const Tensor undefined;
  return meta() ? meta()->grad : undefined;
}

void Tensor::set_grad(Tensor grad) const {
  if (!grad.defined()) {
    if (meta()) {
      meta()->grad = Tensor();
    }
    return;
  }
  require<ShapeError>(grad.shape() == shape(), "set_grad", "grad must have the tensor's shape ", shape(), ", got ",
                      grad.shape());
  require<DtypeError>(grad.dtype() == dtype(), "set_grad", "grad must be ", dtype(), ", as the tensor, got ",
                      grad.dtype());
  require(!grad.is(*this), "set_grad", "can't assign a tensor as its own grad");
  ensure_meta(*this).grad = std::move(grad);
}

void Tensor::retain_grad() const {
  require<StateError>(requires_grad(), "retain_grad", "can't retain_grad on a tensor that has requires_grad=false");
  meta()->retain_grad = !is_leaf();
}

void Tensor::zero_grad(bool set_to_none) const {
  if (!grad().defined()) {
    return;
  }
  Tensor& old = meta()->grad;
  if (set_to_none) {
    old = Tensor();
  } else if (old.is_unshared() && old.is_leaf()) {
    old.mutable_array().fill_(0);
  } else {
    old = Tensor(Array::zeros(old.shape(), old.dtype()));
  }
}

std::size_t Tensor::register_hook(Hook hook) const {
  require<StateError>(requires_grad(), "register_hook",
                      "cannot register a hook on a tensor that doesn't require gradient");
  auto& hooks = meta()->hooks;
  if (!hooks) {
    hooks = std::make_unique<Hooks>();
  }
  static std::atomic<std::size_t> next_id{0};
  const std::size_t id = next_id++;
  hooks->list.emplace_back(id, std::move(hook));
  return id;
}

void Tensor::remove_hook(std::size_t id) const {
  const auto remove_from = [id](const std::shared_ptr<AutogradMeta>& place) {
    if (place && place->hooks) {
      std::erase_if(place->hooks->list, [id](const auto& entry) { return entry.first == id; });
    }
  };
  remove_from(meta());
  if (impl_) {
    for (const std::weak_ptr<AutogradMeta>& place : impl_->former) {
      remove_from(place.lock());
    }
  }
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph) const {
  evenkeel::backward({*this}, {gradient}, retain_graph, create_graph);
}

Tensor Tensor::detach() const {
  Tensor result(array());
  result.impl_->origin = Impl::Origin::detached;
  return result;
}

const std::shared_ptr<AutogradMeta>& Tensor::meta() const {
  static const std::shared_ptr<AutogradMeta> none;
  if (!impl_) {
    return none;
  }
  if (impl_->is_behind()) [[unlikely]] {
    catch_up();
  }
  return impl_->meta;
}

void Tensor::set_meta(std::shared_ptr<AutogradMeta> meta) const {
  require(defined(), "Tensor", "this tensor is undefined");
  impl_->meta = std::move(meta);
}

bool Tensor::has_meta() const noexcept { return impl_ && impl_->meta; }

void Tensor::catch_up() const {
  Impl& self = *impl_;
  const Storage* storage = self.array.storage().get();
  if (self.storage != storage) {  // another array was put into this handle
    self.storage = storage;
    self.seen = storage->recorded;
    self.base = nullptr;
    self.origin = Impl::Origin::plain;
  } else if (const Tensor whole = base(); !whole.is(*this) && !whole.impl_->is_behind()) {
    move_to(detail::place_of_view(whole, self.array));
  }
}

bool Tensor::outdated() const {
  if (!impl_ || !impl_->is_behind()) [[likely]] {
    return false;
  }
  catch_up();
  const bool constant = impl_->origin == Impl::Origin::detached && (!impl_->meta || !impl_->meta->node);
  return impl_->is_behind() && !constant;
}

bool Tensor::is_view() const {
  return impl_ && (impl_->base || impl_->origin == Impl::Origin::hidden_view || impl_->origin == Impl::Origin::alias);
}

void Tensor::become_view_of(const Tensor& input) const {
  impl_->origin = input.impl_->origin;
  if (grad_enabled()) {
    impl_->base = input.base().impl_;
  } else if (impl_->origin != Impl::Origin::detached && input.requires_grad()) {
    impl_->origin = Impl::Origin::hidden_view;  // without base: it must not keep a graph alive
  }
}

void Tensor::become_alias() const { impl_->origin = Impl::Origin::alias; }

bool Tensor::may_be_recorded_in_place() const {
  const bool known = impl_->origin == Impl::Origin::plain || impl_->origin == Impl::Origin::detached;
  return known || impl_->array.is_unshared();
}

Tensor Tensor::base() const {
  return impl_->base && impl_->base->array.shares_storage(impl_->array) ? Tensor(impl_->base) : *this;
}

void Tensor::move_to(std::shared_ptr<AutogradMeta> meta) const {
  Impl& self = *impl_;
  if (self.meta) {
    meta->retain_grad = std::exchange(self.meta->retain_grad, false);
    meta->grad = std::move(self.meta->grad);
    if (self.meta->hooks) {
      self.former.push_back(self.meta);
    }
  }
  if (!self.base && self.origin != Impl::Origin::detached) {
    self.origin = Impl::Origin::plain;  // nobody else had the storage
  }
  self.meta = std::move(meta);
  self.storage = self.array.storage().get();
  self.seen = self.array.storage()->recorded;
}

std::string to_string(const Tensor& tensor) {
  if (!tensor.defined()) {
    return "tensor(undefined)";
  }
  std::string text = to_string(tensor.array());
  if (tensor.requires_grad()) {
    const std::string suffix = tensor.is_leaf() ? "requires_grad=True" : concat("grad_fn=<", tensor.op_name(), ">");
    text.pop_back();
    const std::size_t last_line = text.size() - (text.rfind('\n') + 1);
    const auto width = static_cast<std::size_t>(PrintOptions{}.line_width);
    const bool fits = last_line + suffix.size() + 4 <= width;
    text += (fits ? ", " : ",\n       ") + suffix + ")";
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << to_string(tensor); }

Tensor zeros(const Shape& shape, TensorOptions options) { return make(Array::zeros(shape, options.dtype), options); }

Tensor ones(const Shape& shape, TensorOptions options) { return make(Array::ones(shape, options.dtype), options); }

Tensor full(const Shape& shape, double value, TensorOptions options) {
  return make(Array::full(shape, value, options.dtype), options);
}

Tensor arange(double start, double stop, double step, TensorOptions options) {
  return make(Array::arange(start, stop, step, options.dtype), options);
}

Tensor arange(double stop, TensorOptions options) { return arange(0, stop, 1, options); }

Tensor tensor(const NestedNumbers& numbers, const InferredOptions& options) {
  return Tensor(numbers.array(options.dtype.value_or(numbers.dtype())), options.requires_grad);
}

Tensor randn(const Shape& shape, Generator& generator, TensorOptions options) {
  return make(random_normal(shape, generator, 0, 1, options.dtype), options);
}

Tensor rand(const Shape& shape, Generator& generator, TensorOptions options) {
  return make(random_uniform(shape, generator, 0, 1, options.dtype), options);
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator) {
  return Tensor(random_int(shape, generator, low, high));
}

Tensor randperm(std::int64_t n, Generator& generator) { return Tensor(random_permutation(n, generator)); }

}  // namespace evenkeel
