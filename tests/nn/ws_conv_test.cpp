// Weight standardization against PyTorch's values (tests/fixtures/make_norms_weight.py) and what its docs say.

#include "evenkeel/nn/norm/ws_conv.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "tests/support/layer_replay.hpp"

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using evenkeel::test::MakeLayer;
using Mode = WeightStandardization;
using test::random;

namespace {

Generator generator(0);

constexpr Mode kModes[] = {Mode::seed,    Mode::bcn, Mode::tensorflow, Mode::timm,
                           Mode::chainer, Mode::aws, Mode::scaled,     Mode::nfnet};

template <class T, class Options>
MakeLayer layer(std::int64_t in, std::int64_t out, Options options) {
  return [=] { return std::make_unique<T>(in, out, generator, options); };
}

MakeLayer conv_in(Mode mode, double gamma = 1) {
  return [=] {
    return std::make_unique<WSConv2d>(3, 5, generator, Conv2dOptions{.kernel_size = 3, .padding = 1},
                                      WSOptions{.mode = mode, .gamma = gamma});
  };
}

struct FilterMoments {
  double mean, std_unbiased;
};

/// Of elements first, first + step, ... in `runs` runs of `length` that begin `apart` apart.
FilterMoments filter_moments(const std::vector<double>& w, std::size_t first, std::size_t runs, std::size_t apart,
                             std::size_t length) {
  double sum = 0, squares = 0;
  const auto n = static_cast<double>(runs * length);
  for (std::size_t r = 0; r < runs; ++r) {
    for (std::size_t i = 0; i < length; ++i) {
      sum += w[first + r * apart + i];
    }
  }
  for (std::size_t r = 0; r < runs; ++r) {
    for (std::size_t i = 0; i < length; ++i) {
      squares += std::pow(w[first + r * apart + i] - sum / n, 2);
    }
  }
  return {sum / n, std::sqrt(squares / (n - 1))};
}

}  // namespace

TEST_CASE("every mode and layer equals PyTorch's values over several steps") {
  test::replay_layers(
      "norms_weight.safetensors",
      {
          {"ws_conv_seed", conv_in(Mode::seed)},
          {"ws_conv_bcn", conv_in(Mode::bcn)},
          {"ws_conv_tensorflow", conv_in(Mode::tensorflow)},
          {"ws_conv_timm", conv_in(Mode::timm)},
          {"ws_conv_chainer", conv_in(Mode::chainer)},
          {"ws_conv_aws", conv_in(Mode::aws)},
          {"ws_conv_scaled", conv_in(Mode::scaled, 1.7)},
          {"ws_conv_nfnet", conv_in(Mode::nfnet, 1.7)},
          {"ws_conv_groups",
           layer<WSConv2d>(4, 6, Conv2dOptions{.kernel_size = {3, 2}, .stride = {2, 1}, .groups = 2, .bias = false})},
          {"ws_conv_depthwise", layer<WSConv2d>(3, 6, Conv2dOptions{.kernel_size = 3, .padding = 1, .groups = 3})},
          {"ws_linear", layer<WSLinear>(7, 4, LinearOptions{})},
          {"ws_conv_transpose",
           layer<WSConvTranspose2d>(4, 3, ConvTranspose2dOptions{.kernel_size = 3, .stride = 2, .padding = 1})},
          {"ws_conv_transpose_groups",
           layer<WSConvTranspose2d>(
               4, 6, ConvTranspose2dOptions{.kernel_size = {2, 3}, .stride = 2, .groups = 2, .bias = false})},
      },
      test::descent("ws_"));
}

TEST_CASE("filters have mean 0 and unbiased standard deviation 1, up to the eps beside it") {
  const auto check = [](const FilterMoments& before, const FilterMoments& after) {
    CHECK(std::abs(after.mean) < 1e-14);
    CHECK(after.std_unbiased == doctest::Approx(before.std_unbiased / (before.std_unbiased + 1e-5)).epsilon(1e-13));
  };
  WSConv2d conv(4, 6, generator, {.kernel_size = {3, 2}, .groups = 2});
  conv.to(DType::float64);
  for (std::size_t o = 0; o < 6; ++o) {
    check(filter_moments(conv.weight.to_vector<double>(), o * 12, 1, 0, 12),
          filter_moments(conv.effective_weight().to_vector<double>(), o * 12, 1, 0, 12));
  }
  WSLinear linear(5, 3, generator);
  linear.to(DType::float64);
  for (std::size_t o = 0; o < 3; ++o) {
    check(filter_moments(linear.weight.to_vector<double>(), o * 5, 1, 0, 5),
          filter_moments(linear.effective_weight().to_vector<double>(), o * 5, 1, 0, 5));
  }
  // (in 4, out/groups 3, 2, 1): channel o of group g takes input channels 2g and 2g + 1.
  WSConvTranspose2d transposed(4, 6, generator, {.kernel_size = {2, 1}, .groups = 2});
  transposed.to(DType::float64);
  for (std::size_t g = 0; g < 2; ++g) {
    for (std::size_t o = 0; o < 3; ++o) {
      check(filter_moments(transposed.weight.to_vector<double>(), g * 12 + o * 2, 2, 6, 2),
            filter_moments(transposed.effective_weight().to_vector<double>(), g * 12 + o * 2, 2, 6, 2));
    }
  }
}

TEST_CASE("the weight that is stored, listed and learned is the raw one, in train and eval alike") {
  WSConv2d conv(2, 3, generator, {.kernel_size = 2});
  conv.to(DType::float64);
  const std::vector<double> raw = conv.weight.to_vector<double>();
  const Tensor x = random({2, 2, 4, 3}, 1);
  const std::vector<double> y = conv(x).to_vector<double>();
  conv.eval();
  CHECK(conv(x).to_vector<double>() == y);
  CHECK(conv.state_dict()[0].first == "weight");
  CHECK(conv.state_dict()[0].second.to_vector<double>() == raw);
  CHECK(conv.parameters().size() == 2);
  sum(square(conv(x))).backward();
  CHECK(conv.weight.grad().shape() == conv.weight.shape());

  // A gradient of standardized filters neither moves their mean nor, but for eps, their length.
  const std::vector<double> dw = conv.weight.grad().to_vector<double>();
  for (std::size_t o = 0; o < 3; ++o) {
    double sum_dw = 0, along = 0, across = 0;
    for (std::size_t i = o * 8; i < (o + 1) * 8; ++i) {
      sum_dw += dw[i];
      along += dw[i] * raw[i];
      across += std::abs(dw[i] * raw[i]);
    }
    CHECK(std::abs(sum_dw) < 1e-12 * across);
    CHECK(std::abs(along) < 1e-3 * across);
  }
}

TEST_CASE("scaling and shifting the weight changes nothing, up to eps") {
  for (const Mode mode : kModes) {
    WSConv2d conv(2, 3, generator, {.kernel_size = 3}, {.mode = mode, .eps = 1e-14});
    conv.to(DType::float64);
    const std::vector<double> before = conv.effective_weight().to_vector<double>();
    conv.weight.mutable_array().copy_((conv.weight.detach() * 3.5 + 0.7).array());
    CHECK(reference::worst_error(conv.effective_weight().to_vector<double>(), before) < 1e-10);
  }
}

TEST_CASE("the modes differ by the known ratios") {
  const Tensor weight = random({4, 3, 3, 3}, 7);
  const GroupView view{1, 1, 4, 27};
  const auto in_mode = [&](Mode mode, double eps = 1e-14) {
    return standardize_weight(weight, view, {.mode = mode, .eps = eps}).to_vector<double>();
  };
  const std::vector<double> seed = in_mode(Mode::seed);
  const double ratio = std::sqrt(26.0 / 27.0);
  CHECK(ratio == doctest::Approx(0.98130).epsilon(1e-5));
  for (std::size_t i = 0; i < seed.size(); ++i) {
    CHECK(seed[i] == doctest::Approx(in_mode(Mode::timm)[i] * ratio).epsilon(1e-12));
    CHECK(in_mode(Mode::scaled)[i] == doctest::Approx(in_mode(Mode::timm)[i] / std::sqrt(27.0)).epsilon(1e-12));
    CHECK(in_mode(Mode::nfnet)[i] == doctest::Approx(in_mode(Mode::scaled)[i]).epsilon(1e-12));
  }
}

TEST_CASE("the place of eps shows at small variance: 1e-6, eps 1e-5") {
  // Values +-1e-3: biased variance 1e-6.
  const Tensor weight = tensor(std::vector<double>{1e-3, -1e-3, 1e-3, -1e-3}, {1, 4});
  const auto first = [&](Mode mode) {
    return standardize_weight(weight, {1, 1, 1, 4}, {.mode = mode, .eps = 1e-5}).to_vector<double>()[0];
  };
  CHECK(first(Mode::tensorflow) == doctest::Approx(1e-3 / (1e-3 + 1e-5)).epsilon(1e-12));
  CHECK(first(Mode::chainer) == doctest::Approx(1e-3 / std::sqrt(1.1e-5)).epsilon(1e-12));
  CHECK(first(Mode::chainer) == doctest::Approx(0.3015).epsilon(1e-4));
  CHECK(first(Mode::nfnet) == doctest::Approx(1e-3 / std::sqrt(1e-5)).epsilon(1e-12));
}

TEST_CASE("a constant filter gives the bias and finite gradients in every mode") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    for (const Mode mode : kModes) {
      CAPTURE(static_cast<int>(mode));
      WSConv2d conv(2, 2, generator, {.kernel_size = 3}, {.mode = mode});
      conv.to(dtype);
      select(conv.weight.detach(), 0, 1).mutable_array().fill_(0.3);
      const Tensor x = random({1, 2, 5, 4}, 3, dtype);
      const Tensor y = conv(x);
      const double bias = conv.bias.array().to(DType::float64).to_vector<double>()[1];
      for (const double value : select(y, 1, 1).array().to(DType::float64).to_vector<double>()) {
        CHECK(value == doctest::Approx(bias).epsilon(1e-6));
      }
      sum(square(y)).backward();
      for (const double g : conv.weight.grad().array().to(DType::float64).to_vector<double>()) {
        CHECK(std::isfinite(g));
      }
    }
  }
}

TEST_CASE("float32 filters with a mean of 1e4 and a deviation of 0.1 are standardized as exactly as they can be") {
  const Tensor w32((random({6, 4, 3, 3}, 2) * 0.17 + 1e4).array().to(DType::float32), true);
  const Tensor w64(w32.array().to(DType::float64), true);
  const Tensor dw = random({6, 4, 3, 3}, 5);
  const GroupView view{1, 1, 6, 36};
  for (const Mode mode : kModes) {
    CAPTURE(static_cast<int>(mode));
    const Tensor a = standardize_weight(w32, view, {.mode = mode});
    const Tensor e = standardize_weight(w64, view, {.mode = mode});
    CHECK(reference::worst_error(a.to_vector<float>(), e.to_vector<double>()) < 2e-6);
    const std::vector<Tensor> g32 = grad({a}, {w32}, {Tensor(dw.array().to(DType::float32))});
    const std::vector<Tensor> g64 = grad({e}, {w64}, {dw});
    CHECK(reference::worst_error(g32[0].to_vector<float>(), g64[0].to_vector<double>()) < 1e-5);
  }
}

TEST_CASE("mode aws: a plain convolution's file keeps its function, a file with the buffers is taken as it is") {
  Conv2d plain(3, 4, generator, {.kernel_size = 3});
  plain.to(DType::float64);
  const Tensor x = random({2, 3, 5, 6}, 4);
  const std::vector<double> y = plain(x).to_vector<double>();
  Sequential model;
  model.append<WSConv2d>(3, 4, generator, Conv2dOptions{.kernel_size = 3}, WSOptions{.mode = Mode::aws});
  model.to(DType::float64);
  StateDict state;
  for (const auto& [name, value] : plain.state_dict()) {
    state.emplace_back("0." + name, value);
  }
  model.load_state_dict(state);
  CHECK(reference::worst_error(model(x).to_vector<double>(), y) < 1e-13);
  CHECK(model.get_buffer("0.weight_gamma").to_vector<double>()[2] ==
        doctest::Approx(std::sqrt(
            std::pow(filter_moments(plain.weight.to_vector<double>(), 54, 1, 0, 27).std_unbiased, 2) + 1e-5)));

  state.emplace_back("0.weight_gamma", Array::full({4, 1, 1, 1}, 2, DType::float64));
  state.emplace_back("0.weight_beta", Array::full({4, 1, 1, 1}, 0.25, DType::float64));
  model.load_state_dict(state);
  const auto filters = model.child<WSConv2d>("0")->effective_weight().to_vector<double>();
  CHECK(filter_moments(filters, 0, 1, 0, 27).mean == doctest::Approx(0.25));
  CHECK(filter_moments(filters, 0, 1, 0, 27).std_unbiased == doctest::Approx(2).epsilon(1e-3));
}

TEST_CASE("a WSConv2d made from a Conv2d has its options, its parameters and its mode") {
  Conv2d conv(4, 6, generator, {.kernel_size = {3, 2}, .stride = 2, .padding = 1, .groups = 2, .bias = false});
  conv.to(DType::float64).eval();
  WSConv2d ws(conv);
  CHECK(ws.options.groups == 2);
  CHECK(ws.weight.array().shares_storage(conv.weight.array()));
  CHECK(!ws.bias.defined());
  CHECK(!ws.training());
  const Tensor x = random({1, 4, 5, 6}, 9);
  const Tensor expected =
      conv2d(x, standardize_weight(conv.weight, {1, 1, 6, 12}, {}), {}, {.stride = 2, .padding = 1, .groups = 2});
  CHECK(ws(x).to_vector<double>() == expected.to_vector<double>());
  WSConv2d aws(conv, {.mode = Mode::aws});
  CHECK(reference::worst_error(aws(x).to_vector<double>(), conv(x).to_vector<double>()) < 1e-13);
  WSConv2d scaled(conv, {.mode = Mode::scaled, .gamma = kGammaRelu});
  CHECK(scaled(x).dtype() == DType::float64);
}

TEST_CASE("ScaledStdConv2d keeps its mode beside other options") {
  const ScaledStdConv2d conv(3, 4, generator, {.kernel_size = 1}, {.gamma = kGammaRelu});
  CHECK(conv.standardization.mode == Mode::scaled);
  CHECK(conv.gain.defined());
  CHECK(ScaledStdConv2d(3, 4, generator, {.kernel_size = 1}, {.eps = 0.5}).standardization.mode == Mode::scaled);
  CHECK(WSConv2d(3, 4, generator, {.kernel_size = 1}, {.eps = 0.5}).standardization.mode == Mode::seed);
}

TEST_CASE("what cannot be standardized is refused at construction") {
  CHECK_THROWS_WITH(WSConv2d(4, 4, generator, {.kernel_size = 1, .groups = 4}),
                    Contains("WSConv2d: a filter of fan-in 1 (weight of shape [4, 1, 1, 1])"));
  CHECK_THROWS_WITH(ScaledStdConv2d(1, 4, generator, {.kernel_size = 1}), Contains("ScaledStdConv2d: a filter of"));
  CHECK_THROWS_WITH(WSConvTranspose2d(2, 4, generator, {.kernel_size = 1, .groups = 2}),
                    Contains("WSConvTranspose2d: a filter of fan-in 1"));
  CHECK_THROWS_WITH(WSLinear(1, 4, generator), Contains("WSLinear: a filter of fan-in 1"));
  CHECK_THROWS_WITH(WSLinear(3, 4, generator, {}, {.eps = 0}), "WSLinear: eps must be positive, got 0");
  CHECK_THROWS_WITH(WSLinear(3, 4, generator, {}, {.gamma = 2}),
                    "WSLinear: gamma is for the modes scaled and nfnet, got 2 with mode seed");
  CHECK_THROWS_WITH(ScaledStdConv2d(3, 4, generator, {.kernel_size = 1}, {.mode = Mode::timm}),
                    "ScaledStdConv2d: mode must be scaled or nfnet, got timm");
  CHECK_THROWS_WITH(WSConv2d(4, 6, generator, {.kernel_size = 3, .groups = 4}), Contains("divisible by groups"));
  const Tensor weight = random({4, 3}, 1);
  CHECK_THROWS_WITH(standardize_weight(weight, {1, 1, 4, 4}, {}), Contains("does not have 16 elements"));
  CHECK_THROWS_WITH(standardize_weight({}, {1, 1, 4, 3}, {}), "standardize_weight: the weight is undefined");
}
