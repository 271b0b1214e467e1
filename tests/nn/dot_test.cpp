#include "evenkeel/nn/dot.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace evenkeel;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a model is drawn layer by layer, and stays as it was") {
  Generator generator(1);
  nn::Sequential model;
  model.append<nn::Linear>(3, 4, generator).append<nn::BatchNorm1d>(4).append<nn::Dropout>(0.5, generator);
  const NoGradGuard no_grad;
  const auto before = model.state_dict();
  const std::string mean = to_string(Tensor(before.at(3).second));
  const std::string text = nn::to_dot(model, {2, 3});
  CHECK(has(text, "label=\"0\\nLinear(in_features=3, out_features=4, bias=True)\", style=filled"));
  CHECK(has(text, "label=\"1\\nBatchNorm1d(4, eps=1e-05"));
  CHECK(has(text, "label=\"input\", shape=ellipse"));
  CHECK(has(text, " -> n1 [label=\" [2, 4]\"]"));
  CHECK_FALSE(has(text, "Dropout"));  // the identity in eval
  CHECK_FALSE(has(text, "\"linear\""));
  CHECK(model.training());
  CHECK_FALSE(grad_enabled());
  CHECK(to_string(Tensor(model.state_dict().at(3).second)) == mean);
  CHECK_FALSE(model.child("0")->has_forward_hooks());
  CHECK_THROWS_AS(nn::to_dot(model, {2, 5}), ShapeError);
  CHECK_FALSE(model.child("0")->has_forward_hooks());
}
