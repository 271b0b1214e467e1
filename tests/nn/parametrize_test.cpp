// Parametrized parameters against PyTorch's (tests/fixtures/make_parametrize.py) and what nn/parametrize.hpp says.

#include "evenkeel/nn/parametrize.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/clone.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/convert.hpp"
#include "evenkeel/nn/norm/fuse.hpp"
#include "evenkeel/nn/norm/spectral_norm.hpp"
#include "evenkeel/nn/norm/weight_norm.hpp"
#include "evenkeel/nn/norm/ws_conv.hpp"
#include "evenkeel/nn/parameter_container.hpp"
#include "evenkeel/nn/summary.hpp"
#include "tests/support/layer_cases.hpp"
#include "tests/support/layer_function.hpp"
#include "tests/support/layer_replay.hpp"

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using evenkeel::test::check_close;
using evenkeel::test::doubles;
using evenkeel::test::random;

namespace {

Generator generator(0);

/// The upper triangle, mirrored.
struct Symmetric : Layer {
  Tensor forward(const Tensor& x) override {
    const Tensor row = reshape(arange(0, 4), {4, 1}), column = reshape(arange(0, 4), {1, 4});
    const Tensor above = gt(column, row).to(x.dtype()), diagonal = eq(column, row).to(x.dtype());
    return x * (above + diagonal) + transpose(x * above, 0, 1);
  }
};

/// Rows times a parameter of its own.
struct Scaled : Layer {
  explicit Scaled(std::int64_t rows) : scale(parameter("scale", Array::ones({rows, 1}))) {}
  Tensor forward(const Tensor& x) override { return x * scale; }
  Tensor& scale;
};

/// left right, at first x times the unit matrix.
struct Product : Parametrization {
  Tensor forward(const Tensor& x) override { return x; }
  std::vector<Tensor> right_inverse(const Tensor& value) override {
    const Tensor line = arange(0, static_cast<double>(value.size(1)));
    return {value, eq(reshape(line, {line.numel(), 1}), line).to(value.dtype())};
  }
  Tensor combine(const std::vector<Tensor>& originals) override { return matmul(originals.at(0), originals.at(1)); }
};

/// Half of an original that is twice the value: exact in every dtype. Counts its calls.
struct Halved : Parametrization {
  Tensor forward(const Tensor& x) override {
    ++calls;
    return x * 0.5;
  }
  std::vector<Tensor> right_inverse(const Tensor& value) override { return {value * 2}; }
  void commit() override { ++commits; }
  int calls = 0, commits = 0;
};

Halved& halve(Module& module, const std::string& name) {
  auto made = std::make_unique<Halved>();
  Halved& result = *made;
  register_parametrization(module, name, std::move(made));
  return result;
}

std::vector<std::string> names(const Module& module) {
  std::vector<std::string> result;
  for (const auto& [name, value] : module.state_dict()) {
    result.push_back(name);
  }
  return result;
}
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("parametrized layers equal PyTorch's over several steps, under its names") {
  test::replay_layers("parametrize.safetensors",
                      {{"chain",
                        [] {
                          auto layer = std::make_unique<Linear>(4, 4, generator);
                          register_parametrization(*layer, "weight", std::make_unique<Symmetric>());
                          register_parametrization(*layer, "weight", std::make_unique<Scaled>(4));
                          return layer;
                        }},
                       {"bias",
                        [] {
                          auto layer = std::make_unique<Conv2d>(2, 3, generator, Conv2dOptions{.kernel_size = 2});
                          register_parametrization(*layer, "bias", std::make_unique<Softplus>());
                          return layer;
                        }},
                       {"several",
                        [] {
                          auto layer = std::make_unique<Linear>(3, 5, generator, LinearOptions{.bias = false});
                          register_parametrization(*layer, "weight", std::make_unique<Product>());
                          return layer;
                        }},
                       {"norm",
                        [] {
                          auto layer = std::make_unique<BatchNorm2d>(3);
                          register_parametrization(*layer, "bias", std::make_unique<Tanh>());
                          weight_norm(*layer, std::nullopt);
                          return layer;
                        }}},
                      test::descent(""));
}

TEST_CASE("every parameter of every layer can be parametrized, and is a parameter again") {
  for (const auto rows : test::LayerCaseFile::all()) {
    for (const test::LayerCase& row : rows()) {
      const std::string what = concat(row.layer, " ", row.variant);
      CAPTURE(what);
      Generator g(4);
      const auto plain = row.make(g);
      test::randomize(*plain);
      const auto layer = clone(*plain);
      std::vector<std::pair<Module*, std::string>> parametrized;
      for (const auto& [path, module] : layer->named_modules()) {
        for (const auto& [name, parameter] : module->named_parameters()) {
          const bool own = name.find('.') == std::string::npos;
          if (own && row.layer != "CrossIterationConv2d" && path.find("parametrizations") == std::string::npos) {
            halve(*module, name);
            parametrized.emplace_back(module, name);
          }
        }
      }
      CHECK(layer->parameters().size() == plain->parameters().size());
      const Array values = test::sample(row.input, row.range, g, row.dtype_or(DType::float64));
      const Tensor x(values, is_floating(values.dtype())), z(values, x.requires_grad());
      for (int i = 0; i < 2; ++i) {
        const Tensor y = (*plain)(x), w = (*layer)(z);
        REQUIRE(doubles(w) == doubles(y));
        if (y.requires_grad()) {
          sum(square(y)).backward();
          sum(square(w)).backward();
          CHECK((!x.requires_grad() || doubles(z.grad()) == doubles(x.grad())));
        }
      }
      for (const auto& [module, name] : parametrized) {
        const Tensor original = module->get_parameter(concat("parametrizations.", name, ".original"));
        CHECK(original.grad().defined());
        remove_parametrizations(*module, name);
        CHECK(module->get_parameter(name).is(original));
      }
      CHECK(names(*layer) == names(*plain));
      const auto now = layer->state_dict(), before = plain->state_dict();
      for (std::size_t i = 0; i < now.size(); ++i) {
        CHECK(doubles(now[i].second) == doubles(before[i].second));
      }
    }
  }
}

TEST_CASE("computed once per call, before forward, and kept moved when the result is there") {
  Linear layer(3, 2, generator);
  Halved& halved = halve(layer, "weight");
  const int before = halved.calls;
  const Tensor x(random({4, 3}, 1).array().to(DType::float32));
  CHECK(!layer.weight.defined());
  const Tensor y = layer(x);
  CHECK(!layer.weight.defined());
  CHECK(halved.calls == before + 1);
  CHECK(halved.commits == 1);
  CHECK_THROWS_AS(layer(ones({4, 5})), ShapeError);
  CHECK(halved.commits == 1);
  CHECK(!layer.weight.defined());
  sum(y).backward();
  CHECK(layer.get_parameter("parametrizations.weight.original").grad().defined());
  CHECK(doubles(parametrized_value(layer, "weight")) == doubles(layer.effective_weight()));
  CHECK(parametrized_value(layer, "weight").requires_grad());

  Sequential net;  // a norm and its activation, one op
  net.append<BatchNorm1d>(3).append<ReLU>();
  Halved& scale = halve(*net[0], "weight");
  net(x);
  CHECK(scale.commits == 1);
  layer.weight = ones({2, 3});
  CHECK_THROWS_WITH(layer(x),
                    "Linear: a tensor was assigned to 'weight', which is parametrized; call set_parametrized");
}

TEST_CASE("the optimizer goes on with the original; state, dtype, mode and text follow") {
  Sequential net;
  net.append<Linear>(3, 2, generator);
  auto& layer = *net.child<Linear>("0");
  const Tensor weight = layer.weight;
  const std::vector<double> values = doubles(weight);
  halve(layer, "weight");
  halve(layer, "bias");
  CHECK(net.parameters()[0].is(weight));
  CHECK(names(net) == Names{"0.parametrizations.weight.original", "0.parametrizations.bias.original"});
  CHECK(doubles(parametrized_value(layer, "weight")) == values);
  CHECK(concat(layer) == R"(Linear(
  in_features=3, out_features=2, bias=True
  (parametrizations): ModuleDict(
    (weight): Halved()
    (bias): Halved()
  )
))");
  halve(layer, "bias");
  CHECK(concat(layer).find("(bias): ParametrizationList(\n      (0): Halved()\n      (1): Halved()\n") !=
        std::string::npos);
  CHECK(is_parametrized(layer));
  CHECK(is_parametrized(layer, "bias"));
  CHECK(!is_parametrized(net));
  CHECK(summary(net, Shape{4, 3}).trainable_parameters == 8);

  const StateDict state = net.state_dict();
  net.to(DType::float64);
  CHECK(net(random({4, 3}, 1)).dtype() == DType::float64);
  net.to(DType::float32);
  net.load_state_dict(state);
  net.requires_grad_(false);
  CHECK(!net(ones({4, 3})).requires_grad());
  net.requires_grad_().eval();
  CHECK(!layer.child("parametrizations.weight.0")->training());

  set_parametrized(layer, "bias", Tensor(Array::from(std::vector<float>{3, -4}, {2})));
  CHECK(doubles(parametrized_value(layer, "bias")) == std::vector<double>{3, -4});
  CHECK(doubles(layer.get_parameter("parametrizations.bias.original")) == std::vector<double>{12, -16});
  remove_parametrizations(layer, "bias", false);
  CHECK(doubles(layer.bias) == std::vector<double>{12, -16});
  CHECK(names(net) == Names{"0.bias", "0.parametrizations.weight.original"});
  remove_parametrizations(layer, "weight");
  CHECK(layer.weight.is(weight));
  CHECK(doubles(weight) == values);
  CHECK(layer.children().empty());
}

TEST_CASE("weight_norm and spectral_norm of parameters of other names and layers; weight_standardization") {
  struct Holder : Layer {
    Holder() : matrix(parameter("matrix", random({3, 2}, 5).array())) {}
    Tensor forward(const Tensor& x) override { return matmul(x, matrix); }
    Tensor& matrix;
  };
  Holder holder;
  const Tensor before = holder.matrix, x = random({4, 3}, 1);
  const Tensor y = holder(x);
  weight_norm(holder, 1, "matrix");
  check_close(holder(x), y, 1e-14);
  CHECK(names(holder) == Names{"parametrizations.matrix.original0", "parametrizations.matrix.original1"});
  CHECK(holder.get_parameter("parametrizations.matrix.original0").shape() == Shape{1, 2});
  holder.load_state_dict({{"matrix_g", Array::ones({1, 2}, DType::float64)}, {"matrix_v", before.array()}});
  check_close(norm(parametrized_value(holder, "matrix"), 2, {0}), ones({2}, {.dtype = DType::float64}), 1e-14);
  remove_weight_norm(holder, "matrix");
  spectral_norm(holder, generator, {.n_power_iterations = 60}, "matrix");
  CHECK(names(holder) ==
        Names{"parametrizations.matrix.original", "parametrizations.matrix.0._u", "parametrizations.matrix.0._v"});
  holder(x);
  const Tensor w = parametrized_value(holder, "matrix").detach();
  const Tensor gram = matmul(transpose(w, 0, 1), w);  // its largest eigenvalue is 1: det(gram - 1) = 0
  const std::vector<double> g = doubles(gram);
  CHECK((g[0] - 1) * (g[3] - 1) - g[1] * g[2] == doctest::Approx(0).epsilon(1e-9));
  remove_parametrizations(holder, "matrix");

  Generator one(7), other(7);
  Linear linear(4, 3, one);
  WSLinear standardized(4, 3, other);
  weight_standardization(linear);
  CHECK(doubles(linear(ones({2, 4}))) == doubles(standardized(ones({2, 4}))));
  const ConvTranspose2dOptions options{.kernel_size = 2, .groups = 2};
  ConvTranspose2d transposed(4, 6, one, options);
  WSConvTranspose2d of_its_own(4, 6, other, options);
  weight_standardization(transposed);
  CHECK(doubles(transposed(ones({1, 4, 3, 3}))) == doubles(of_its_own(ones({1, 4, 3, 3}))));
}

TEST_CASE("conversions refuse parametrized layers, fusing computes their parameters") {
  Sequential net;
  net.append<Conv2d>(2, 3, generator, Conv2dOptions{.kernel_size = 2}).append<BatchNorm2d>(3);
  net(Tensor(random({2, 2, 4, 3}, 2).array().to(DType::float32)));
  weight_norm(*net[0]);
  for (const char* name : {"weight", "bias"}) {
    halve(*net[1], name);
  }
  halve(*net[0], "bias");
  const Conversions done = convert_bn_to_gn(net);
  CHECK(done.empty());
  REQUIRE(done.kept.size() == 1);
  CHECK(done.kept[0].why == "its parameters are parametrized; remove_parametrizations first");
  CHECK(net[1]->type_name() == "BatchNorm2d");
  net.eval();
  const Tensor x(random({2, 2, 4, 3}, 2).array().to(DType::float32));
  const Tensor y = net(x);
  CHECK(fuse_conv_bn(net, x).size() == 2);
  CHECK(!net[0]->parametrized());
  check_close(net(x), y, 1e-5);
}

TEST_CASE("what parametrizations cannot do is refused, and nothing changes") {
  struct Other : Layer {
    Tensor forward(const Tensor& x) override { return flatten(x); }
  };
  Linear layer(3, 2, generator);
  const auto refused = [&](auto call, const std::string& text) {
    const std::string before = concat(layer);
    CHECK_THROWS_WITH(call(), text.c_str());
    CHECK(concat(layer) == before);
  };
  const auto add = [&](const char* name, std::unique_ptr<Layer> made) {
    register_parametrization(layer, name, std::move(made));
  };
  refused([&] { add("weight", nullptr); }, "register_parametrization: the parametrization must not be nullptr");
  refused([&] { add("wieght", std::make_unique<Tanh>()); },
          "register_parametrization: Module 'Linear' does not have a parameter with name 'wieght'");
  const std::string shapes =
      "register_parametrization: Registering a parametrization may not change the shape of the "
      "tensor, expected [2, 3], got [6]";
  refused([&] { add("weight", std::make_unique<Other>()); }, shapes);
  refused([&] { remove_parametrizations(layer, "bias"); }, "Linear: the bias has no parametrization to remove");
  refused([&] { static_cast<void>(parametrized_value(layer, "bias")); }, "Linear: the bias has no parametrization");
  add("weight", std::make_unique<Tanh>());
  refused([&] { add("weight", std::make_unique<Other>()); }, shapes);
  refused([&] { add("weight", std::make_unique<Product>()); },
          "register_parametrization: a parametrization behind others must have one original, Product has several");
  refused(
      [&] {
        set_parametrized(layer, "weight", ones({2, 3}));
      },
      "set_parametrized: Tanh does not implement right_inverse");
  refused([&] { layer.get_parameter("weight"); },
          "get_parameter: 'weight' of Linear is computed; see parametrized_value, and for its originals "
          "parametrizations.weight");
  refused([&] { weight_norm(layer, 0, "gain"); },
          "weight_norm: a Linear was given, expected a layer with a parameter 'gain'");
  remove_parametrizations(layer, "weight");
  add("weight", std::make_unique<Product>());
  refused([&] { remove_parametrizations(layer, "weight", false); },
          "remove_parametrizations: Cannot leave unparametrized (leave_parametrized=false) a tensor that is "
          "parametrized in terms of a sequence of tensors");
  refused(
      [&] {
        set_parametrized(layer, "weight", ones({2, 4}));
      },
      "set_parametrized: the original must have shape [2, 3], got [2, 4]");
  refused(
      [&] {
        set_parametrized(layer, "weight", random({2, 3}, 1));
      },
      "set_parametrized: the original must have dtype float32, got float64");
}

namespace {
/// The mean of two originals that begin as one tensor.
struct Mean : Parametrization {
  Tensor forward(const Tensor& x) override { return x; }
  std::vector<Tensor> right_inverse(const Tensor& value) override { return {value, value}; }
  Tensor combine(const std::vector<Tensor>& originals) override { return (originals.at(0) + originals.at(1)) * 0.5; }
};

struct Failing : Layer {
  Tensor forward(const Tensor& x) override {
    require(!fails, "Failing", "fails");
    return x;
  }
  bool fails = false;
};
}  // namespace

TEST_CASE("originals that begin as one tensor are two parameters") {
  Linear layer(3, 2, generator);
  const auto before = layer.weight.to_vector<double>();
  register_parametrization(layer, "weight", std::make_unique<Mean>());
  CHECK(layer.named_parameters().size() == 3);
  CHECK(parametrized_value(layer, "weight").to_vector<double>() == before);
  sum(layer(ones({1, 3}))).backward();
  for (const char* name : {"parametrizations.weight.original0", "parametrizations.weight.original1"}) {
    CHECK(layer.get_parameter(name).grad().to_vector<double>() == std::vector<double>(6, 0.5));
  }
}

TEST_CASE("removing parametrizations that fail changes no mode; a list of parameters prints what it has") {
  Linear layer(3, 2, generator);
  auto failing = std::make_unique<Failing>();
  Failing* inside = failing.get();
  register_parametrization(layer, "weight", std::move(failing));
  inside->fails = true;
  CHECK_THROWS(remove_parametrizations(layer, "weight"));
  CHECK(inside->training());
  ParameterList list;
  list.append(Array::ones({2}));
  list.append(Array::ones({3}));
  register_parametrization(list, "0", std::make_unique<Tanh>());
  CHECK(to_string(list).find("(1): ") != std::string::npos);
}
