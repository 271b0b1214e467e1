#include "evenkeel/autograd/ops/indexing.hpp"

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/index.hpp"

#include <limits>
#include <memory>

namespace evenkeel {
namespace {

using SharedPicks = std::shared_ptr<const Picks>;

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

/// Indices taken apart, from left to right: `view` is x after the integers, slices, ellipses and new axes; `lists` say
/// what the tensors among them pick from it.
class Resolver {
 public:
  Resolver(std::string_view op, const Tensor& x, const Indices& indices) : op_(op), x_(x), view_(x) {
    check_defined(op, x);
    count_dims(indices);
    const detail::FormulaScope unchecked;  // a view has x's values, which anomaly mode knows: x[1] = 0 may repair them
    for (const Index& index : indices.items()) {
      std::visit(
          Overloaded{[this](std::int64_t position) { select_one(position); },
                     [this](const Slice& part) { keep_part(part); }, [this](Ellipsis) { skip(x_.rank() - taken_); },
                     [this](NewAxis) { add_axis(); }, [this](const Tensor& tensor) { add_tensor(tensor); }},
          index.item());
    }
  }

  const Tensor& view() const { return view_; }
  /// Null if there were no tensors.
  SharedPicks take_picks() {
    if (lists_.empty()) {
      return nullptr;
    }
    auto picks = std::make_shared<Picks>();
    picks->dims = dims_;
    for (const List& list : lists_) {
      picks->shape = broadcast_shapes(picks->shape, list.shape, op_);
    }
    for (List& list : lists_) {
      const bool whole = list.shape == picks->shape;
      picks->lists.push_back(whole ? std::move(list.entries) : expanded(list, picks->shape));
    }
    return picks;
  }

 private:
  struct List {
    Shape shape;
    std::vector<std::int64_t> entries;
  };
  static std::vector<std::int64_t> expanded(const List& list, const Shape& shape) {
    return Array::from(list.entries, list.shape).expand(shape).to_vector<std::int64_t>();
  }

  /// How many dims of x the indices but an ellipsis take.
  void count_dims(const Indices& indices) {
    int ellipses = 0;
    for (const Index& index : indices.items()) {
      if (const auto* tensor = std::get_if<Tensor>(&index.item())) {
        check_defined(op_, *tensor);
        require<DtypeError>(tensor->dtype() == DType::int64 || tensor->dtype() == DType::boolean, op_,
                            "tensors used as indices must be int64 or bool tensors, got ", tensor->dtype());
        taken_ += tensor->dtype() == DType::boolean ? tensor->rank() : 1;
      } else {
        taken_ += std::holds_alternative<std::int64_t>(index.item()) || std::holds_alternative<Slice>(index.item());
        ellipses += std::holds_alternative<Ellipsis>(index.item());
      }
    }
    require<IndexError>(ellipses <= 1, op_, "an index can only have a single ellipsis ('...'), got ", ellipses);
    require<IndexError>(taken_ <= x_.rank(), op_, "too many indices for tensor of dimension ", x_.rank(), ", got ",
                        taken_);
  }

  void skip(int dims) {
    at_ += dims;
    from_ += dims;
  }
  void select_one(std::int64_t position) {
    const std::int64_t size = x_.size(from_);
    require<IndexError>(position >= -size && position < size, op_, "index ", position,
                        " is out of bounds for dimension ", from_, " with size ", size);
    view_ = select(view_, at_, position);
    ++from_;
  }
  void keep_part(const Slice& part) {
    require(part.step > 0, op_, "slice step must be positive, got ", part.step);
    view_ = slice(view_, at_, part.start.value_or(0), part.stop.value_or(std::numeric_limits<std::int64_t>::max()),
                  part.step);
    skip(1);
  }
  void add_axis() {
    view_ = unsqueeze(view_, at_);
    ++at_;
  }
  void add_list(const Shape& shape, std::vector<std::int64_t> entries) {
    lists_.push_back({shape, std::move(entries)});
    dims_.push_back(at_);
    skip(1);
  }
  void add_tensor(const Tensor& tensor) {
    if (tensor.dtype() == DType::int64 && tensor.rank() == 0) {
      select_one(tensor.array().item_int64());
      return;
    }
    if (tensor.dtype() == DType::int64) {
      add_list(tensor.shape(), wrapped_indices(tensor.array(), x_.size(from_), from_, op_));
      return;
    }
    for (int d = 0; d < tensor.rank(); ++d) {
      require<IndexError>(tensor.size(d) == x_.size(from_ + d), op_, "The shape of the mask ", tensor.shape(),
                          " at index ", d, " does not match the shape of the indexed tensor ", x_.shape(), " at index ",
                          from_ + d);
    }
    if (tensor.rank() == 0) {  // takes no dim of x, but adds one, of size 1 or 0
      view_ = unsqueeze(view_, at_);
      const std::int64_t count = tensor.array().item() != 0 ? 1 : 0;
      lists_.push_back({Shape{count}, std::vector<std::int64_t>(static_cast<std::size_t>(count), 0)});
      dims_.push_back(at_++);
      return;
    }
    for (std::vector<std::int64_t>& list : nonzero_lists(tensor.array())) {
      const Shape shape{std::ssize(list)};
      add_list(shape, std::move(list));
    }
  }

  std::string_view op_;
  const Tensor& x_;
  Tensor view_;
  std::vector<List> lists_;
  Dims dims_;      // of view_, that the lists pick from
  int taken_ = 0;  // dims of x that the indices name
  int from_ = 0;   // the next dim of x
  int at_ = 0;     // the next dim of view_
};

Tensor added_to_zeros(const Tensor& x, const Shape& shape, const SharedPicks& picks);

/// dx = dy added into zeros
Tensor picked(const Tensor& x, const SharedPicks& picks) {
  return record({.name = "index", .inputs = {x}}, pick(x.array(), *picks),
                [picks, shape = x.shape()](const Saved&, const Tensor& dy) -> Grads {
                  return {added_to_zeros(dy, shape, picks)};
                });
}

/// The adjoint of picked.
Tensor added_to_zeros(const Tensor& x, const Shape& shape, const SharedPicks& picks) {
  Array y = Array::zeros(shape, x.dtype());
  put_add_(y, *picks, x.array());
  return record({.name = "index_backward", .inputs = {x}}, std::move(y),
                [picks](const Saved&, const Tensor& dy) -> Grads { return {picked(dy, picks)}; });
}

/// x with 0 in place of what is picked; its own adjoint.
Tensor cleared(const Tensor& x, const SharedPicks& picks) {
  Array y = x.array().clone();
  put_(y, *picks, constant(0, x).array());
  return record({.name = "index_put_backward", .inputs = {x}}, std::move(y),
                [picks](const Saved&, const Tensor& dy) -> Grads { return {cleared(dy, picks)}; });
}

/// What of dy belongs to the values that index_put_ wrote: nothing for those that others have replaced since.
Tensor gradient_of_put(const Tensor& dy, const SharedPicks& picks) {
  const Tensor found = picked(dy, picks);
  Shape entries = picks->shape;
  while (picks->place() + entries.rank() < found.rank()) {
    entries.push_back(1);
  }
  return where(Tensor(last_entries(*picks, dy.shape()).reshape(entries)), found, constant(0, dy));
}

/// values as they come to elements of `shape`: without dims of size 1 in front that are too many.
Tensor fitted(std::string_view op, Tensor values, const Shape& shape) {
  const Shape given = values.shape();
  while (values.rank() > shape.rank() && values.size(0) == 1) {
    values = squeeze(values, 0);
  }
  bool fits = values.rank() <= shape.rank();
  for (int d = 1; fits && d <= values.rank(); ++d) {
    fits = values.size(-d) == 1 || values.size(-d) == shape[shape.rank() - d];
  }
  require<ShapeError>(fits, op, "shape mismatch: value tensor of shape ", given,
                      " cannot be broadcast to indexing result of shape ", shape);
  return values;
}

}  // namespace

Tensor index(const Tensor& x, const Indices& indices) {
  Resolver found("index", x, indices);
  const SharedPicks picks = found.take_picks();
  if (picks) {
    return picked(found.view(), picks);
  }
  return found.view().is(x) ? reshape(x, x.shape()) : found.view();
}

/// d target = 0, d source = dy
Tensor& copy_(Tensor& target, const Tensor& source) {
  check_defined("copy_", target);
  check_defined("copy_", source);
  Tensor values = to(fitted("copy_", source, target.shape()), target.dtype());
  check_in_place("copy_", target, OpInputs(values));
  values = values.array().shares_storage(target.array()) ? clone(values) : values;
  target.mutable_array().copy_(values.array());
  record_in_place({.name = "copy_", .inputs = {target, values}}, target, [](const Saved&, const Tensor& dy) -> Grads {
    return {Tensor(), dy};
  });
  return target;
}

/// dx = dy, 0 where values came; d values = dy there. With accumulate dx = dy.
Tensor& index_put_(Tensor& x, const Indices& indices, const Tensor& values, bool accumulate) {
  Resolver found("index_put_", x, indices);
  const SharedPicks picks = found.take_picks();
  check_defined("index_put_", values);
  Tensor view = found.view();
  Tensor source = fitted("index_put_", values, picks ? picks->picked_from(view.shape()) : view.shape());
  if (!picks) {
    if (accumulate) {
      add_(view, source);
    } else {
      copy_(view, source);
    }
    return x;
  }
  require<DtypeError>(source.dtype() == x.dtype(), "index_put_", "values must be ", x.dtype(), ", as the tensor, got ",
                      source.dtype());
  check_in_place("index_put_", view, OpInputs(source));
  source = source.array().shares_storage(x.array()) ? clone(source) : source;
  const auto write = accumulate ? put_add_ : put_;
  write(view.mutable_array(), *picks, source.array());
  record_in_place({.name = "index_put_", .inputs = {view, source}}, view,
                  [picks, accumulate](const Saved& saved, const Tensor& dy) -> Grads {
                    Grads grads{dy, Tensor()};
                    if (!accumulate && saved.needs(0)) {
                      grads[0] = cleared(dy, picks);
                    }
                    if (saved.needs(1)) {
                      grads[1] = accumulate ? picked(dy, picks) : gradient_of_put(dy, picks);
                    }
                    return grads;
                  });
  return x;
}

namespace {

/// The values are x's own, so that anomaly mode need not look at them: x[isnan(x)] = 0 may read what is wrong.
Tensor read_unchecked(const Tensor& x, const Indices& indices) {
  const detail::FormulaScope scope;
  return index(x, indices);
}

}  // namespace

IndexedTensor::IndexedTensor(Tensor whole, Indices indices)
    : Tensor(read_unchecked(whole, indices)), whole_(std::move(whole)), indices_(std::move(indices)) {}

IndexedTensor& IndexedTensor::operator=(const Tensor& other) & {
  Tensor::operator=(other);
  return *this;
}

void IndexedTensor::operator=(const Tensor& values) && { index_put_(whole_, indices_, values); }

void IndexedTensor::operator=(const IndexedTensor& values) && { index_put_(whole_, indices_, values); }

void IndexedTensor::operator=(double value) && { index_put_(whole_, indices_, constant(value, whole_)); }

}  // namespace evenkeel
