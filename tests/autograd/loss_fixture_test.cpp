// Every loss against PyTorch's values and gradients, in float64 to 1e-10 and in float32 to 1e-5.

#include "evenkeel/autograd/ops/loss.hpp"
#include "tests/support/fixture.hpp"

#include <functional>
#include <set>

using namespace evenkeel;
using evenkeel::test::check_close;
using evenkeel::test::Fixture;

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

const std::vector<std::pair<std::string, Reduction>> kReductions = {
    {"mean", Reduction::mean}, {"sum", Reduction::sum}, {"none", Reduction::none}};

Tensor load(const Fixture& fixture, const std::string& name, DType dtype, bool requires_grad = false) {
  if (!fixture.has(name)) {
    return {};
  }
  const Array array = fixture.at(name);
  return Tensor(is_floating(array.dtype()) ? array.to(dtype) : array, requires_grad);
}

void check_loss(const Fixture& fixture, const std::string& name, const Loss& loss, Reduction reduction, DType dtype,
                double tolerance) {
  CAPTURE(name);
  const Inputs in{.x = load(fixture, name + "/x", dtype, true),
                  .target = load(fixture, name + "/target", dtype),
                  .weight = load(fixture, name + "/weight", dtype),
                  .pos_weight = load(fixture, name + "/pos_weight", dtype),
                  .reduction = reduction};
  const Tensor value = loss(in);
  check_close(value.array(), fixture.at(name + "/loss"), tolerance, "loss");
  value.backward(load(fixture, name + "/dloss", dtype));
  check_close(in.x.grad().array(), fixture.at(name + "/dx"), tolerance, "dx");
}

}  // namespace

TEST_CASE("every loss equals PyTorch's") {
  const Fixture fixture("losses.safetensors");
  std::set<std::string> checked;
  for (const auto& [name, loss] : kLosses) {
    for (const auto& [suffix, reduction] : kReductions) {
      const std::string full_name = name + "_" + suffix;
      check_loss(fixture, full_name, loss, reduction, DType::float64, 1e-10);
      check_loss(fixture, full_name, loss, reduction, DType::float32, 1e-5);
      checked.insert(full_name);
    }
  }
  for (const auto& entry : fixture.under("")) {
    const std::string& name = entry.first;  // no structured binding: CHECK_MESSAGE is a lambda
    CHECK_MESSAGE(checked.contains(name.substr(0, name.find('/'))), name << " is not compared");
  }
}
