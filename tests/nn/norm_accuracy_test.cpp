// float32 on data whose mean is large against its spread (mean 1e4, standard deviation 0.1): where a variance by
// E[x^2] - E[x]^2 has no correct digit, every norm gives what it gives in float64, to 1e-5; PyTorch 1.13 is 2e-3 to
// 5e-3 off.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/init.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/dynamic_tanh.hpp"
#include "evenkeel/nn/norm/filter_response_norm.hpp"
#include "evenkeel/nn/norm/global_response_norm.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/local_response_norm.hpp"
#include "evenkeel/nn/norm/rms_norm.hpp"
#include "tests/support/layer_replay.hpp"
#include "tests/support/norm_traits.hpp"

using namespace evenkeel;
using namespace evenkeel::nn;
using namespace evenkeel::test;

namespace {

struct Outputs {
  Array training, eval;
};

/// Three training steps, then eval, on the same input, with parameters that are neither 0 nor 1.
Outputs run(const MakeLayer& make, const Array& x, DType dtype) {
  const auto layer = make();
  Generator generator(9);
  for (Tensor& parameter : layer->parameters()) {
    init::normal_(parameter, generator, 1, 0.25);
  }
  layer->to(dtype);
  const Tensor input(x.to(dtype));
  Outputs outputs;
  for (int step = 0; step < 3; ++step) {
    outputs.training = (*layer)(input).array();
  }
  layer->eval();
  outputs.eval = (*layer)(input).array();
  return outputs;
}

void check_accuracy(const std::string& name, const MakeLayer& make, const Array& x, double tolerance = 1e-5) {
  CAPTURE(name);
  const Outputs narrow = run(make, x, DType::float32);
  const Outputs wide = run(make, x, DType::float64);
  CHECK(relative_error(narrow.training, wide.training) < tolerance);
  CHECK(relative_error(narrow.eval, wide.eval) < tolerance);
}

Array far_off(const Shape& shape) {
  Generator generator(7);
  return (1e4 + 0.1 * randn(shape, generator)).array();
}

}  // namespace

TEST_CASE("every norm of the registry gives what it gives in float64") {
  const Fixture fixture("norms_layer.safetensors");
  const Array& x = fixture.at("far_off/x");
  test::for_each_norm([&](const std::string& name, const NormTraits& traits) {
    check_accuracy(
        name, [&] { return make_norm(name, x.shape()[1]); }, x, traits.far_off);
  });
}

TEST_CASE("the norms of other ranks") {
  check_accuracy("LayerNorm", layer<LayerNorm>(Shape{6, 35}), far_off({4, 6, 35}));
  check_accuracy("LayerNorm, short rows", layer<LayerNorm>(4), far_off({50, 4}));
  check_accuracy("RMSNorm", layer<RMSNorm>(35), far_off({4, 6, 35}));
  check_accuracy("BatchNorm1d", layer<BatchNorm1d>(6), far_off({40, 6}));
  check_accuracy("BatchNorm1d (N, C, L)", layer<BatchNorm1d>(6), far_off({8, 6, 9}));
  check_accuracy("BatchNorm3d", layer<BatchNorm3d>(6), far_off({3, 6, 3, 2, 5}));
  const InstanceNormOptions tracking = {.affine = true, .track_running_stats = true};
  check_accuracy("InstanceNorm1d", layer<InstanceNorm1d>(6, tracking), far_off({3, 6, 29}));
  check_accuracy("InstanceNorm2d", layer<InstanceNorm2d>(6, tracking), far_off({3, 6, 7, 5}));
  check_accuracy("InstanceNorm3d", layer<InstanceNorm3d>(6, tracking), far_off({3, 6, 3, 2, 5}));
}

TEST_CASE("PyTorch's float32 is no nearer to float64") {
  const Fixture fixture("norms_layer.safetensors");
  const Array& x = fixture.at("far_off/x");
  const std::vector<std::pair<std::string, MakeLayer>> layers = {
      {"bn", [] { return make_norm("bn", 6); }},   {"gn", [] { return make_norm("gn", 6, {.num_groups = 3}); }},
      {"ln", [] { return make_norm("ln", 6); }},   {"in", [] { return make_norm("in", 6); }},
      {"lrn", [] { return make_norm("lrn", 6); }}, {"layer_norm", layer<LayerNorm>(Shape{6, 5, 7})},
  };
  for (const auto& [key, make] : layers) {
    const std::string name = key;
    CAPTURE(name);
    const Array expected = fixture.at(concat("far_off/", name, "/y"));
    const auto wide = make(), narrow = make();
    wide->to(DType::float64);
    check_close((*wide)(Tensor(x.to(DType::float64))).array(), expected, 1e-9, "float64");
    const double theirs = fixture.at(concat("far_off/", name, "/error")).to_vector<double>()[0];
    CHECK(relative_error((*narrow)(Tensor(x)).array(), expected) <= std::max(theirs, 1e-6));
  }
}

TEST_CASE("gradients, too: of the input and the parameters") {
  const Array x = far_off({4, 6, 5, 7});
  Generator generator(8);
  const Array dy = randn({4, 6, 5, 7}, generator).array();
  test::for_each_norm([&](const std::string& name, const NormTraits& traits) {
    if (!traits.central) {
      return;
    }
    std::vector<Array> gradients[2];
    for (const DType dtype : {DType::float32, DType::float64}) {
      const auto layer = make_norm(name, 6);
      layer->to(dtype);
      const Tensor input(x.to(dtype), true);
      (*layer)(input).backward(Tensor(dy.to(dtype)));
      std::vector<Array>& all = gradients[dtype == DType::float64];
      all.push_back(input.grad().array());
      for (const Tensor& parameter : layer->parameters()) {
        all.push_back(parameter.grad().array());
      }
    }
    REQUIRE(gradients[0].size() == gradients[1].size());
    for (std::size_t i = 0; i < gradients[0].size(); ++i) {
      CHECK(relative_error(gradients[0][i], gradients[1][i]) < 1e-5);
    }
  });
}

TEST_CASE("rows of four large neighbouring numbers") {
  LayerNorm norm(4);
  const Tensor y = norm(tensor<float>({40000, 40001, 40002, 40003}, {1, 4}));
  check_close(y.array(), Array::from(std::vector<double>{-1.3416354, -0.4472118, 0.4472118, 1.3416354}, {1, 4}), 1e-6,
              "y");
  Generator generator(3);
  const Tensor rows = 2000 + randn({500, 4}, generator);  // rows of mean 0 and variance v / (v + eps) come out
  const Tensor z = norm(rows);
  check_close(mean(z, {1}).array(), Array::zeros({500}), 1e-6, "means");
  const Tensor v = var(rows, {1}, 0);
  check_close((var(z, {1}, 0) * (v + 1e-5)).array(), v.array(), 1e-5, "variances");
}

TEST_CASE("a channel of zeros, values far below eps and far above 1: finite outputs and gradients") {
  std::unique_ptr<Layer> layers[] = {
      std::make_unique<LayerNorm2d>(3),        std::make_unique<RMSNorm2d>(3),
      std::make_unique<InstanceNorm2d>(3),     std::make_unique<GlobalResponseNorm>(3),
      std::make_unique<FilterResponseNorm>(3), std::make_unique<LocalResponseNorm>(3),
      std::make_unique<DynamicTanh>(3),
  };
  for (const double scale : {0.0, 1e-12, 1e15}) {
    CAPTURE(scale);
    for (const auto& layer : layers) {
      const std::string what = layer->type_name();
      CAPTURE(what);
      layer->requires_grad_();
      layer->zero_grad();
      Tensor x = (random({2, 3, 2, 5}, 4, DType::float32) * scale).detach().requires_grad_();
      const Tensor y = (*layer)(x);
      y.backward(random(y.shape(), 5, DType::float32));
      std::vector<Tensor> results = {y, x.grad()};
      for (const Tensor& parameter : layer->parameters()) {
        results.push_back(parameter.grad());
      }
      for (const Tensor& result : results) {
        for (const double value : doubles(result)) {
          REQUIRE(std::isfinite(value));
        }
      }
    }
  }
}
