// clone() of every network of the registry.

#include "evenkeel/nn/clone.hpp"

#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/nn/norm/convert.hpp"

#include <doctest/doctest.h>

#include <cstring>

using namespace evenkeel;

namespace {

bool same_bits(const nn::StateDict& a, const nn::StateDict& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    const auto size = static_cast<std::size_t>(x.second.numel()) * item_size(x.second.dtype());
    return x.first == y.first && x.second.shape() == y.second.shape() &&
           std::memcmp(x.second.raw(), y.second.raw(), size) == 0;
  });
}

nn::StateDict copied(const nn::Module& module) {
  nn::StateDict state = module.state_dict();
  for (auto& [name, value] : state) {
    value = value.clone();
  }
  return state;
}

}  // namespace

TEST_CASE("every network: the copy is the same, learns alone, and what is converted stays so") {
  for (const models::ModelEntry& entry : models::models()) {
    const std::string name(entry.name);
    CAPTURE(name);
    Generator generator(1);
    const auto model = models::make_model(entry.name, generator, {.input_size = 8});
    const Tensor x = randn({2, 3, 8, 8}, generator);
    if (entry.norm == "bn") {
      convert_bn_to_gn(*model, 4);
    }
    const auto copy = nn::clone(*model);
    CHECK(concat(*copy) == concat(*model));
    CHECK(same_bits(copy->state_dict(), model->state_dict()));
    const nn::StateDict before = copied(*model);
    const Tensor y = (*copy)(x);
    sum(y).backward();
    for (Tensor& parameter : copy->parameters()) {
      REQUIRE(parameter.grad().defined());
      parameter.mutable_array().fill_(0);
    }
    CHECK(same_bits(model->state_dict(), before));
    CHECK(!model->parameters()[0].grad().defined());
    CHECK((*model)(x).to_vector<float>() == y.to_vector<float>());
  }
}
