#pragma once

#include "evenkeel/autograd/tensor.hpp"

namespace evenkeel {

// Tensors of another one's shape, and dtype unless the options give one; and matrices and vectors by a rule. (zeros,
// ones, full, arange, rand, randn and tensor stand in autograd/tensor.hpp.)

Tensor zeros_like(const Tensor& x, const InferredOptions& options = {});
Tensor ones_like(const Tensor& x, const InferredOptions& options = {});
Tensor full_like(const Tensor& x, double value, const InferredOptions& options = {});
/// Uniform in [0, 1), and standard normal.
Tensor rand_like(const Tensor& x, Generator& generator, const InferredOptions& options = {});
Tensor randn_like(const Tensor& x, Generator& generator, const InferredOptions& options = {});

/// 1 on the diagonal, else 0: (n, n), or (n, m).
Tensor eye(std::int64_t n, TensorOptions options = {});
Tensor eye(std::int64_t n, std::int64_t m, TensorOptions options = {});
/// `steps` numbers from start to end at equal distances; each half is counted from its own end, so that both ends are
/// exact. One step gives start.
Tensor linspace(double start, double end, std::int64_t steps, TensorOptions options = {});

}  // namespace evenkeel
