#include "evenkeel/nn/norm/precise_bn.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "tests/support/fixture.hpp"
#include "tests/support/values.hpp"

#include <algorithm>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using test::random;

namespace {

/// Batches of different size, of channels with different means.
std::vector<Tensor> uneven_batches() {
  const Tensor offsets = tensor(std::vector<double>{0, 3, -100}, {1, 3, 1, 1});
  std::vector<Tensor> batches;
  for (const std::int64_t n : {4, 1, 3}) {
    const double shift = static_cast<double>(n);
    batches.push_back(random({n, 3, 2, 5}, static_cast<unsigned>(n)) * shift + offsets + shift);
  }
  return batches;
}

}  // namespace

TEST_CASE("the statistics are those of all values together, as plain loops give them") {
  for (const DType dtype : {DType::float64, DType::float32}) {
    CAPTURE(dtype);
    BatchNorm2d bn(3);
    bn.to(dtype);
    std::vector<Tensor> batches;
    for (const Tensor& batch : uneven_batches()) {
      batches.emplace_back(batch.array().to(dtype));
    }
    CHECK(update_bn_stats(bn, batches) == 1);
    for (std::size_t c = 0; c < 3; ++c) {
      std::vector<double> values;
      for (const Tensor& batch : batches) {
        const Tensor channel = select(batch, 1, static_cast<std::int64_t>(c));
        const auto more = channel.array().contiguous().to(DType::float64).to_vector<double>();
        values.insert(values.end(), more.begin(), more.end());
      }
      REQUIRE(values.size() == 80);
      double mean = 0, squares = 0;
      for (const double value : values) {
        mean += value / 80;
      }
      for (const double value : values) {
        squares += (value - mean) * (value - mean);
      }
      const double tolerance = dtype == DType::float64 ? 1e-13 : 1e-6;
      CHECK(bn.running_mean.array().to(DType::float64).to_vector<double>()[c] ==
            doctest::Approx(mean).epsilon(tolerance));
      CHECK(bn.running_var.array().to(DType::float64).to_vector<double>()[c] ==
            doctest::Approx(squares / 79).epsilon(tolerance));
    }
    CHECK(bn.num_batches_tracked.array().item_int64() == 0);
    CHECK(bn.training());
  }
}

TEST_CASE("one batch gives what a training step with momentum 1 gives, in every layer of a model") {
  Generator generator(1);
  const auto make = [&](double momentum) {
    auto model = std::make_unique<Sequential>();
    model->append<Linear>(4, 6, generator)
        .append<BatchNorm1d>(6, BatchNormOptions{.momentum = momentum})
        .append<Linear>(6, 3, generator)
        .append<BatchNorm1d>(3, BatchNormOptions{.momentum = momentum});
    model->to(DType::float64);
    return model;
  };
  const auto precise = make(0.1), once = make(1);
  once->load_state_dict(precise->state_dict());
  const Tensor x = random({7, 4}, 3);
  (*once)(x);
  CHECK(update_bn_stats(*precise, std::vector<Tensor>{x}) == 2);
  const StateDict expected = once->state_dict();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i].first.find("num_batches") == std::string::npos) {
      test::check_close(precise->state_dict()[i].second, expected[i].second, 1e-13, expected[i].first);
    }
  }
}

TEST_CASE("other layers evaluate, modes end as they were, frozen and not tracking layers stay as they are") {
  Generator generator(1);
  Sequential model;
  model.append<Dropout>(0.5, generator)
      .append<BatchNorm1d>(2)
      .append<BatchNorm1d>(2, BatchNormOptions{.track_running_stats = false})
      .append<BatchNorm1d>(2);
  model.child<BatchNorm1d>("3")->freeze_statistics();
  model.eval();
  model[0]->train();
  const Tensor x = tensor(std::vector<float>{1, 10, 3, 30}, {2, 2});
  CHECK(update_bn_stats(model, std::vector<Tensor>{x, x}) == 1);
  const auto& bn = *model.child<BatchNorm1d>("1");
  CHECK(bn.running_mean.to_vector<float>() == std::vector<float>{2, 20});
  CHECK(bn.running_var.to_vector<float>()[1] == doctest::Approx(400.0 / 3));
  CHECK(model.child<BatchNorm1d>("3")->running_mean.to_vector<float>() == std::vector<float>{0, 0});
  CHECK(model[0]->training());
  CHECK(!model.training());
  CHECK(!bn.training());
  // The hooks are gone.
  model.child<BatchNorm1d>("1")->running_mean.mutable_array().fill_(7);
  model(x);
  CHECK(bn.running_mean.to_vector<float>()[0] == 7);
}

TEST_CASE("without batches, or when a forward throws, everything stays as it was") {
  BatchNorm2d bn(3);
  bn.running_mean.mutable_array().fill_(0.5);
  bn.eval();
  CHECK_THROWS_WITH(update_bn_stats(bn, std::vector<Tensor>{}),
                    "update_bn_stats: no batch was given to take statistics of");
  CHECK_THROWS_WITH(update_bn_stats(bn, std::vector<Tensor>{ones({2, 3, 4, 4}), ones({2, 4, 4, 4})}),
                    Contains("should contain 4 elements not 3"));
  CHECK(bn.running_mean.to_vector<float>() == std::vector<float>(3, 0.5F));
  CHECK(bn.num_batches_tracked.array().item_int64() == 0);
  CHECK(!bn.training());
  // Empty batches give no statistics.
  CHECK(update_bn_stats(bn, std::vector<Tensor>{zeros({0, 3, 2, 2})}) == 0);
  CHECK(bn.running_mean.to_vector<float>() == std::vector<float>(3, 0.5F));
}

TEST_CASE("update_bn leaves what new layers have that saw the batches with momentum = nullopt") {
  Generator generator(1);
  const auto make = [&](std::optional<double> momentum) {
    auto model = std::make_unique<Sequential>();
    model->append<BatchNorm2d>(3, BatchNormOptions{.momentum = momentum})
        .append<BatchRenorm2d>(3, BatchRenormOptions{.momentum = 0.2})
        .append<BatchNorm2d>(3, BatchNormOptions{.momentum = momentum});
    model->to(DType::float64);
    return model;
  };
  const auto updated = make(0.1), fresh = make(std::nullopt);
  (*updated)(random({5, 3, 4, 4}, 9));  // statistics that are forgotten
  for (const Tensor& batch : uneven_batches()) {
    (*fresh)(batch);
  }
  updated->eval();
  CHECK(update_bn(uneven_batches(), *updated) == 3);
  CHECK(!updated->child<BatchNorm2d>("0")->training());
  for (const char* name : {"0.running_mean", "0.running_var", "0.num_batches_tracked", "2.num_batches_tracked"}) {
    test::check_close(updated->get_buffer(name), fresh->get_buffer(name), 1e-13, name);
  }
}

TEST_CASE("update_bn trains all layers meanwhile, dropout too, and leaves frozen layers alone") {
  Generator generator(1);
  Sequential model;
  model.append<Dropout>(0.5, generator).append<BatchNorm1d>(50).append<BatchNorm1d>(50);
  model.child<BatchNorm1d>("2")->freeze_statistics();
  model.eval();
  CHECK(update_bn(std::vector<Tensor>{ones({4, 50})}, model) == 1);
  const std::vector<float> means = model.child<BatchNorm1d>("1")->running_mean.to_vector<float>();
  CHECK(*std::ranges::min_element(means) < 1);
  CHECK(*std::ranges::max_element(means) > 1);
  CHECK(model.child<BatchNorm1d>("2")->num_batches_tracked.array().item_int64() == 0);
  CHECK(!model[0]->training());
}

TEST_CASE("update_bn without batches, or when a forward throws, leaves everything as it was") {
  BatchNorm2d bn(3);
  bn.running_mean.mutable_array().fill_(0.5);
  CHECK_THROWS_WITH(update_bn(std::vector<Tensor>{}, bn), "update_bn: no batch was given to take statistics of");
  CHECK_THROWS_WITH(update_bn(std::vector<Tensor>{ones({2, 3, 4, 4}), ones({1, 3, 1, 1})}, bn),
                    Contains("Expected more than 1 value per channel"));
  CHECK(bn.running_mean.to_vector<float>() == std::vector<float>(3, 0.5F));
  CHECK(bn.num_batches_tracked.array().item_int64() == 0);
  CHECK(bn.training());
}
