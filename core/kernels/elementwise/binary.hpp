#pragma once

#include "evenkeel/core/kernels/elementwise/op_list.hpp"
#include "evenkeel/core/kernels/simd/math.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace evenkeel::kernels {

// One struct per binary op: `f(a, b)` for arithmetic; V is std::int64_t or a SIMD batch of float or double.
// `test(a, b)` for comparisons of scalars of any dtype. A new op is its struct and one word in BinaryOps or CompareOps.

struct Add {
  static constexpr std::string_view kName = "add";
  template <class V>
  static V f(V a, V b) {
    return a + b;
  }
};
/// max(a + b, 0), NaN stays NaN
struct AddRelu {
  static constexpr std::string_view kName = "add_relu";
  template <class V>
  static V f(V a, V b) {
    const V sum = a + b;
    return select(sum <= V(0), V(0), sum);
  }
};
struct Subtract {
  static constexpr std::string_view kName = "sub";
  template <class V>
  static V f(V a, V b) {
    return a - b;
  }
};
struct Multiply {
  static constexpr std::string_view kName = "mul";
  template <class V>
  static V f(V a, V b) {
    return a * b;
  }
};
/// Integers truncate toward zero.
struct Divide {
  static constexpr std::string_view kName = "div";
  template <class V>
  static V f(V a, V b) {
    return a / b;
  }
};
/// a^b with std::pow's special cases; over integers a negative exponent gives 0 unless a is 1 or -1.
struct Power {
  static constexpr std::string_view kName = "pow";
  template <class V>
  static V f(V a, V b) {
    return math::pow(a, b);
  }
};
/// Of floating numbers only.
struct FloatOnly {};
/// The angle of the point (b, a), with std::atan2's special cases.
struct Atan2 : FloatOnly {
  static constexpr std::string_view kName = "atan2";
  template <class V>
  static V f(V a, V b) {
    return math::atan2(a, b);
  }
};
/// a where a > 0, else b a
struct Prelu {
  static constexpr std::string_view kName = "prelu";
  template <class V>
  static V f(V a, V b) {
    return select(a > V(0), a, a * b);
  }
};
/// NaN wins.
struct Maximum {
  static constexpr std::string_view kName = "maximum";
  template <class V>
  static V f(V a, V b) {
    return select(a >= b, a, select(a == a, b, a));
  }
};
/// NaN wins.
struct Minimum {
  static constexpr std::string_view kName = "minimum";
  template <class V>
  static V f(V a, V b) {
    return select(a <= b, a, select(a == a, b, a));
  }
};

/// How much of max(a, b)'s gradient is a's: all, half at a tie, nothing; all beside a NaN. Of min(a, b)'s with a and b
/// exchanged.
struct MaximumShare {
  static constexpr std::string_view kName = "maximum";
  template <class V>
  static V f(V a, V b) {
    return select(a < b, V(0), select(a == b, V(1) / V(2), V(1)));
  }
};
/// A share of a gradient; nothing of an infinite one is 0, too.
struct TakeShare {
  static constexpr std::string_view kName = "share";
  template <class V>
  static V f(V dy, V share) {
    return select(share == V(0), V(0), dy * share);
  }
};

struct Equal {
  static constexpr std::string_view kName = "eq";
  template <class T>
  static bool test(T a, T b) {
    return a == b;
  }
};
struct NotEqual {
  static constexpr std::string_view kName = "ne";
  template <class T>
  static bool test(T a, T b) {
    return a != b;
  }
};
struct Less {
  static constexpr std::string_view kName = "lt";
  template <class T>
  static bool test(T a, T b) {
    return a < b;
  }
};
struct LessEqual {
  static constexpr std::string_view kName = "le";
  template <class T>
  static bool test(T a, T b) {
    return a <= b;
  }
};
struct Greater {
  static constexpr std::string_view kName = "gt";
  template <class T>
  static bool test(T a, T b) {
    return a > b;
  }
};
struct GreaterEqual {
  static constexpr std::string_view kName = "ge";
  template <class T>
  static bool test(T a, T b) {
    return a >= b;
  }
};

using BinaryOps =
    OpList<Add, AddRelu, Subtract, Multiply, Divide, Power, Atan2, Prelu, Maximum, Minimum, MaximumShare, TakeShare>;
using CompareOps = OpList<Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual>;

/// Which operand of a run is one number for all its elements.
enum class Repeat { none, left, right };

/// The SIMD side, per instruction set; `op` is an index into BinaryOps.
template <class Arch, class T>
struct BinaryKernels {
  static void run(std::size_t op, Repeat repeat, std::int64_t n, const T* a, const T* b, T* y);
  static void add_scaled(std::int64_t n, T scale, const T* b, T* a);
};

/// y[i] = f(a[i], b[i]) for contiguous runs (or single numbers, see Repeat); y may be a or b. T: float, double, int64.
template <class T>
void binary(std::size_t op, Repeat repeat, std::int64_t n, const T* a, const T* b, T* y);
/// y[i] = test(a[i], b[i]); T is any dtype's type.
template <class T>
void compare(std::size_t op, Repeat repeat, std::int64_t n, const T* a, const T* b, bool* y);
/// a[i] += scale * b[i]. T: float, double, int64.
template <class T>
void add_scaled(std::int64_t n, T scale, const T* b, T* a);

}  // namespace evenkeel::kernels
