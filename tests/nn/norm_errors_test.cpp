// Bad input to every norm of the registry: the error names the layer, what came and what was expected.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "tests/support/norm_traits.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using test::NormTraits;
using test::SingleValue;

namespace {

constexpr std::int64_t kChannels = 8;

/// Every norm but "none", which takes anything.
template <class Check>
void for_each_layer(const Check& check) {
  test::for_each_norm([&](const std::string& name, const NormTraits& traits) {
    if (name != "none") {
      check(name, traits);
    }
  });
}

/// What the call throws; "" if nothing.
template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

void check_says(const std::string& error, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    CHECK_MESSAGE(error.find(part) != std::string::npos, "'", part, "' is not in: ", error);
  }
}

/// What the layer says to an input of that shape, alone and as the second layer of a model.
void check_refuses(const std::string& name, const Shape& shape, std::vector<std::string> parts) {
  CAPTURE(shape);
  const auto layer = make_norm(name, kChannels);
  parts.push_back(layer->type_name());
  const auto call = [&] { (*layer)(ones(shape)); };
  check_says(error_of(call), parts);
  Sequential net;
  net.append(std::make_unique<Sequential>()).append(make_norm(name, kChannels));
  parts.back() += " (1)";
  check_says(error_of([&] { net(ones(shape)); }), parts);
}

std::string printed(const std::string& name, const NormOptions& options) {
  return concat(*make_norm(name, kChannels, options));
}

}  // namespace

TEST_CASE("an undefined input") {
  for_each_layer([](const std::string& name, const NormTraits&) {
    const auto layer = make_norm(name, kChannels);
    check_says(error_of([&] { (*layer)(Tensor()); }), {layer->type_name(), "undefined"});
  });
}

TEST_CASE("wrong rank: expected and actual rank, and the shape") {
  for_each_layer([](const std::string& name, const NormTraits& traits) {
    check_refuses(name, {kChannels}, {"[8]", "D"});
    if (traits.images_only) {
      check_refuses(name, {2, kChannels, 5}, {"expected 4D input (got 3D input", "[2, 8, 5]"});
      check_refuses(name, {2, kChannels, 5, 3, 2}, {"expected 4D input (got 5D input", "[2, 8, 5, 3, 2]"});
    }
  });
}

TEST_CASE("wrong channels: both numbers, and the shape") {
  for_each_layer([&](const std::string& name, const NormTraits& traits) {
    if (traits.any_channels) {
      CHECK_NOTHROW((*make_norm(name, kChannels))(ones({2, 7, 5, 3})));
    } else {
      check_refuses(name, {2, 7, 5, 3}, {"8", "7", "[2, 7, 5, 3]"});
      check_refuses(name, {2, 1, 5, 3}, {"8", "1", "[2, 1, 5, 3]"});
    }
    CHECK_NOTHROW((*make_norm(name, kChannels))(ones({2, kChannels, 5, 3})));
  });
}

TEST_CASE("another dtype") {
  for_each_layer([](const std::string& name, const NormTraits&) {
    const auto layer = make_norm(name, kChannels);
    if (layer->num_parameters() > 0) {
      check_says(error_of([&] {
                   (*layer)(ones({2, kChannels, 5, 3}, {.dtype = DType::float64}));
                 }),
                 {"float32", "float64"});
    }
  });
}

TEST_CASE("eps below 0 or not a number, by every norm that takes one") {
  for_each_layer([&](const std::string& name, const NormTraits& traits) {
    CHECK((printed(name, {.eps = 0.25}) == printed(name, {.eps = 0.5})) != traits.eps);
    if (traits.eps) {
      const std::string type = make_norm(name, kChannels)->type_name();
      for (const auto& [eps, text] : {std::pair{-1e-3, "-0.001"}, std::pair{std::nan(""), "nan"}}) {
        check_says(error_of([&, e = eps] { make_norm(name, kChannels, {.eps = e}); }),
                   {type, "eps must be at least 0, got ", text});
      }
    }
  });
}

TEST_CASE("momentum outside [0, 1], by every norm with running statistics: how Keras's maps to it") {
  for_each_layer([&](const std::string& name, const NormTraits& traits) {
    CHECK((printed(name, {.momentum = 0.25}) != printed(name, {.momentum = 0.5})) == traits.momentum);
    if (traits.momentum) {
      const std::string type = make_norm(name, kChannels)->type_name();
      for (const auto& [momentum, text] : {std::pair{1.5, "1.5"}, std::pair{-0.5, "-0.5"}}) {
        check_says(error_of([&, m = momentum] { make_norm(name, kChannels, {.momentum = m}); }),
                   {type, "momentum must lie in [0, 1], got ", text, "Keras", "1 - m"});
      }
      CHECK_NOTHROW(make_norm(name, kChannels, {.momentum = 0}));
      CHECK_NOTHROW(make_norm(name, kChannels, {.momentum = 1}));
    }
  });
}

TEST_CASE("groups that do not divide the channels") {
  for_each_layer([&](const std::string& name, const NormTraits& traits) {
    CHECK((printed(name, {.num_groups = 2}) != printed(name, {.num_groups = 4})) == traits.num_groups);
    if (traits.num_groups) {
      const std::string type = make_norm(name, kChannels)->type_name();
      for (const auto& [groups, text] : {std::pair{3, "3"}, std::pair{16, "16"}, std::pair{0, "0"}}) {
        check_says(error_of([&, g = groups] { make_norm(name, kChannels, {.num_groups = g}); }),
                   {type, "divisible by num_groups", "8", text});
      }
    }
  });
}

TEST_CASE("no channels at all") {
  for_each_layer([&](const std::string& name, const NormTraits& traits) {
    if (!traits.any_channels) {
      const std::string type = make_norm(name, kChannels)->type_name();
      check_says(error_of([&] { make_norm(name, 0); }), {"must be positive, got 0"});
      check_says(error_of([&] { make_norm(name, -2); }), {"must be positive, got -2"});
    }
  });
}

TEST_CASE("a single value per statistic in training: PyTorch's sentence, the shape, and in eval no error") {
  for_each_layer([&](const std::string& name, const NormTraits& traits) {
    const Shape shape = {1, kChannels, 1, 1};
    if (traits.single_value == SingleValue::fine) {
      const Tensor y = (*make_norm(name, kChannels))(ones(shape));
      for (const float value : y.to_vector<float>()) {
        CHECK(std::isfinite(value));
      }
      return;
    }
    check_refuses(name, shape, {"Expected more than 1 ", "when training, got input size [1, 8, 1, 1]"});
    const auto layer = make_norm(name, kChannels);
    layer->eval();
    const std::string error = error_of([&] { (*layer)(ones(shape)); });
    CHECK(error.empty() == (traits.single_value == SingleValue::refused_in_training));
  });
}
