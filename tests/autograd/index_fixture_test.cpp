// The ops that take tensors apart, put them together, sort and index them, and einsum, against PyTorch's values and
// gradients, in float64 and float32.

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/einsum.hpp"
#include "evenkeel/autograd/ops/index.hpp"
#include "evenkeel/autograd/ops/indexing.hpp"
#include "evenkeel/autograd/ops/rearrange.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/autograd/ops/sort.hpp"
#include "tests/support/fixture.hpp"

#include <functional>

namespace evenkeel::test {
namespace {

/// What a case may have: two tensors with gradients, two of indices.
struct Given {
  Tensor x, w, i, j;
  Tensor mask() const { return to(j, DType::boolean); }
};
using Call = std::function<Tensor(const Given&)>;

Tensor put(const Given& in, const Indices& indices, bool accumulate = false) {
  Tensor y = in.x * 1.0;
  return index_put_(y, indices, in.w, accumulate);
}

const std::vector<std::pair<std::string, Call>> kCalls = {
    {"split", [](const Given& in) { return split(in.x, 3, -1)[2]; }},
    {"chunk",
     [](const Given& in) {
       const std::vector<Tensor> parts = chunk(in.x, 4, 1);
       return cat({parts.rbegin(), parts.rend()}, 1);
     }},
    {"unbind", [](const Given& in) { return unbind(in.x, 1)[2] * unbind(in.x, 1)[0]; }},
    {"unflatten",
     [](const Given& in) {
       return transpose(unflatten(in.x, 1, Shape{2, -1}), 1, 2);
     }},
    {"movedim",
     [](const Given& in) {
       return movedim(in.x, Dims{0, 3}, Dims{2, 1});
     }},
    {"repeat",
     [](const Given& in) {
       return repeat(in.x, Shape{2, 1, 3});
     }},
    {"tile", [](const Given& in) { return tile(in.x, Shape{3}); }},
    {"flip",
     [](const Given& in) {
       return flip(in.x, Dims{0, -1});
     }},
    {"roll",
     [](const Given& in) {
       return roll(in.x, Shape{2, -1}, Dims{0, 1});
     }},
    {"roll_flat", [](const Given& in) { return roll(in.x, Shape{5}); }},
    {"tril", [](const Given& in) { return tril(in.x, 1); }},
    {"triu", [](const Given& in) { return triu(in.x, -1); }},
    {"pixel_shuffle", [](const Given& in) { return pixel_shuffle(in.x, 2); }},
    {"pixel_unshuffle", [](const Given& in) { return pixel_unshuffle(in.x, 3); }},
    {"sort", [](const Given& in) { return sort(in.x, 1).values; }},
    {"sort_descending", [](const Given& in) { return sort(in.x, -1, true).values; }},
    {"sort_indices", [](const Given& in) { return sort(in.x, 0, true).indices; }},
    {"argsort", [](const Given& in) { return argsort(in.x); }},
    {"topk", [](const Given& in) { return topk(in.x, 3, 0).values; }},
    {"topk_smallest", [](const Given& in) { return topk(in.x, 4, -1, false).values; }},
    {"topk_indices", [](const Given& in) { return topk(in.x, 3).indices; }},
    {"scatter", [](const Given& in) { return scatter(in.x, 1, in.i, in.w); }},
    {"scatter_number", [](const Given& in) { return scatter(in.x, 0, in.i, 1.5); }},
    {"scatter_add", [](const Given& in) { return scatter_add(in.x, 0, in.i, in.w); }},
    {"index_add", [](const Given& in) { return index_add(in.x, 1, in.i, in.w); }},
    {"masked_select", [](const Given& in) { return masked_select(in.x, in.mask()); }},
    {"nonzero", [](const Given& in) { return nonzero(in.x); }},
    {"one_hot", [](const Given& in) { return one_hot(in.i); }},
    {"one_hot_of_7", [](const Given& in) { return one_hot(in.i, 7); }},
    {"embedding", [](const Given& in) { return embedding(in.i, in.w); }},
    {"embedding_padding", [](const Given& in) { return embedding(in.i, in.w, -3); }},
    {"einsum_product",
     [](const Given& in) {
       return einsum("ij,jk", {in.x, in.w});
     }},
    {"einsum_attention",
     [](const Given& in) {
       return einsum("bqhd,bkhd->bhqk", {in.x, in.w});
     }},
    {"einsum_ellipsis",
     [](const Given& in) {
       return einsum("...ij,j...->i...", {in.x, in.w});
     }},
    {"einsum_implied",
     [](const Given& in) {
       return einsum("b...a,cb", {in.x, in.w});
     }},
    {"einsum_sums",
     [](const Given& in) {
       return einsum("aij,bjk->b", {in.x, in.w});
     }},
    {"einsum_diagonal",
     [](const Given& in) {
       return einsum("iij,kjk->ik", {in.x, in.w});
     }},
    {"einsum_trace", [](const Given& in) { return einsum("ii", {in.x}); }},
    {"index_basic",
     [](const Given& in) {
       return in.x[{-2, ellipsis, newaxis, Slice{1, 7, 2}, 0}];
     }},
    {"index_rows", [](const Given& in) { return in.x[in.i]; }},
    {"index_neighbours",
     [](const Given& in) {
       return in.x[{Slice{}, in.i, in.j}];
     }},
    {"index_apart",
     [](const Given& in) {
       return in.x[{in.i, Slice{}, in.j}];
     }},
    {"index_with_integer",
     [](const Given& in) {
       return in.x[{in.i, 0, in.j}];
     }},
    {"index_new_axis_between",
     [](const Given& in) {
       return in.x[{Slice{}, in.i, newaxis, in.j}];
     }},
    {"index_mask",
     [](const Given& in) {
       return in.x[{Slice{}, in.mask()}];
     }},
    {"index_mask_and_rows",
     [](const Given& in) {
       return in.x[{in.mask(), Slice{1, {}}, in.i}];
     }},
    {"put_basic",
     [](const Given& in) {
       return put(in, {Slice{1, {}}, 0});
     }},
    {"put_rows", [](const Given& in) { return put(in, in.i); }},
    {"put_apart",
     [](const Given& in) {
       return put(in, {in.i, Slice{}, in.j});
     }},
    {"put_mask",
     [](const Given& in) {
       return put(in, {Slice{}, in.mask()});
     }},
    {"put_accumulate",
     [](const Given& in) {
       return put(in, {in.i, in.j}, true);
     }},
};

TEST_CASE("ops of shape and index equal PyTorch's") {
  replay("indexing.safetensors", kCalls, {.float64 = 1e-14, .float32 = 1e-5}, [](FixtureCase& one, const Call& call) {
    const Given in{.x = one.input("x", true), .w = one.input("w", true), .i = one.input("i"), .j = one.input("j")};
    const Tensor y = call(in);
    one.check(y.array(), "y");
    if (!one.has("dy")) {
      CHECK_FALSE(y.requires_grad());
      return;
    }
    y.backward(one.input("dy"));
    for (const auto& [key, leaf] : {std::pair("dx", in.x), std::pair("dw", in.w)}) {
      if (leaf.defined()) {
        one.check(leaf.grad().array(), key);
      }
    }
  });
}

}  // namespace
}  // namespace evenkeel::test
