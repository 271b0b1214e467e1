#pragma once

namespace evenkeel::kernels {

// One struct per binary op: `f(a, b)` for arithmetic (Add, Subtract, Multiply, Divide, Power, Maximum, Minimum), and
// `test(a, b)` for comparisons (Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual).

}  // namespace evenkeel::kernels
