// Every loss against PyTorch's values and gradients, in float64 to 1e-10 and in float32 to 1e-5.

#include "evenkeel/autograd/ops/loss.hpp"
#include "tests/support/fixture.hpp"

#include <functional>

namespace evenkeel::test {
namespace {

/// The tensors of one case: weights and targets as the fixture has them, floats converted.
struct Inputs {
  Tensor x, target, weight, pos_weight;
  Reduction reduction;
};
using Loss = std::function<Tensor(const Inputs&)>;

const std::vector<std::pair<std::string, Loss>> kLosses = {
    {"cross_entropy", [](const Inputs& in) { return cross_entropy(in.x, in.target, {.reduction = in.reduction}); }},
    {"cross_entropy_full",
     [](const Inputs& in) {
       return cross_entropy(
           in.x, in.target,
           {.weight = in.weight, .ignore_index = 2, .label_smoothing = 0.2, .reduction = in.reduction});
     }},
    {"cross_entropy_probabilities",
     [](const Inputs& in) {
       return cross_entropy(in.x, in.target, {.weight = in.weight, .label_smoothing = 0.1, .reduction = in.reduction});
     }},
    {"cross_entropy_4d",
     [](const Inputs& in) {
       return cross_entropy(
           in.x, in.target,
           {.weight = in.weight, .ignore_index = 1, .label_smoothing = 0.3, .reduction = in.reduction});
     }},
    {"nll",
     [](const Inputs& in) {
       return nll_loss(in.x, in.target, {.weight = in.weight, .ignore_index = 3, .reduction = in.reduction});
     }},
    {"mse", [](const Inputs& in) { return mse_loss(in.x, in.target, in.reduction); }},
    {"l1", [](const Inputs& in) { return l1_loss(in.x, in.target, in.reduction); }},
    {"smooth_l1", [](const Inputs& in) { return smooth_l1_loss(in.x, in.target, in.reduction, 0.7); }},
    {"bce_with_logits",
     [](const Inputs& in) {
       return binary_cross_entropy_with_logits(
           in.x, in.target, {.weight = in.weight, .pos_weight = in.pos_weight, .reduction = in.reduction});
     }},
};

/// Every loss under "<name>_<reduction>", as the file has them.
struct Row {
  Loss loss;
  Reduction reduction;
};

std::vector<std::pair<std::string, Row>> rows() {
  std::vector<std::pair<std::string, Row>> result;
  for (const auto& [name, loss] : kLosses) {
    result.push_back({name + "_mean", {loss, Reduction::mean}});
    result.push_back({name + "_sum", {loss, Reduction::sum}});
    result.push_back({name + "_none", {loss, Reduction::none}});
  }
  return result;
}

TEST_CASE("every loss equals PyTorch's") {
  replay("losses.safetensors", rows(), {}, [](FixtureCase& one, const Row& row) {
    const Inputs in{.x = one.input("x", true),
                    .target = one.input("target"),
                    .weight = one.input("weight"),
                    .pos_weight = one.input("pos_weight"),
                    .reduction = row.reduction};
    const Tensor value = row.loss(in);
    one.check(value.array(), "loss");
    value.backward(one.input("dloss"));
    one.check(in.x.grad().array(), "dx");
  });
}

}  // namespace
}  // namespace evenkeel::test
