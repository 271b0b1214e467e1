// Every row of the norm registry through make_norm: what --norm promises. A new row is tested by being there and having
// its traits, here and in norm_gradcheck_test, norm_accuracy_test, norm_errors_test and the models' tests.

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/layer_classes.hpp"
#include "tests/support/layer_function.hpp"
#include "tests/support/norm_traits.hpp"
#include "tests/support/values.hpp"

#include <regex>
#include <set>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using namespace evenkeel::test;

namespace {

constexpr std::int64_t kChannels = 8;
const Shape kShape = {2, kChannels, 5, 3};

const NormEntry& entry_of(const std::string& name) {
  return *std::find_if(norms().begin(), norms().end(), [&](const NormEntry& entry) { return entry.name == name; });
}

Tensor input(const Shape& shape, DType dtype, std::uint64_t seed = 3) {
  Generator generator(seed);
  return Tensor(sample(shape, 2, generator, dtype), true);
}

void train_steps(Layer& layer, int steps, DType dtype) {
  for (int step = 0; step < steps; ++step) {
    Tensor x = input(kShape, dtype, 20 + static_cast<std::uint64_t>(step));
    sum(square(layer(x * 1.5 + 0.5))).backward();
  }
}

std::vector<Array> values_of(const Layer& layer) {
  std::vector<Array> values;
  for (const auto& [key, value] : layer.state_dict()) {
    values.push_back(value.clone());
  }
  return values;
}

void check_finite(const Array& array, const std::string& what) {
  CAPTURE(what);
  for (const double value : array.to(DType::float64).to_vector<double>()) {
    REQUIRE(std::isfinite(value));
  }
}

void check_equal(const Array& actual, const Array& expected, const std::string& what) {
  CAPTURE(what);
  CHECK(actual.dtype() == expected.dtype());
  check_close(actual, expected, 0, what);
}

}  // namespace

TEST_CASE("names are unique words, descriptions short lines that begin with the class") {
  std::set<std::string> seen;
  const std::regex word("[a-z][a-z0-9_]*");
  for_each_norm([&](const std::string& name, const NormTraits&) {
    const NormEntry& entry = entry_of(name);
    CHECK(seen.insert(name).second);
    CHECK(std::regex_match(name, word));
    const std::string description(entry.description);
    const std::string type = make_norm(name, kChannels)->type_name();
    CHECK_MESSAGE(description.starts_with(type.substr(0, 5)), description, " is a ", type);
    CHECK(description.find(": ") != std::string::npos);
    CHECK(description.size() <= 100);
    CHECK(description.find('\n') == std::string::npos);
    CHECK(entry.formula.starts_with("y = "));
  });
  CHECK(seen.contains("bn"));
  CHECK_THROWS_WITH(make_norm("nope", 8), Contains("no norm is called 'nope'; there are bn, "));
}

TEST_CASE("every name has one row of traits, and every row of traits a name") {
  std::multiset<std::string> named, described;
  for (const NormEntry& entry : norms()) {
    named.insert(std::string(entry.name));
  }
  for (const NormTraits& row : NormTraitsFile::all()) {
    described.insert(std::string(row.name));
  }
  CHECK(named == described);
}

TEST_CASE("every rank that a row names: the shape stays; others are refused") {
  for_each_norm([](const std::string& name, const NormTraits&) {
    const NormEntry& entry = entry_of(name);
    Shape shape = {3, kChannels};
    for (int dims = 0; dims <= 4; ++dims) {
      CAPTURE(dims);
      if (dims < entry.min_spatial_dims || dims > entry.max_spatial_dims) {
        CHECK_THROWS_WITH(make_norm(name, kChannels, {.spatial_dims = dims}), Contains("spatial dims"));
      } else {
        const auto layer = make_norm(name, kChannels, {.spatial_dims = dims});
        const Tensor y = (*layer)(input(shape, DType::float32));
        CHECK(y.shape() == shape);
        check_finite(y.array(), "y");
      }
      shape.push_back(dims + 2);
    }
    CHECK(entry.min_spatial_dims <= 2);
    CHECK(entry.max_spatial_dims >= 2);
  });
}

TEST_CASE("forward and backward in both dtypes: shape and dtype stay, everything is finite") {
  for_each_norm([](const std::string& name, const NormTraits&) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      CAPTURE(dtype);
      const auto layer = make_norm(name, kChannels);
      layer->to(dtype);
      for (const bool training : {true, false}) {
        layer->train(training);
        CHECK(layer->training() == training);
        layer->zero_grad();
        const Tensor x = input(kShape, dtype);
        const Tensor y = (*layer)(x);
        CHECK(y.shape() == kShape);
        CHECK(y.dtype() == dtype);
        check_finite(y.array(), "y");
        y.backward(input(kShape, dtype, 4).detach());
        REQUIRE(x.grad().shape() == kShape);
        check_finite(x.grad().array(), "dx");
        for (const auto& [key, parameter] : layer->named_parameters()) {
          const std::string what = key;
          CAPTURE(what);
          REQUIRE(parameter.grad().shape() == parameter.shape());
          CHECK(parameter.grad().dtype() == dtype);
          check_finite(parameter.grad().array(), key);
        }
      }
    }
  });
}

TEST_CASE("float32 gives what float64 gives") {
  for_each_norm([](const std::string& name, const NormTraits&) {
    const auto wide = make_norm(name, kChannels), narrow = make_norm(name, kChannels);
    wide->to(DType::float64);
    check_close((*narrow)(input(kShape, DType::float32)).array(), (*wide)(input(kShape, DType::float64)).array(), 1e-5,
                "y");
  });
}

TEST_CASE("a state dict goes into a new layer, which then goes on to the bit") {
  for_each_norm([](const std::string& name, const NormTraits&) {
    const auto first = make_norm(name, kChannels), second = make_norm(name, kChannels);
    train_steps(*first, 3, DType::float32);
    second->load_state_dict(first->state_dict());
    const auto state = first->state_dict();
    const auto loaded = second->state_dict();
    REQUIRE(loaded.size() == state.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
      CHECK(loaded[i].first == state[i].first);
      check_equal(loaded[i].second, state[i].second, state[i].first);
      CHECK_FALSE(loaded[i].second.shares_storage(state[i].second));
    }
    for (const bool training : {true, false}) {
      first->train(training);
      second->train(training);
      const Tensor x = input(kShape, DType::float32, 7);
      check_equal((*second)(x).array(), (*first)(x).array(), "y");
    }
    const std::vector<Array> a = values_of(*first), b = values_of(*second);
    for (std::size_t i = 0; i < a.size(); ++i) {
      check_equal(b[i], a[i], state[i].first);
    }
  });
}

TEST_CASE("eval changes no buffer, repeats itself, and treats each sample alone") {
  for_each_norm([](const std::string& name, const NormTraits&) {
    const auto layer = make_norm(name, kChannels);
    layer->to(DType::float64);
    train_steps(*layer, 2, DType::float64);
    layer->eval();
    const std::vector<Array> before = values_of(*layer);
    const Tensor x = input({4, kChannels, 5, 3}, DType::float64, 8);
    const Tensor y = (*layer)(x);
    check_equal((*layer)(x).array(), y.array(), "the second time");
    for (std::int64_t n = 0; n < x.size(0); ++n) {
      check_close((*layer)(slice(x, 0, n, n + 1)).array(), slice(y, 0, n, n + 1).array(), 1e-12, concat("sample ", n));
    }
    const std::vector<Array> after = values_of(*layer);
    for (std::size_t i = 0; i < before.size(); ++i) {
      check_equal(after[i], before[i], concat("state ", i));
    }
  });
}

TEST_CASE("a strided input and its contiguous copy give the same") {
  for_each_norm([](const std::string& name, const NormTraits&) {
    for (const bool training : {true, false}) {
      const auto layer = make_norm(name, kChannels), twin = make_norm(name, kChannels);
      layer->train(training);
      twin->train(training);
      const Tensor last = input({2, 5, 3, kChannels}, DType::float32);  // channels last
      const Tensor x = permute(last, {0, 3, 1, 2});
      check_equal((*layer)(x).array(), (*twin)(contiguous(x)).array(), "y");
    }
  });
}

TEST_CASE("an empty batch gives an empty result and finite gradients, and leaves the buffers alone") {
  for_each_norm([](const std::string& name, const NormTraits&) {
    const auto layer = make_norm(name, kChannels);
    train_steps(*layer, 1, DType::float32);
    layer->zero_grad();
    const auto buffers = [&] {
      std::vector<Array> values;
      for (const auto& [key, buffer] : layer->named_buffers()) {
        values.push_back(buffer.array().clone());
      }
      return values;
    };
    const std::vector<Array> before = buffers();
    Tensor x = zeros({0, kChannels, 5, 3}, {.requires_grad = true});
    const Tensor y = (*layer)(x);
    CHECK(y.shape() == x.shape());
    y.backward(zeros(y.shape()));
    for (const auto& [key, parameter] : layer->named_parameters()) {
      const std::string what = key;
      CAPTURE(what);
      REQUIRE(parameter.grad().defined());
      check_close(parameter.grad().array(), Array::zeros(parameter.shape()), 0, key);
    }
    const std::vector<Array> after = buffers();
    for (std::size_t i = 0; i < before.size(); ++i) {
      check_equal(after[i], before[i], concat("buffer ", i));
    }
  });
}

TEST_CASE("options reach the layer") {
  const auto printed = [](const std::string& name, const NormOptions& options) {
    return concat(*make_norm(name, kChannels, options));
  };
  for_each_norm([&](const std::string& name, const NormTraits& traits) {
    const std::string plain = printed(name, {});
    CHECK(plain.starts_with(make_norm(name, kChannels)->type_name() + "("));
    CHECK(plain.substr(0, plain.find("  # ")).ends_with(")"));
    CHECK((plain.find("eps=") == std::string::npos || printed(name, {.eps = 0.125}).find("eps=0.125") < 1000));
    if (traits.momentum) {
      CHECK(printed(name, {.momentum = 0.25}).find("momentum=0.25") < 1000);
    }
    if (plain.find("affine=True") != std::string::npos) {
      const auto layer = make_norm(name, kChannels, {.affine = false});
      CHECK(concat(*layer).find("affine=False") < 1000);
      for (const auto& [key, parameter] : layer->named_parameters()) {
        CHECK((key != "weight" && key != "bias"));
      }
    }
  });
}

TEST_CASE("every norm class has a name in the registry, or a reason for having none") {
  const std::set<std::string> without = {
      "BatchNorm1d",
      "BatchNorm3d",
      "BatchRenorm1d",
      "FrozenBatchNorm",
      "FrozenBatchNorm1d",
      "FrozenBatchNorm3d",
      "InstanceNorm1d",
      "InstanceNorm3d",  // of other ranks: see spatial_dims
      "LayerNorm",
      "RMSNorm",                 // over trailing dims
      "EstimatedBatchNorm",      // the first half of "bcn"
      "DomainBatchNorm2d",       // needs the number of domains
      "ConditionalBatchNorm2d",  // needs the number of classes
      "CrossIterationConv2d",
      "ScaledStdConv2d",
      "WSConv2d",
      "WSConvTranspose2d",
      "WSLinear",  // layers with weights
  };
  std::set<std::string> named;
  for_each_norm(
      [&](const std::string& name, const NormTraits&) { named.insert(make_norm(name, kChannels)->type_name()); });
  const std::set<std::string> classes = layer_classes("nn/norm");
  CHECK(classes.size() >= 40);
  for (const std::string& type : classes) {
    CHECK_MESSAGE(named.contains(type) != without.contains(type), type);
  }
}
