// Running statistics move last: a forward that throws has moved none of them.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/functional.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/cross_iteration_conv.hpp"
#include "evenkeel/nn/norm/domain_batch_norm.hpp"
#include "tests/support/norm_traits.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

std::vector<std::vector<double>> everything(const Module& module) {
  std::vector<std::vector<double>> result;
  for (const auto& [name, array] : module.state_dict()) {
    result.push_back(array.to(DType::float64).to_vector<double>());
  }
  return result;
}

/// x of another dtype, in training, fresh and after a batch: an error that changes nothing.
void check_refused(Layer& layer, std::int64_t channels) {
  for (int i = 0; i < 2; ++i) {
    CAPTURE(i);
    const auto before = everything(layer);
    CHECK_THROWS_WITH(layer(random({4, channels, 3, 2}, 1)), Contains("float32"));
    CHECK(everything(layer) == before);
    layer(to(random({4, channels, 3, 2}, 2), DType::float32));
  }
}

/// Twice as long, with `value` between the elements.
Tensor every_second(const Tensor& x, double value) {
  const Array wide = Array::full({2 * x.numel()}, value, x.dtype());
  Array result = wide.slice(0, 0, 2 * x.numel(), 2);
  result.copy_(x.array());
  return Tensor(result);
}

}  // namespace

TEST_CASE("a batch of another dtype moves nothing, in every norm") {
  for_each_norm([](const std::string& name, const NormTraits&) {
    const auto layer = make_norm(name, 8);
    if (layer->num_parameters() > 0) {
      check_refused(*layer, 8);
    }
  });
  Generator generator(1);
  CrossIterationConv2d conv(3, 4, generator, {.kernel_size = 1, .bias = false});
  check_refused(conv, 3);
  DomainBatchNorm2d domains(2, 3, {.cycle = true});
  const std::int64_t domain = domains.domain();
  CHECK_THROWS(domains(random({4, 3, 3, 2}, 1)));
  CHECK(domains.domain() == domain);
  check_refused(domains, 3);
}

TEST_CASE("a bias of another dtype than its layer moves nothing, where it is refused") {
  for (const char* name : {"bn", "brn", "pn", "iternorm", "bgn", "ghost_bn", "ibn"}) {
    CAPTURE(name);
    const auto layer = make_norm(name, 8);
    const Tensor x = to(random({4, 8, 3, 2}, 2), DType::float32);
    (*layer)(x);
    for (auto& [path, parameter] : layer->named_parameters()) {
      if (path.ends_with("bias")) {
        parameter.mutable_array() = parameter.array().to(DType::float64);
      }
    }
    const auto before = everything(*layer);
    CHECK_THROWS_WITH((*layer)(x), Contains("float64"));
    CHECK(everything(*layer) == before);
  }
}

TEST_CASE("functional norms: strided running statistics are moved in place") {
  const Tensor x = random({4, 3, 2, 5}, 1);
  for (const bool instance : {false, true}) {
    CAPTURE(instance);
    for (const DType dtype : {DType::float32, DType::float64}) {
      const auto run = [&](const Tensor& mean, const Tensor& var, bool training) {
        return instance ? functional::instance_norm(x, mean, var, {}, {}, {.use_input_stats = training})
                        : functional::batch_norm(x, mean, var, {}, {}, {.training = training});
      };
      const Tensor mean = to(random({3}, 2), dtype), var = to(square(random({3}, 3)), dtype);
      const Tensor strided_mean = every_second(mean, 7), strided_var = every_second(var, 8);
      const Tensor y = run(mean, var, true);
      CHECK(run(strided_mean, strided_var, true).to_vector<double>() == y.to_vector<double>());
      CHECK(doubles(strided_mean) == doubles(mean));
      CHECK(doubles(strided_var) == doubles(var));
      if (dtype == x.dtype()) {
        CHECK(run(strided_mean, strided_var, false).to_vector<double>() == run(mean, var, false).to_vector<double>());
      }
    }
  }
  // A column of a table, whose other columns stay.
  const Array table = Array::full({3, 2}, 5, DType::float64);
  functional::batch_norm(x, Tensor(table.select(1, 0)), ones({3}, {.dtype = DType::float64}), {}, {},
                         {.training = true, .momentum = 1});
  check_close(table.select(1, 0), mean(x, {0, 2, 3}).array(), 1e-14, "column");
  CHECK(table.select(1, 1).to_vector<double>() == std::vector<double>{5, 5, 5});
}

TEST_CASE("functional norms: running statistics that can't be moved are refused before any moves") {
  const Tensor x = random({4, 3, 2, 5}, 1);
  const Tensor integers(Array::arange(1, 4, 1, DType::int64));
  const Tensor expanded(Array::ones({1}, DType::float64).expand({3}));
  for (const bool instance : {false, true}) {
    const auto run = [&](const Tensor& mean, const Tensor& var) {
      return instance ? functional::instance_norm(x, mean, var)
                      : functional::batch_norm(x, mean, var, {}, {}, {.training = true});
    };
    const Tensor fine = random({3}, 2);
    const auto before = fine.to_vector<double>();
    CHECK_THROWS_WITH(run(fine, integers), Contains("running_var must be float32 or float64, got int64"));
    CHECK_THROWS_WITH(run(integers, fine), Contains("running_mean must be float32 or float64, got int64"));
    CHECK_THROWS_WITH(run(fine, expanded), Contains("running_var is moved, but its elements share memory"));
    CHECK_THROWS_WITH(run(expanded, fine), Contains("running_mean is moved, but its elements share memory"));
    CHECK(fine.to_vector<double>() == before);
    CHECK(expanded.array().to_vector<double>() == std::vector<double>{1, 1, 1});
  }
  // Reading shared elements is fine.
  const Tensor y = functional::batch_norm(x, expanded, expanded);
  check_close(y.array(), ((x - 1) / std::sqrt(1 + 1e-5)).array(), 1e-14, "expanded, in eval");
}

TEST_CASE("a layer whose constructor throws has drawn nothing from the generator") {
  Generator generator(1);
  const Generator::State before = generator.state();
  CHECK_THROWS(Linear(-1, 2, generator));
  CHECK_THROWS(Conv2d(3, 4, generator, {.kernel_size = 0}));
  CHECK_THROWS(Dropout(2, generator));
  CHECK_THROWS(CrossIterationConv2d(3, 4, generator, {.kernel_size = 1, .bias = false}, {.window = 0}));
  CHECK_THROWS(CrossIterationConv2d(3, 4, generator, {.kernel_size = 1, .bias = false}, {.burn_in = -1}));
  CHECK_THROWS(CrossIterationConv2d(3, 4, generator, {.kernel_size = 1, .bias = true}));
  CHECK(generator.state() == before);
}

}  // namespace evenkeel::test
