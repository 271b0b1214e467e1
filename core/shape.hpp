#pragma once

#include "evenkeel/core/error.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <vector>

namespace evenkeel {

/// A short list of 64-bit integers (sizes, strides, dims), stored in place so that copying one never allocates.
/// Holds at most kMaxRank values; more is an error.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  /// One size or dim: zeros(3), mean(x, 1). No bool, so that sum(x, true) does not take keepdim for a dim.
  template <std::integral T>
  requires(!std::same_as<T, bool>) Shape(T value) : rank_(1) { values_[0] = static_cast<std::int64_t>(value); }
  Shape(std::initializer_list<std::int64_t> values) : Shape(std::span(values.begin(), values.size())) {}
  explicit Shape(std::span<const std::int64_t> values);
  explicit Shape(const std::vector<std::int64_t>& values) : Shape(std::span<const std::int64_t>(values)) {}
  /// `rank` copies of `value`.
  static Shape filled(int rank, std::int64_t value);

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  std::int64_t& operator[](int i) { return values_[static_cast<std::size_t>(i)]; }
  std::int64_t operator[](int i) const { return values_[static_cast<std::size_t>(i)]; }
  std::int64_t back() const { return (*this)[rank_ - 1]; }
  std::int64_t* begin() { return values_.data(); }
  std::int64_t* end() { return values_.data() + rank_; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + rank_; }
  void push_back(std::int64_t value);
  /// Inserts `value` before position i (0 <= i <= rank).
  void insert(int i, std::int64_t value);
  void erase(int i);

  friend bool operator==(const Shape& a, const Shape& b) {
    bool equal = a.rank_ == b.rank_;
    for (int i = 0; equal && i < a.rank_; ++i) {  // a call of memcmp takes longer
      equal = a[i] == b[i];
    }
    return equal;
  }

 private:
  std::array<std::int64_t, kMaxRank> values_{};
  int rank_ = 0;
};

/// "[2, 3, 8, 8]".
std::string to_string(const Shape& shape);
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// Dims to reduce over; the same type, another role.
using Dims = Shape;

/// Product of the sizes, 1 for rank 0. Throws (naming `op`) on a negative size or when the product of the non-zero
/// sizes exceeds int64.
std::int64_t numel(const Shape& shape, std::string_view op = "shape");
/// Row-major strides, in elements.
Shape contiguous_strides(const Shape& shape);
/// NumPy's broadcasting rule: sizes align at the right, 1 stretches, 0 against 1 gives 0. Throws naming both shapes.
Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op);
/// Maps -rank..rank-1 to 0..rank-1; throws naming `op`, the dim and the rank. Rank 0 accepts 0 and -1.
int normalize_dim(std::int64_t dim, int rank, std::string_view op);
/// Normalized, sorted, without duplicates (a duplicate throws). Empty `dims` means all dims.
Dims normalize_dims(const Dims& dims, int rank, std::string_view op);
/// The shape after reducing normalized `dims`: size 1 there with keepdim, removed otherwise.
Shape reduced_shape(const Shape& shape, const Dims& dims, bool keepdim);

}  // namespace evenkeel
