#pragma once

#include "evenkeel/core/array.hpp"

#include <initializer_list>
#include <type_traits>

namespace evenkeel {

/// A number, or numbers as they stand in nested braces: {{1, 2}, {3, 4}} has shape [2, 2]. What tensor() takes.
class NestedNumbers {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> NestedNumbers(T number)
      : dtype_(std::is_same_v<T, bool> ? DType::boolean
               : std::is_integral_v<T> ? DType::int64
                                       : DType::float32),
        numbers_{static_cast<double>(number)},
        integers_{std::is_integral_v<T> ? static_cast<std::int64_t>(number) : 0} {}
  /// Throws ShapeError unless all have one shape.
  NestedNumbers(std::initializer_list<NestedNumbers> list);

  /// bool if all numbers are, int64 if all are integers or bools, else float32 (also of doubles, and of no number).
  DType dtype() const { return dtype_; }
  /// Integers become int64 exactly; all else converts as in Array::to.
  Array array(DType dtype) const;

 private:
  Shape shape_;
  DType dtype_;
  std::vector<double> numbers_;
  std::vector<std::int64_t> integers_;  // the same, exact where they are integers
};

}  // namespace evenkeel
