#include "evenkeel/core/kernels/elementwise/binary.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"

#include <type_traits>

namespace evenkeel::kernels {
namespace math {

template <>
std::int64_t pow(std::int64_t x, std::int64_t exponent) {
  if (exponent < 0) {
    return x == 1 ? 1 : x == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  }
  // Unsigned: overflow wraps around.
  std::uint64_t power = 1;
  std::uint64_t square = static_cast<std::uint64_t>(x);
  for (; exponent > 0; exponent /= 2, square *= square) {
    power *= exponent % 2 == 1 ? square : 1;
  }
  return static_cast<std::int64_t>(power);
}

}  // namespace math

namespace {

/// y[i] = f(a[i], b[i]) with steps of 0 or 1.
template <class F, class T, class Y>
void loop(F f, Repeat repeat, std::int64_t n, const T* a, const T* b, Y* y) {
  switch (repeat) {
    case Repeat::left:
      for (std::int64_t i = 0; i < n; ++i) {
        y[i] = f(*a, b[i]);
      }
      break;
    case Repeat::right:
      for (std::int64_t i = 0; i < n; ++i) {
        y[i] = f(a[i], *b);
      }
      break;
    default:
      for (std::int64_t i = 0; i < n; ++i) {
        y[i] = f(a[i], b[i]);
      }
  }
}

/// Overflow wraps around, also that of min / -1.
template <class F>
std::int64_t integer(std::int64_t a, std::int64_t b) {
  if constexpr (std::is_base_of_v<FloatOnly, F>) {
    fail<DtypeError>(F::kName, "dtype must be float32 or float64, got int64");
  } else if constexpr (std::is_same_v<F, Divide>) {
    require(b != 0, "div", "integer division by zero");
    return b == -1 ? static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(a)) : a / b;
  } else if constexpr (std::is_same_v<F, Add> || std::is_same_v<F, Subtract> || std::is_same_v<F, Multiply>) {
    return static_cast<std::int64_t>(F::f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
  } else {
    return F::f(a, b);
  }
}

template <class F>
void integer_run(Repeat repeat, std::int64_t n, const std::int64_t* a, const std::int64_t* b, std::int64_t* y) {
  loop(integer<F>, repeat, n, a, b, y);
}

template <class F, class T>
void compare_run(Repeat repeat, std::int64_t n, const T* a, const T* b, bool* y) {
  loop([](T left, T right) { return F::test(left, right); }, repeat, n, a, b, y);
}

template <class... F>
void binary_integer(OpList<F...>, std::size_t op, Repeat repeat, std::int64_t n, const std::int64_t* a,
                    const std::int64_t* b, std::int64_t* y) {
  static constexpr decltype(&integer_run<Add>) kTable[] = {&integer_run<F>...};
  kTable[op](repeat, n, a, b, y);
}

template <class T, class... F>
void compare_typed(OpList<F...>, std::size_t op, Repeat repeat, std::int64_t n, const T* a, const T* b, bool* y) {
  static constexpr decltype(&compare_run<Equal, T>) kTable[] = {&compare_run<F, T>...};
  kTable[op](repeat, n, a, b, y);
}

}  // namespace

template <class T>
void binary(std::size_t op, Repeat repeat, std::int64_t n, const T* a, const T* b, T* y) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    binary_integer(BinaryOps{}, op, repeat, n, a, b, y);
  } else {
    dispatch_isa([&]<class Arch>() { BinaryKernels<Arch, T>::run(op, repeat, n, a, b, y); });
  }
}

template <class T>
void compare(std::size_t op, Repeat repeat, std::int64_t n, const T* a, const T* b, bool* y) {
  compare_typed(CompareOps{}, op, repeat, n, a, b, y);
}

template <class T>
void add_scaled(std::int64_t n, T scale, const T* b, T* a) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    for (std::int64_t i = 0; i < n; ++i) {
      a[i] += scale * b[i];
    }
  } else {
    dispatch_isa([&]<class Arch>() { BinaryKernels<Arch, T>::add_scaled(n, scale, b, a); });
  }
}

template void binary(std::size_t, Repeat, std::int64_t, const float*, const float*, float*);
template void binary(std::size_t, Repeat, std::int64_t, const double*, const double*, double*);
template void binary(std::size_t, Repeat, std::int64_t, const std::int64_t*, const std::int64_t*, std::int64_t*);
template void compare(std::size_t, Repeat, std::int64_t, const float*, const float*, bool*);
template void compare(std::size_t, Repeat, std::int64_t, const double*, const double*, bool*);
template void compare(std::size_t, Repeat, std::int64_t, const std::int64_t*, const std::int64_t*, bool*);
template void compare(std::size_t, Repeat, std::int64_t, const std::uint8_t*, const std::uint8_t*, bool*);
template void compare(std::size_t, Repeat, std::int64_t, const bool*, const bool*, bool*);
template void add_scaled(std::int64_t, float, const float*, float*);
template void add_scaled(std::int64_t, double, const double*, double*);
template void add_scaled(std::int64_t, std::int64_t, const std::int64_t*, std::int64_t*);

}  // namespace evenkeel::kernels
