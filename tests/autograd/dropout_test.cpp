// What the table of ops does not reach of the dropouts beside dropout and dropout2d: statistics, threads, limits.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/parallel.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <set>

namespace evenkeel {
namespace {

using Dropout = Tensor (*)(const Tensor& x, double p, bool training, Generator& generator);
constexpr std::array<Dropout, 4> kNew = {dropout1d, dropout3d, alpha_dropout, feature_alpha_dropout};

Tensor input_of(Dropout op) { return ones(op == dropout3d ? Shape{4, 3, 2, 2, 2} : Shape{4, 3, 8}); }

TEST_CASE("alpha_dropout keeps mean 0 and variance 1, whatever p") {
  Generator generator(3);
  const Tensor x = randn({1000000}, generator);
  for (const double p : {0.05, 0.5, 0.9}) {
    CAPTURE(p);
    const Tensor y = alpha_dropout(x, p, true, generator);
    CHECK(std::abs(mean(y).item()) < 0.005);
    CHECK(var(y).item() == doctest::Approx(1).epsilon(0.01));
  }
}

TEST_CASE("channels are dropped whole, each on its own") {
  Generator generator(4);
  for (const Dropout op : {dropout3d, feature_alpha_dropout}) {
    const auto y = op(ones({16, 8, 2, 3, 1}), 0.5, true, generator).to_vector<float>();
    std::size_t dropped = 0;
    for (std::size_t i = 0; i < y.size(); i += 6) {
      CHECK(std::set<float>(y.begin() + static_cast<std::ptrdiff_t>(i), y.begin() + static_cast<std::ptrdiff_t>(i) + 6)
                .size() == 1);
      dropped += y[i] < 0.5f ? 1 : 0;
    }
    CHECK(dropped > 40);
    CHECK(dropped < 88);
  }
}

TEST_CASE("the identity in eval and for p = 0, zeros for p = 1, errors for others") {
  Generator generator(5);
  const auto state = generator.state();
  for (const Dropout op : kNew) {
    const Tensor x = input_of(op);
    CHECK(op(x, 0, true, generator).is(x));
    CHECK(op(x, 0.5, false, generator).is(x));
    CHECK(generator.state() == state);
    CHECK_THROWS_WITH(op(x, 1.1, true, generator), doctest::Contains("p must lie in [0, 1], got 1.1"));
  }
  for (const Dropout op : kNew) {
    const auto y = op(input_of(op), 1, true, generator).to_vector<float>();
    CHECK(std::set<float>(y.begin(), y.end()) == std::set<float>{0});
  }
}

TEST_CASE("masks depend on the generator, not on the number of threads") {
  const Tensor x = ones({300000});
  Generator one(6), two(6);
  const auto y = alpha_dropout(x, 0.3, true, one).to_vector<float>();
  const ThreadsGuard threads(3);
  CHECK(alpha_dropout(x, 0.3, true, two).to_vector<float>() == y);
  CHECK(alpha_dropout(x, 0.3, true, two).to_vector<float>() != y);
}

}  // namespace
}  // namespace evenkeel
