// clone(): every layer of the table, and what hangs on a module.

#include "evenkeel/nn/clone.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/loss.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/convert.hpp"
#include "evenkeel/nn/norm/cross_iteration_conv.hpp"
#include "evenkeel/nn/norm/domain_batch_norm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/spectral_norm.hpp"
#include "evenkeel/nn/norm/weight_norm.hpp"
#include "evenkeel/nn/parameter_container.hpp"
#include "tests/support/layer_cases.hpp"
#include "tests/support/layer_function.hpp"
#include "tests/support/values.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using evenkeel::test::doubles;
using evenkeel::test::random;

namespace {

/// Names, dtypes, values and requires_grad of all that a module has.
std::string state_of(const Module& module) {
  std::string text = concat(module, module.training());
  for (const auto& [name, value] : module.state_dict()) {
    text += concat("\n", name, " ", value.dtype(), " ", value.shape(), " ", value.strides());
    for (const double v : doubles(value)) {
      text += concat(" ", v);
    }
  }
  for (const auto& [name, parameter] : module.named_parameters()) {
    text += concat("\n", name, " ", parameter.requires_grad());
  }
  for (const auto& [name, value] : module.generator_state()) {
    text += concat("\n", name, " ", value.to_vector<std::int64_t>()[1]);
  }
  for (const auto& [name, below] : module.named_modules()) {
    text += concat("\n", name, " ", below->training());
  }
  return text;
}

/// That the copy is the same and does the same in training, and leaves the original alone.
void check_copy(Layer& original, const Tensor& x) {
  const auto copy = clone(original);
  const std::string before = state_of(original);
  REQUIRE(state_of(*copy) == before);
  const Tensor y = (*copy)(x);
  if (y.requires_grad()) {
    sum(square(y)).backward();
  }
  for (Tensor& parameter : copy->parameters()) {
    parameter.mutable_array().fill_(0.25);
  }
  for (const Tensor& parameter : original.parameters()) {
    CHECK(!parameter.grad().defined());
  }
  CHECK(state_of(original) == before);
  const auto again = clone(original);
  const Tensor expected = original(x);
  CHECK(doubles(y) == doubles(expected));
  CHECK(doubles((*again)(x)) == doubles(expected));
  CHECK(state_of(*again) == state_of(original));
}

/// A user's network: two layers that share a weight.
struct Tied : Layer {
  explicit Tied(Generator& g) : a(add<Linear>("a", 3, 3, g)), b(add<Linear>("b", 3, 3, g)) { b->weight = a->weight; }
  Tensor forward(const Tensor& x) override { return b(a(x), relu); }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Tied>(unused_generator()); }
  Child<Linear> a, b;
};

struct Silent : Layer {
  Tensor forward(const Tensor& x) override { return x; }
};

struct Heir : Tanh {
  Tensor forward(const Tensor& x) override { return x; }
};

}  // namespace

TEST_CASE("every layer: the copy prints the same, has the same state, gives the same bits and stands alone") {
  for (const auto rows : test::LayerCaseFile::all()) {
    for (const test::LayerCase& row : rows()) {
      const std::string what = concat(row.layer, " ", row.variant);
      CAPTURE(what);
      Generator generator(4);
      const auto layer = row.make(generator);
      test::randomize(*layer);
      const Tensor x(test::sample(row.input, row.range, generator, row.dtype_or(DType::float64)));
      (*layer)(x);  // moves statistics and generators
      layer->zero_grad();
      check_copy(*layer, x);
      layer->to(DType::float32).eval();
      check_copy(*layer, Tensor(x.array().to(row.dtype)));
    }
  }
}

TEST_CASE("what conversions, modes, freezing and parametrizations have made of a network is copied") {
  Generator generator(1);
  Sequential net;
  auto inner = std::make_unique<Sequential>();
  inner->append<BatchNorm2d>(4).append<Dropout>(0.5, generator);
  net.append<Conv2d>(2, 4, generator, Conv2dOptions{.kernel_size = 3})
      .append(std::move(inner))
      .append<Conv2d>(4, 3, generator, Conv2dOptions{.kernel_size = 1})
      .append<BatchNorm2d>(3)
      .append<Conv2d>(3, 4, generator, Conv2dOptions{.kernel_size = 1});
  net.child<Conv2d>("2")->bias.requires_grad_(false);
  net[4]->train(false);
  convert_bn_to_gn(*net.child("1"), 2);
  convert_conv_to_ws(net, {}, [](const std::string& name, const Conv2d&) { return name == "2"; });
  freeze_batchnorm_stats(net);
  weight_norm(*net[0]);
  spectral_norm(*net[4], generator);
  const Tensor x(random({2, 2, 5, 4}, 1).array().to(DType::float32));
  check_copy(net, x);
  const auto copy = clone(net);
  CHECK((*copy)[1]->child("0")->type_name() == "GroupNorm");
  CHECK(copy->child<BatchNorm2d>("3")->statistics_frozen());
  CHECK(copy->train().child("3")->training() == false);
}

TEST_CASE("ties and shared memory stay within the copy; hooks and gradients do not come along") {
  Generator generator(1);
  Tied net(generator);
  net.register_forward_hook([](const Module&, const auto&, const auto&) {});
  net.requires_grad_(true);
  sum(net(ones({2, 3}))).backward();
  const std::unique_ptr<Tied> copy = clone(net);
  CHECK(copy->a->weight.is(copy->b->weight));
  CHECK(!copy->a->weight.is(net.a->weight));
  CHECK(!copy->a->weight.grad().defined());
  CHECK(!copy->has_hooks());
  CHECK(copy->parameters().size() == 3);

  const Array memory = random({3, 6}, 2).array();
  Sequential shared;
  shared.append<Linear>(memory.slice(1, 0, 3).transpose(0, 1)).append<Linear>(memory.slice(1, 0, 6, 2));
  const auto same = clone(shared);
  CHECK(state_of(*same) == state_of(shared));
  const Array a = same->get_parameter("0.weight").array(), b = same->get_parameter("1.weight").array();
  CHECK(a.shares_storage(b));
  CHECK(!a.shares_storage(memory));
}

TEST_CASE("state that is no parameter, buffer or generator: domains and windows") {
  Sequential net;
  Generator generator(1);
  net.append<DomainBatchNorm2d>(3, 2, DomainBatchNormOptions{.cycle = true});
  net.append<CrossIterationConv2d>(2, 3, generator, Conv2dOptions{.kernel_size = 2, .bias = false});
  for (unsigned i = 0; i < 2; ++i) {
    net(Tensor(random({2, 2, 4, 3}, i).array().to(DType::float32)));
  }
  CHECK(clone(net)->child<DomainBatchNorm2d>("0")->domain() == 2);
  check_copy(net, Tensor(random({2, 2, 4, 3}, 5).array().to(DType::float32)));
}

TEST_CASE("losses and lists are cloned") {
  const Tensor weight = tensor<float>({1, 2, 4}, {3}), input = ones({2, 3}), target = tensor<std::int64_t>({0, 2}, {2});
  ModuleList losses;
  losses.append(std::make_unique<CrossEntropyLoss>(CrossEntropyOptions{.weight = weight, .label_smoothing = 0.25}))
      .append(std::make_unique<NLLLoss>(NllOptions{.weight = weight}))
      .append(std::make_unique<MultiMarginLoss>(MultiMarginOptions{.margin = 0.75}))
      .append(std::make_unique<MSELoss>(Reduction::sum))
      .append(std::make_unique<L1Loss>())
      .append(std::make_unique<SmoothL1Loss>(Reduction::mean, 0.5))
      .append(std::make_unique<HuberLoss>(Reduction::sum, 0.25))
      .append(std::make_unique<KLDivLoss>(KlDivOptions{.log_target = true}))
      .append(std::make_unique<BCEWithLogitsLoss>(BceOptions{.pos_weight = weight}));
  const auto copy = clone(losses);
  REQUIRE(copy->size() == losses.size());
  for (std::int64_t i = 0; i < losses.size(); ++i) {
    const Tensor wanted = i < 3 ? target : input * 0.5;
    CHECK(doubles(copy->child<Loss>(std::to_string(i))(input, wanted)) ==
          doubles(losses.child<Loss>(std::to_string(i))(input, wanted)));
  }
  CHECK(state_of(*copy) == state_of(losses));

  ParameterList list;
  list.append(Array::ones({2})).append(Array::zeros({3}));
  ParameterDict dict;
  dict.add("left", Array::ones({2}));
  const auto same = clone(list);
  (*same)[1].mutable_array().fill_(5);
  CHECK(same->size() == 2);
  CHECK(doubles(list[1]) == std::vector<double>{0, 0, 0});
  CHECK(doubles((*clone(dict))["left"]) == std::vector<double>{1, 1});
}

TEST_CASE("every class of nn that can be made says how") {
  std::set<std::string> silent;
  const std::regex head(R"re((?:^|\n)class (\w+) : public [^{]*\{)re");
  for (const char* folder : {"nn", "nn/norm"}) {
    const auto place = std::filesystem::path(EVENKEEL_FIXTURES) / "../.." / folder;
    for (const auto& file : std::filesystem::directory_iterator(place)) {
      if (file.path().extension() != ".hpp") {
        continue;
      }
      std::ifstream in(file.path());
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      for (std::sregex_iterator i(text.begin(), text.end(), head), end; i != end; ++i) {
        const auto begin = static_cast<std::size_t>(i->position() + i->length());
        const std::string body = text.substr(begin, text.find("};", begin) - begin);
        const std::string name = (*i)[1];
        if (body.find("clone_structure") == std::string::npos && !name.ends_with("Base")) {
          silent.insert(name);
        }
      }
    }
  }
  CHECK(silent == std::set<std::string>{"FusibleNorm", "Layer", "ListOf", "Loss", "LossOfThree", "Parametrization",
                                        "RunScope", "Standardized", "WeightedLayer"});
}

TEST_CASE("a class that does not say how it is made, and results of ops, are refused by name") {
  Sequential net;
  net.append<Sequential>();
  dynamic_cast<Sequential&>(*net[0]).append<Silent>();
  CHECK_THROWS_WITH(clone(net),
                    "clone (0.0): Silent must override clone_structure(), got none; write: std::unique_ptr<nn::Module> "
                    "clone_structure() const override { return std::make_unique<Silent>(arguments of its "
                    "constructor); }");
  net[0].replace(std::make_unique<Heir>());
  CHECK_THROWS_WITH(clone(net), Contains("clone (0): Heir must override clone_structure(), got that of Tanh"));
  Generator generator(1);
  Linear layer(2, 2, generator);
  layer.weight = layer.weight * 2;
  CHECK_THROWS_WITH(clone(layer), Contains("(graph leaves) can be cloned, 'weight' is the result of 'mul'"));
}

namespace {
/// Whose constructor parametrizes.
struct Normed : Module {
  Normed() { weight_norm(*a); }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Normed>(); }
  Tensor forward(const Tensor& x) { return a(x); }
  Child<Linear> a = add<Linear>("a", 3, 2, unused_generator());
};
}  // namespace

TEST_CASE("what a constructor parametrizes is as in the original, once or not at all") {
  const Tensor x = ones({1, 3});
  Normed net;
  CHECK(call(*clone(net), x).to_vector<double>() == call(net, x).to_vector<double>());
  CHECK(clone(net)->named_parameters().size() == 3);
  remove_parametrization(*net.a);
  CHECK(call(*clone(net), x).to_vector<double>() == call(net, x).to_vector<double>());
  CHECK(clone(net)->named_parameters().size() == 2);
}
