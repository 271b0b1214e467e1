#pragma once

#include "evenkeel/core/array.hpp"

#include <string>
#include <vector>

namespace evenkeel {

/// What stands in the cells that padding adds.
enum class PadMode {
  constant,   ///< a value
  reflect,    ///< the input mirrored at its outermost cells, which are not repeated: c b | a b c | b a
  replicate,  ///< the nearest of its cells: a a | a b c | c c
  circular,   ///< the cells of its other end: b c | a b c | a b
};
/// "reflect"
std::string to_string(PadMode mode);

/// x with cells of its own around it, as torch.nn.functional.pad in a mode other than constant. `padding`: (before,
/// after) for the last axis, then for the one before it, up to three; negative ones crop. x has one or two axes more,
/// channels and batch. Throws for padding that needs cells of x which there are not: reflected, it is below the size;
/// circular, which goes around what negative padding leaves, at most the size of that. Unlike PyTorch, an output size
/// of 0 is no error in any mode.
Array pad(const Array& x, const std::vector<std::int64_t>& padding, PadMode mode);
/// The adjoint: every cell of x, which has `shape`, is the sum of the cells of y that show it.
Array pad_adjoint(const Array& y, const Shape& shape, const std::vector<std::int64_t>& padding, PadMode mode);

}  // namespace evenkeel
