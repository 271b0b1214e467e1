#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <string_view>
#include <vector>

namespace evenkeel {

/// Sums of products by Einstein's convention: einsum("bij,bjk->bik", {a, b}) is the product of matrices, batch by
/// batch. One letter for each dim of each operand, operands apart by commas; behind "->" the letters of the result, in
/// any order. Letters that the result lacks are summed over; one that an operand has twice means its diagonal. "..."
/// stands for any dims, aligned at the right, as in broadcasting. Without "->" the result has the dims of "...", then
/// the letters that occur once, in alphabetical order (capitals first). Dims of one letter have one size, or 1, which
/// stretches. Spaces mean nothing.
///
/// Letters of one operand only are summed first. Two operands are one matmul then, batched over the letters that both
/// and the result have, or a mul where there is nothing to sum; more than two are taken from left to right. A sum of
/// products takes floats, as matmul.
Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands);

}  // namespace evenkeel
