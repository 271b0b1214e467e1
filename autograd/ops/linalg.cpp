#include "evenkeel/autograd/ops/linalg.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/kernels/matmul/gemm.hpp"
#include "evenkeel/core/matmul.hpp"

namespace evenkeel {
namespace {

/// (*, n) as (rows, n).
Tensor as_rows(const Tensor& x) {
  std::int64_t rows = 1;
  for (int i = 0; i < x.rank() - 1; ++i) {
    rows *= x.shape()[i];
  }
  return x.rank() == 2 ? x : reshape(x, {rows, x.size(-1)});
}

}  // namespace

/// y = a b;  da = dy b^T,  db = a^T dy, for vectors as matrices of one row (a) or column (b).
Tensor matmul(const Tensor& a, const Tensor& b) {
  check_defined("matmul", a);
  check_defined("matmul", b);
  return record({.name = "matmul", .inputs = {a, b}, .keep = Keep::inputs(2)}, matmul(a.array(), b.array()),
                [](const Saved& saved, const Tensor& dy) -> Grads {
                  const Tensor x = saved.input(0);
                  const Tensor w = saved.input(1);
                  const Tensor left = x.rank() == 1 ? unsqueeze(x, 0) : x;
                  const Tensor right = w.rank() == 1 ? unsqueeze(w, 1) : w;
                  const Tensor columns = w.rank() == 1 ? unsqueeze(dy, -1) : dy;
                  const Tensor gradient = x.rank() == 1 ? unsqueeze(columns, -2) : columns;
                  Grads grads(2);
                  if (saved.needs(0)) {
                    const Tensor da = matmul(gradient, transpose(right, -1, -2));
                    grads[0] = x.rank() == 1 ? squeeze(da, -2) : da;
                  }
                  if (saved.needs(1)) {
                    const bool shared = right.rank() == 2;  // one b for the whole batch: one tall product
                    const Tensor db = shared ? matmul(transpose(as_rows(left), 0, 1), as_rows(gradient))
                                             : matmul(transpose(left, -1, -2), gradient);
                    grads[1] = w.rank() == 1 ? squeeze(db, -1) : db;
                  }
                  return grads;
                });
}

namespace {

Array linear_value(const Array& x, const Array& weight, const Array& bias) {
  Shape shape = x.shape();
  const std::int64_t in = weight.size(1);
  const std::int64_t out = weight.size(0);
  shape[shape.rank() - 1] = out;
  Array y = Array::empty(shape, x.dtype());
  dispatch_float(x.dtype(), "linear", [&]<class T>() {
    const GemmDims dims{.m = out == 0 ? 0 : y.numel() / out, .n = out, .k = in, .trans_b = true};
    const Array rows = bias.defined() ? bias.contiguous() : Array{};
    gemm<T>(dims, x.contiguous().data<T>(), weight.contiguous().data<T>(), y.mutable_data<T>(),
            bias.defined() ? rows.data<T>() : nullptr);
  });
  return y;
}

void check_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_defined("linear", x);
  check_defined("linear", weight);
  require<ShapeError>(weight.rank() == 2 && x.rank() >= 1, "linear",
                      "the input must have at least one dim and the weight two, got shapes ", x.shape(), " and ",
                      weight.shape());
  require<ShapeError>(x.size(-1) == weight.size(1), "linear", "mat1 and mat2 shapes cannot be multiplied: input ",
                      x.shape(), " has ", x.size(-1), " features, weight ", weight.shape(), " expects ",
                      weight.size(1));
  require<DtypeError>(x.dtype() == weight.dtype() && (!bias.defined() || bias.dtype() == x.dtype()), "linear",
                      "input, weight and bias must have one dtype, got ", x.dtype(), ", ", weight.dtype(),
                      bias.defined() ? " and " : "", bias.defined() ? name(bias.dtype()) : "");
  require<ShapeError>(!bias.defined() || bias.shape() == Shape{weight.size(0)}, "linear", "the bias must have shape [",
                      weight.size(0), "], got ", bias.defined() ? bias.shape() : Shape{});
}

}  // namespace

/// y = x W^T + b;  dx = dy W,  dW = dy^T x and db = sum dy over all rows.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_linear(x, weight, bias);
  std::vector<Tensor> inputs{x, weight};
  if (bias.defined()) {
    inputs.push_back(bias);
  }
  Array value = linear_value(x.array(), weight.array(), bias.defined() ? bias.array() : Array{});
  return record({.name = "linear", .inputs = inputs, .keep = Keep::inputs(2)}, std::move(value),
                [with_bias = bias.defined()](const Saved& saved, const Tensor& dy) -> Grads {
                  Grads grads(with_bias ? 3 : 2);
                  if (saved.needs(0)) {
                    grads[0] = matmul(dy, saved.input(1));
                  }
                  if (saved.needs(1)) {
                    grads[1] = matmul(transpose(as_rows(dy), 0, 1), as_rows(saved.input(0)));
                  }
                  if (with_bias && saved.needs(2)) {
                    grads[2] = sum(as_rows(dy), {0});
                  }
                  return grads;
                });
}

}  // namespace evenkeel
