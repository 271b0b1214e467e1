#include "evenkeel/core/array.hpp"

#include "evenkeel/core/copy.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/pooled.hpp"
#include "evenkeel/core/strided.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

namespace evenkeel {
namespace {

std::size_t checked_bytes(const Shape& shape, DType dtype) {
  std::size_t bytes = 0;
  require<ShapeError>(
      !__builtin_mul_overflow(static_cast<std::size_t>(numel(shape, "empty")), item_size(dtype), &bytes), "empty",
      "shape ", shape, " of ", dtype, " has more bytes than 64-bit integers can count");
  return bytes;
}

// Strides that show the elements in row-major order under another shape, if there are any. Walks both shapes from the
// back; every merged block of the old one must be covered by whole new dims.
std::optional<Shape> view_strides(const Shape& shape, const Shape& strides, const Shape& wanted) {
  const StridedLoop<1> blocks = collapse<1>(shape, {strides});
  Shape result = Shape::filled(wanted.rank(), 1);
  int d = wanted.rank() - 1;
  for (int b = blocks.shape.rank() - 1; b >= 0; --b) {
    std::int64_t rest = blocks.shape[b];
    std::int64_t stride = blocks.strides[0][b];
    for (; d >= 0 && (rest > 1 || wanted[d] == 1) && rest % wanted[d] == 0; --d) {
      result[d] = stride;
      stride *= wanted[d];
      rest /= wanted[d];
    }
    if (rest != 1) {
      return std::nullopt;
    }
  }
  return result;
}

Shape infer_size(const Shape& wanted, std::int64_t count) {
  Shape result = wanted;
  int unknown = -1;
  for (int d = 0; d < wanted.rank(); ++d) {
    if (wanted[d] == -1) {
      require<ShapeError>(unknown < 0, "reshape", "only one dimension can be inferred, got shape ", wanted);
      unknown = d;
      result[d] = 1;
    }
    require<ShapeError>(wanted[d] >= -1, "reshape", "invalid shape dimension ", wanted[d], " in shape ", wanted);
  }
  const std::int64_t known = numel(result, "reshape");
  if (unknown >= 0) {
    require<ShapeError>(known > 0, "reshape", "cannot reshape tensor of 0 elements into shape ", wanted,
                        " because the unspecified dimension size -1 can be any value and is ambiguous");
    result[unknown] = count / known;
  }
  require<ShapeError>(numel(result, "reshape") == count, "reshape", "shape '", wanted,
                      "' is invalid for input of size ", count);
  return result;
}

/// The number as T, which must be able to hold it unless it is floating.
template <class T, class S>
T held_as(S value) {
  const T result = convert<T>(value);
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, S>) {
    using Widest = long double;  // exact for every integer and every double
    require(static_cast<Widest>(result) == static_cast<Widest>(value), "to_vector", "values must be ",
            std::is_same_v<T, bool> ? "0 or 1" : "integers that the type asked for can hold", ", got ", value);
  }
  return result;
}

}  // namespace

Array::Array(std::shared_ptr<Storage> storage, const Shape& shape, const Shape& strides, std::int64_t offset,
             DType dtype)
    : storage_(std::move(storage)),
      shape_(shape),
      strides_(strides),
      offset_(offset),
      numel_(evenkeel::numel(shape)),
      dtype_(dtype) {}

Array Array::view(const Shape& shape, const Shape& strides, std::int64_t offset) const {
  return Array(storage_, shape, strides, offset, dtype_);
}

void Array::require_defined(std::string_view op) const { require(defined(), op, "the array is undefined"); }

void Array::check_type(DType wanted, std::string_view op) const {
  require_defined(op);
  require<DtypeError>(wanted == dtype_, op, "the array holds ", dtype_, ", but ", wanted, " was asked for");
}

void Array::require_contiguous(std::string_view op) const {
  require_defined(op);
  require(is_contiguous(), op, "the array is not contiguous (shape ", shape_, ", strides ", strides_, ")");
}

Array Array::empty(const Shape& shape, DType dtype) {
  const std::size_t bytes = checked_bytes(shape, dtype);
  return Array(make_pooled<Storage>(bytes), shape, contiguous_strides(shape), 0, dtype);
}

Array Array::deferred(const Shape& shape, DType dtype, std::shared_ptr<const Deferred> values, const Array& source) {
  const std::size_t bytes = checked_bytes(shape, dtype);
  auto storage = make_pooled<Storage>(bytes, std::move(values));
  source.storage_->add_reader(storage);
  return Array(std::move(storage), shape, contiguous_strides(shape), 0, dtype);
}

std::shared_ptr<const Deferred> Array::deferred() const {
  const bool whole = defined() && offset_ == 0 && is_contiguous() &&
                     static_cast<std::size_t>(numel_) * item_size(dtype_) == storage_->bytes();
  return whole ? storage_->deferred() : nullptr;
}

Array Array::full(const Shape& shape, double value, DType dtype) {
  Array result = empty(shape, dtype);
  result.fill_(value);
  return result;
}

Array Array::arange(double start, double stop, double step, DType dtype) {
  require(std::isfinite(start) && std::isfinite(stop), "arange", "unsupported range: ", start, " -> ", stop);
  require(step != 0 && !std::isnan(step), "arange", "step must be nonzero, got ", step);
  require(step > 0 ? stop >= start : stop <= start, "arange",
          "upper bound and larger bound inconsistent with step sign: ", start, " -> ", stop, " by ", step);
  const double count = std::ceil((stop - start) / step);
  require(count < 9e18, "arange", "too many elements: ", start, " -> ", stop, " by ", step);
  Array result = empty({static_cast<std::int64_t>(count)}, dtype);
  dispatch_all(dtype, [&]<class T>() {
    T* out = result.mutable_data<T>();
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      out[i] = convert<T>(start + static_cast<double>(i) * step);
    }
  });
  return result;
}

template <class T>
Array Array::from(std::span<const T> values, const Shape& shape) {
  const std::int64_t count = evenkeel::numel(shape, "from");
  require<ShapeError>(std::cmp_equal(values.size(), count), "from", "shape ", shape, " has ", count, " elements, got ",
                      values.size(), " values");
  Array result = empty(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), result.mutable_data<T>());
  return result;
}

template <class T>
std::vector<T> Array::to_vector() const {
  require_defined("to_vector");
  std::vector<T> result;
  result.reserve(static_cast<std::size_t>(numel_));
  const StridedLoop<1> loop = collapse<1>(shape_, {strides_});
  dispatch_all(dtype_, [&]<class S>() {
    const S* x = data<S>();
    for_each_run(loop, 0, numel_, [&](const std::array<std::int64_t, 1>& offsets, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        result.push_back(held_as<T>(x[offsets[0] + i * loop.strides[0].back()]));
      }
    });
  });
  return result;
}

bool Array::is_contiguous() const {
  std::int64_t expected = 1;
  for (int d = rank() - 1; d >= 0 && numel_ > 1; --d) {
    if (shape_[d] != 1) {
      if (strides_[d] != expected) {
        return false;
      }
      expected *= shape_[d];
    }
  }
  return true;
}

bool Array::has_overlap() const {
  for (int d = 0; d < rank() && numel_ > 0; ++d) {
    if (shape_[d] > 1 && strides_[d] == 0) {
      return true;
    }
  }
  return false;
}

bool Array::overlaps(const Array& other) const {
  if (!shares_storage(other) || numel_ == 0 || other.numel_ == 0) {
    return false;
  }
  const auto last = [](const Array& a) {
    std::int64_t index = a.offset_;
    for (int d = 0; d < a.rank(); ++d) {
      index += (a.shape_[d] - 1) * a.strides_[d];
    }
    return index;
  };
  return offset_ <= last(other) && other.offset_ <= last(*this);
}

const std::byte* Array::raw() const {
  require_defined("data");
  return static_cast<const Storage&>(*storage_).data() + static_cast<std::size_t>(offset_) * item_size(dtype_);
}

std::byte* Array::mutable_raw() {
  require_defined("mutable_data");
  require(!has_overlap(), "mutable_data",
          "unsupported operation: more than one element of the written-to tensor refers to a single memory location "
          "(shape ",
          shape_, ", strides ", strides_, "). Please clone() the tensor before performing the operation.");
  ++storage_->version;
  return storage_->data() + static_cast<std::size_t>(offset_) * item_size(dtype_);
}

double Array::item() const {
  require_defined("item");
  require<ShapeError>(numel_ == 1, "item", "a Tensor with ", numel_, " elements cannot be converted to Scalar (shape ",
                      shape_, ")");
  return dispatch_all(dtype_, [&]<class T>() { return static_cast<double>(*data<T>()); });
}

std::int64_t Array::item_int64() const {
  check_type(DType::int64, "item_int64");
  require<ShapeError>(numel_ == 1, "item_int64", "a Tensor with ", numel_,
                      " elements cannot be converted to Scalar (shape ", shape_, ")");
  return *data<std::int64_t>();
}

Array Array::reshape(const Shape& wanted) const {
  require_defined("reshape");
  const Shape shape = infer_size(wanted, numel_);
  if (numel_ == 0) {
    return view(shape, contiguous_strides(shape), offset_);
  }
  if (const std::optional<Shape> strides = view_strides(shape_, strides_, shape)) {
    return view(shape, *strides, offset_);
  }
  const Array copy = clone();
  return copy.view(shape, contiguous_strides(shape), 0);
}

Array Array::flatten(std::int64_t start_dim, std::int64_t end_dim) const {
  require_defined("flatten");
  const int first = normalize_dim(start_dim, rank(), "flatten");
  const int last = normalize_dim(end_dim, rank(), "flatten");
  require(first <= last, "flatten", "start_dim cannot come after end_dim, got ", start_dim, " and ", end_dim,
          " for shape ", shape_);
  Shape shape;
  for (int d = 0; d < first; ++d) {
    shape.push_back(shape_[d]);
  }
  std::int64_t product = 1;
  for (int d = first; d <= last && d < rank(); ++d) {
    product *= shape_[d];
  }
  shape.push_back(product);
  for (int d = last + 1; d < rank(); ++d) {
    shape.push_back(shape_[d]);
  }
  return reshape(shape);
}

Array Array::transpose(std::int64_t dim0, std::int64_t dim1) const {
  require_defined("transpose");
  const int a = normalize_dim(dim0, rank(), "transpose");
  const int b = normalize_dim(dim1, rank(), "transpose");
  Shape shape = shape_;
  Shape strides = strides_;
  if (rank() > 0) {
    std::swap(shape[a], shape[b]);
    std::swap(strides[a], strides[b]);
  }
  return view(shape, strides, offset_);
}

Array Array::permute(const Dims& dims) const {
  require_defined("permute");
  require<ShapeError>(dims.rank() == rank(), "permute", "number of dimensions in the tensor input (shape ", shape_,
                      ") does not match the length of the desired ordering of dimensions ", dims);
  if (rank() > 0) {
    normalize_dims(dims, rank(), "permute");
  }
  Shape shape;
  Shape strides;
  for (std::int64_t dim : dims) {
    const int d = normalize_dim(dim, rank(), "permute");
    shape.push_back(shape_[d]);
    strides.push_back(strides_[d]);
  }
  return view(shape, strides, offset_);
}

Array Array::slice(std::int64_t dim, std::int64_t start, std::int64_t stop, std::int64_t step) const {
  require_defined("slice");
  require<ShapeError>(rank() > 0, "slice", "slice() cannot be applied to a 0-dim tensor.");
  require(step > 0, "slice", "slice step must be positive, got ", step);
  const int d = normalize_dim(dim, rank(), "slice");
  const std::int64_t size = shape_[d];
  const auto clamp = [size](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
  const std::int64_t first = clamp(start);
  const std::int64_t length = clamp(stop) - first;
  Shape shape = shape_;
  Shape strides = strides_;
  shape[d] = length > 0 ? (length - 1) / step + 1 : 0;
  if (shape[d] > 1) {
    strides[d] *= step;
  }
  // An empty view keeps the offset: it has no first element, and the offset must stay inside the storage.
  const bool none = numel_ == 0 || shape[d] == 0;
  return view(shape, strides, none ? offset_ : offset_ + first * strides_[d]);
}

Array Array::select(std::int64_t dim, std::int64_t index) const {
  require_defined("select");
  require<ShapeError>(rank() > 0, "select", "select() cannot be applied to a 0-dim tensor.");
  const int d = normalize_dim(dim, rank(), "select");
  const std::int64_t size = shape_[d];
  require<IndexError>(index >= -size && index < size, "select", "index ", index, " out of range for tensor of size ",
                      shape_, " at dimension ", d);
  Shape shape = shape_;
  Shape strides = strides_;
  shape.erase(d);
  strides.erase(d);
  const std::int64_t skip = numel_ == 0 ? 0 : (index < 0 ? index + size : index) * strides_[d];
  return view(shape, strides, offset_ + skip);
}

Array Array::expand(const Shape& wanted) const {
  require_defined("expand");
  const int added = wanted.rank() - rank();
  require<ShapeError>(added >= 0, "expand", "the number of sizes provided (", wanted.rank(),
                      ") must be greater or equal to the number of dimensions in the tensor (", rank(), "); shape ",
                      shape_, " to ", wanted);
  Shape shape = wanted;
  Shape strides = Shape::filled(wanted.rank(), 0);
  for (int d = 0; d < wanted.rank(); ++d) {
    if (d < added) {
      require<ShapeError>(wanted[d] >= 0, "expand", "The expanded size of the tensor (", wanted[d],
                          ") isn't allowed in a leading, non-existing dimension ", d, "; shape ", shape_, " to ",
                          wanted);
      continue;
    }
    const std::int64_t size = shape_[d - added];
    shape[d] = wanted[d] == -1 ? size : wanted[d];
    strides[d] = shape[d] == size ? strides_[d - added] : 0;
    require<ShapeError>(shape[d] >= 0 && (shape[d] == size || size == 1), "expand", "The expanded size of the tensor (",
                        wanted[d], ") must match the existing size (", size, ") at non-singleton dimension ", d,
                        ".  Target sizes: ", wanted, ".  Tensor sizes: ", shape_);
  }
  return view(shape, strides, offset_);
}

Array Array::squeeze() const {
  require_defined("squeeze");
  Shape shape;
  Shape strides;
  for (int d = 0; d < rank(); ++d) {
    if (shape_[d] != 1) {
      shape.push_back(shape_[d]);
      strides.push_back(strides_[d]);
    }
  }
  return view(shape, strides, offset_);
}

Array Array::squeeze(std::int64_t dim) const {
  require_defined("squeeze");
  const int d = normalize_dim(dim, rank(), "squeeze");
  Shape shape = shape_;
  Shape strides = strides_;
  if (rank() > 0 && shape[d] == 1) {
    shape.erase(d);
    strides.erase(d);
  }
  return view(shape, strides, offset_);
}

Array Array::unsqueeze(std::int64_t dim) const {
  require_defined("unsqueeze");
  const int d = normalize_dim(dim, rank() + 1, "unsqueeze");
  Shape shape = shape_;
  Shape strides = strides_;
  strides.insert(d, d < rank() ? shape[d] * strides[d] : 1);
  shape.insert(d, 1);
  return view(shape, strides, offset_);
}

Array Array::as_strided(const Shape& shape, const Shape& strides, std::int64_t offset) const {
  require_defined("as_strided");
  require<ShapeError>(shape.rank() == strides.rank(), "as_strided", "shape ", shape, " and strides ", strides,
                      " differ in length");
  std::int64_t last = offset;
  for (int d = 0; d < shape.rank(); ++d) {
    require<ShapeError>(shape[d] >= 0 && strides[d] >= 0, "as_strided",
                        "sizes and strides must be at least 0, got shape ", shape, ", strides ", strides);
    last += (shape[d] - 1) * strides[d];
  }
  const auto count = static_cast<std::int64_t>(storage_->bytes() / item_size(dtype_));
  require<ShapeError>(offset >= 0 && (evenkeel::numel(shape) == 0 || last < count), "as_strided", "shape ", shape,
                      ", strides ", strides, ", offset ", offset, " are out of bounds for a storage of ", count,
                      " elements");
  return view(shape, strides, offset);
}

Array Array::contiguous() const {
  require_defined("contiguous");
  return is_contiguous() ? *this : clone();
}

Array Array::clone() const {
  require_defined("clone");
  Array result = empty(shape_, dtype_);
  copy_strided(shape_, {raw(), dtype_, strides_}, {result.mutable_raw(), dtype_, result.strides_});
  return result;
}

Array Array::to(DType dtype) const {
  require_defined("to");
  if (dtype == dtype_) {
    return *this;
  }
  Array result = empty(shape_, dtype);
  copy_strided(shape_, {raw(), dtype_, strides_}, {result.mutable_raw(), dtype, result.strides_});
  return result;
}

void Array::copy_(const Array& source) {
  require_defined("copy_");
  source.require_defined("copy_");
  Array from = source.expand(shape_);
  if (overlaps(from)) {
    from = source.clone().expand(shape_);
  }
  copy_strided(shape_, {from.raw(), from.dtype_, from.strides_}, {mutable_raw(), dtype_, strides_});
}

void Array::fill_(double value) {
  require_defined("fill_");
  dispatch_all(dtype_, [&]<class T>() {
    const T element = convert<T>(value);
    copy_strided(shape_, {reinterpret_cast<const std::byte*>(&element), dtype_, Shape::filled(rank(), 0)},
                 {mutable_raw(), dtype_, strides_});
  });
}

template Array Array::from<float>(std::span<const float>, const Shape&);
template Array Array::from<double>(std::span<const double>, const Shape&);
template Array Array::from<std::int64_t>(std::span<const std::int64_t>, const Shape&);
template Array Array::from<std::uint8_t>(std::span<const std::uint8_t>, const Shape&);
template Array Array::from<bool>(std::span<const bool>, const Shape&);
template std::vector<float> Array::to_vector<float>() const;
template std::vector<double> Array::to_vector<double>() const;
template std::vector<long double> Array::to_vector<long double>() const;
template std::vector<bool> Array::to_vector<bool>() const;
template std::vector<signed char> Array::to_vector<signed char>() const;
template std::vector<short> Array::to_vector<short>() const;
template std::vector<int> Array::to_vector<int>() const;
template std::vector<long> Array::to_vector<long>() const;
template std::vector<long long> Array::to_vector<long long>() const;
template std::vector<unsigned char> Array::to_vector<unsigned char>() const;
template std::vector<unsigned short> Array::to_vector<unsigned short>() const;
template std::vector<unsigned> Array::to_vector<unsigned>() const;
template std::vector<unsigned long> Array::to_vector<unsigned long>() const;
template std::vector<unsigned long long> Array::to_vector<unsigned long long>() const;

}  // namespace evenkeel
