#pragma once

#include "evenkeel/core/dtype.hpp"
#include "evenkeel/core/shape.hpp"
#include "evenkeel/core/storage.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace evenkeel {

/// An n-dimensional array: shape, strides, dtype and a shared storage. Copying an Array copies the view, not the data
/// (clone() copies the data). Views share storage with their base and keep it alive. Knows nothing of gradients.
///
/// A default-constructed Array is undefined: defined() is false and every other call on it throws.
class Array {
 public:
  Array() = default;

  /// Uninitialised, contiguous.
  static Array empty(const Shape& shape, DType dtype = DType::float32);
  /// Contiguous; the values are formed when they are first asked for. `source` is what they are formed from: before it
  /// is written they are formed too.
  static Array deferred(const Shape& shape, DType dtype, std::shared_ptr<const Deferred> values, const Array& source);
  static Array zeros(const Shape& shape, DType dtype = DType::float32) { return full(shape, 0.0, dtype); }
  static Array ones(const Shape& shape, DType dtype = DType::float32) { return full(shape, 1.0, dtype); }
  static Array full(const Shape& shape, double value, DType dtype = DType::float32);
  /// start, start + step, ... below `stop` (above it for a negative step); ceil((stop - start) / step) elements.
  static Array arange(double start, double stop, double step = 1, DType dtype = DType::float32);
  /// A copy of `values` (row-major) with the given shape; throws when the counts differ. T is the C++ type of a dtype;
  /// a std::vector<bool> has no span, so booleans come as std::span<const bool>.
  template <class T>
  static Array from(std::span<const T> values, const Shape& shape);
  template <class T>
  static Array from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }
  /// Rank 0.
  template <class T>
  static Array scalar(T value) {
    return from(std::span<const T>(&value, 1), {});
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }  ///< in elements
  std::int64_t offset() const { return offset_; }    ///< of the first element in the storage, in elements
  DType dtype() const { return dtype_; }
  int rank() const { return shape_.rank(); }
  std::int64_t numel() const { return numel_; }
  /// Size of one dim; negative counts from the back.
  std::int64_t size(std::int64_t dim) const { return shape_[normalize_dim(dim, rank(), "size")]; }
  bool is_contiguous() const;
  /// True where several elements share memory (a dim of stride 0 and size > 1); such a view can't be written.
  bool has_overlap() const;

  /// The first element. T must be the dtype's type.
  template <class T>
  const T* data() const {
    if (storage_ == nullptr || dtype_ != dtype_of<T>) [[unlikely]] {
      check_type(dtype_of<T>, "data");
    }
    return reinterpret_cast<const T*>(static_cast<const Storage&>(*storage_).data()) + offset_;
  }
  /// The same for writing; counts as a change of the storage (Storage::version). Throws on an overlapping view.
  template <class T>
  T* mutable_data() {
    if (storage_ == nullptr || dtype_ != dtype_of<T>) [[unlikely]] {
      check_type(dtype_of<T>, "mutable_data");
    }
    return reinterpret_cast<T*>(mutable_raw());
  }
  /// All elements of a contiguous array.
  template <class T>
  std::span<const T> span() const {
    require_contiguous("span");
    return {data<T>(), static_cast<std::size_t>(numel_)};
  }
  template <class T>
  std::span<T> mutable_span() {
    require_contiguous("mutable_span");
    return {mutable_data<T>(), static_cast<std::size_t>(numel_)};
  }
  const std::byte* raw() const;
  std::byte* mutable_raw();
  std::uint64_t version() const { return storage_ ? storage_->version : 0; }
  bool shares_storage(const Array& other) const { return defined() && storage_ == other.storage_; }
  /// What the values will be, of all elements in row-major order; null if they are there.
  std::shared_ptr<const Deferred> deferred() const;
  /// What is shared with other arrays; null if undefined.
  const std::shared_ptr<Storage>& storage() const { return storage_; }
  /// True if no other array has this storage.
  bool is_unshared() const { return storage_.use_count() == 1; }

  /// The only element, converted to double; throws unless numel() == 1.
  double item() const;
  /// The only element of an int64 array, exactly (no detour through double).
  std::int64_t item_int64() const;
  /// All elements in row-major order as numbers of any arithmetic type T (no character type), which by default need not
  /// be the dtype's. Floating T: rounded to the nearest. Integers and bool: only what they can hold is given; throws
  /// ValueError at 1.5, NaN, or 300 as std::uint8_t, where to() would truncate, saturate or wrap around.
  template <class T>
  std::vector<T> to_vector() const;

  // Views: no data is copied (reshape and flatten copy where strides do not allow a view).
  Array reshape(const Shape& shape) const;  ///< one size may be -1
  Array flatten(std::int64_t start_dim = 0, std::int64_t end_dim = -1) const;
  Array transpose(std::int64_t dim0, std::int64_t dim1) const;
  Array permute(const Dims& dims) const;
  /// start, start + step, ... below stop along dim; negative start and stop count from the back, both are clamped.
  Array slice(std::int64_t dim, std::int64_t start, std::int64_t stop, std::int64_t step = 1) const;
  Array select(std::int64_t dim, std::int64_t index) const;  ///< removes dim
  Array expand(const Shape& shape) const;                    ///< stretches size 1 with stride 0; -1 keeps a size
  Array squeeze() const;                                     ///< removes all dims of size 1
  Array squeeze(std::int64_t dim) const;
  Array unsqueeze(std::int64_t dim) const;
  /// The elements of the storage that `shape`, `strides` and `offset` show; throws if they reach beyond it.
  Array as_strided(const Shape& shape, const Shape& strides, std::int64_t offset) const;

  /// Itself if contiguous, else a row-major copy.
  Array contiguous() const;
  /// A contiguous copy with its own storage.
  Array clone() const;
  /// Itself if the dtype is the same, else a converted contiguous copy. Floats truncate toward zero to integers and
  /// saturate; NaN becomes 0. int64 to uint8 wraps around; to bool is "not equal 0".
  Array to(DType dtype) const;
  /// Writes `source` (broadcast to this shape, converted to this dtype) into this view, as if from a copy.
  void copy_(const Array& source);
  /// Sets every element of this view; the value converts as in to().
  void fill_(double value);

 private:
  Array(std::shared_ptr<Storage> storage, const Shape& shape, const Shape& strides, std::int64_t offset, DType dtype);
  Array view(const Shape& shape, const Shape& strides, std::int64_t offset) const;
  void require_defined(std::string_view op) const;
  bool overlaps(const Array& other) const;
  void check_type(DType wanted, std::string_view op) const;
  void require_contiguous(std::string_view op) const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  Shape strides_;
  std::int64_t offset_ = 0;
  std::int64_t numel_ = 0;
  DType dtype_ = DType::float32;
};

}  // namespace evenkeel
