#pragma once

#include "evenkeel/core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>

namespace evenkeel {

/// Element type of an Array. float32 is the default for training, float64 for gradient checks, int64 for labels and
/// counters, uint8 for images, boolean (one byte, 0 or 1) for masks and comparison results.
enum class DType : std::uint8_t { float32, float64, int64, uint8, boolean };

/// "float32", "float64", "int64", "uint8" or "bool".
std::string_view name(DType dtype);
/// The dtype with that name; throws if there is none.
DType dtype_from_name(std::string_view name);
/// Bytes per element.
std::size_t item_size(DType dtype);
inline bool is_floating(DType dtype) { return dtype == DType::float32 || dtype == DType::float64; }
inline std::string to_string(DType dtype) { return std::string(name(dtype)); }
std::ostream& operator<<(std::ostream& out, DType dtype);

namespace detail {
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> : std::integral_constant<DType, DType::float32> {};
template <>
struct DTypeOf<double> : std::integral_constant<DType, DType::float64> {};
template <>
struct DTypeOf<std::int64_t> : std::integral_constant<DType, DType::int64> {};
template <>
struct DTypeOf<std::uint8_t> : std::integral_constant<DType, DType::uint8> {};
template <>
struct DTypeOf<bool> : std::integral_constant<DType, DType::boolean> {};
}  // namespace detail

/// dtype_of<float> == DType::float32, and so on.
template <class T>
inline constexpr DType dtype_of = detail::DTypeOf<T>::value;

/// Calls f.operator()<float>() or f.operator()<double>(); any other dtype is an error that names `op`.
///   dispatch_float(x.dtype(), "relu", [&]<class T>() { kernels::relu<T>(x.data<T>(), ...); });
template <class F>
decltype(auto) dispatch_float(DType dtype, std::string_view op, F&& f) {
  if (dtype == DType::float32) {
    return f.template operator()<float>();
  }
  require<DtypeError>(dtype == DType::float64, op, "dtype must be float32 or float64, got ", dtype);
  return f.template operator()<double>();
}

/// Calls f.operator()<T>() with the C++ type of any dtype.
template <class F>
decltype(auto) dispatch_all(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f.template operator()<float>();
    case DType::float64:
      return f.template operator()<double>();
    case DType::int64:
      return f.template operator()<std::int64_t>();
    case DType::uint8:
      return f.template operator()<std::uint8_t>();
    default:
      return f.template operator()<bool>();
  }
}

}  // namespace evenkeel
