#include "evenkeel/core/random.hpp"

#include "evenkeel/core/parallel.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace evenkeel;
using doctest::Approx;
using doctest::Contains;

namespace {

using Words = std::array<std::uint32_t, 4>;

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0, smallest = 0, largest = 0;
};

Moments moments(const Array& x) {
  const std::vector<double> values = x.to(DType::float64).to_vector<double>();
  const double n = static_cast<double>(values.size());
  Moments m;
  for (double v : values) {
    m.mean += v / n;
  }
  for (double v : values) {
    const double d = v - m.mean;
    m.variance += d * d / n;
    m.skew += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  m.smallest = *std::min_element(values.begin(), values.end());
  m.largest = *std::max_element(values.begin(), values.end());
  return m;
}

}  // namespace

// The known answers that are published with Random123 (kat_vectors, philox4x32 with 10 rounds).
TEST_CASE("Philox 4x32-10 gives the published answers") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t kOnes = 0xffffffff;
  CHECK(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  CHECK(Generator(0).block(0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
}

TEST_CASE("a generator is its state") {
  Generator a(7);
  CHECK(a.state() == Generator::State{7, 0});
  CHECK(a.reserve(5) == 0);
  CHECK(a.reserve(1) == 5);
  const Generator::State state = a.state();
  const double first = a.uniform();
  Generator b(state);
  CHECK(b.uniform() == first);
  a.set_state(state);
  CHECK(a.uniform() == first);
  CHECK(a.uniform() != first);
  CHECK(Generator(8).block(0) != Generator(7).block(0));
  CHECK(Generator(std::uint64_t{7} << 32).block(0) != Generator(7).block(0));
  CHECK(Generator(7).block(std::uint64_t{1} << 32) != Generator(7).block(0));
}

TEST_CASE("fork gives generators of their own and does not advance") {
  Generator base(3);
  CHECK(base.fork(0).state() == base.fork(0).state());
  CHECK(base.state() == Generator::State{3, 0});
  CHECK(base.fork(0).state().seed != base.fork(1).state().seed);
  CHECK(base.fork(0).state().seed != base.state().seed);
  CHECK(base.fork(0).block(0) != base.block(0));
}

TEST_CASE("draws do not depend on the thread count") {
  const Shape shape{101, 997};
  const auto draw = [&](int threads) {
    const ThreadsGuard guard(threads);
    Generator generator(11);
    std::vector<Array> draws{
        random_uniform(shape, generator),       random_uniform(shape, generator, -2, 5, DType::float64),
        random_normal(shape, generator),        random_normal(shape, generator, 3, 2, DType::float64),
        random_int(shape, generator, -5, 1000), random_bernoulli(shape, generator, 0.3),
        random_permutation(1000, generator)};
    CHECK(draws[0].numel() == 101 * 997);
    return std::pair(draws, generator.state());
  };
  const auto [one, state_one] = draw(1);
  const auto [three, state_three] = draw(3);
  CHECK(state_one == state_three);
  for (std::size_t i = 0; i < one.size(); ++i) {
    CHECK(one[i].to(DType::float64).to_vector<double>() == three[i].to(DType::float64).to_vector<double>());
  }
}

TEST_CASE("a longer draw starts with the shorter one") {
  Generator a(5);
  Generator b(5);
  for (std::int64_t n : {1, 2, 3, 5, 33}) {
    a.set_state({5, 0});
    b.set_state({5, 0});
    const std::vector<float> all = random_normal({50}, a).to_vector<float>();
    const std::vector<float> some = random_normal({n}, b).to_vector<float>();
    CHECK(std::equal(some.begin(), some.end(), all.begin()));
  }
}

TEST_CASE("uniform") {
  Generator generator(1);
  for (DType dtype : {DType::float32, DType::float64}) {
    const Moments m = moments(random_uniform({200000}, generator, 2, 4, dtype));
    CHECK(m.mean == Approx(3).epsilon(0.005));
    CHECK(m.variance == Approx(4. / 12).epsilon(0.01));
    CHECK(m.smallest >= 2);
    CHECK(m.largest < 4);
    CHECK(m.smallest < 2.001);
    CHECK(m.largest > 3.999);
  }
  // 32-bit fractions round up to 1 in float32; 1 is not part of the range.
  CHECK(moments(random_uniform({1 << 22}, generator)).largest < 1);
  CHECK(moments(random_uniform({1000}, generator, 16777215, 16777216)).largest == 16777215);
  CHECK(random_uniform({3}, generator, 2, 2).to_vector<float>() == std::vector<float>{2, 2, 2});
  double sum = 0;
  for (int i = 0; i < 20000; ++i) {
    const double u = generator.uniform();
    CHECK_MESSAGE((u >= 0 && u < 1), u);
    sum += u;
  }
  CHECK(sum / 20000 == Approx(0.5).epsilon(0.02));
  CHECK_THROWS_AS(random_uniform({1}, generator, 1, 0), std::invalid_argument);
  CHECK_THROWS_AS(random_uniform({1}, generator, 0, NAN), std::invalid_argument);
  CHECK_THROWS_WITH(random_uniform({1}, generator, 0, 1, DType::int64), Contains("dtype must be float32 or float64"));
}

TEST_CASE("normal") {
  Generator generator(2);
  for (DType dtype : {DType::float32, DType::float64}) {
    const Moments m = moments(random_normal({400001}, generator, 1, 3, dtype));
    CHECK(m.mean == Approx(1).epsilon(0.02));
    CHECK(m.variance == Approx(9).epsilon(0.01));
    CHECK(std::abs(m.skew / 27) < 0.02);
    CHECK(m.kurtosis / 81 == Approx(3).epsilon(0.02));
    CHECK(std::isfinite(m.largest));
    CHECK(m.largest > 1 + 3 * 4);
  }
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < 20000; ++i) {
    const double z = generator.normal();
    sum += z;
    squares += z * z;
  }
  CHECK(std::abs(sum / 20000) < 0.03);
  CHECK(squares / 20000 == Approx(1).epsilon(0.04));
  CHECK(random_normal({0, 3}, generator).shape() == Shape{0, 3});
  CHECK_THROWS_AS(random_normal({1}, generator, 0, -1), std::invalid_argument);
}

TEST_CASE("integers") {
  Generator generator(3);
  std::vector<int> counts(7);
  for (std::int64_t v : random_int({70000}, generator, -3, 4).to_vector<std::int64_t>()) {
    REQUIRE(v >= -3);
    REQUIRE(v < 4);
    ++counts[static_cast<std::size_t>(v + 3)];
  }
  for (int count : counts) {
    CHECK(count == Approx(10000).epsilon(0.05));
  }
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Moments wide = moments(random_int({10000}, generator, least, most));
  CHECK(wide.smallest < -9e18);
  CHECK(wide.largest > 9e18);
  CHECK(random_int({5}, generator, 6, 7).to_vector<std::int64_t>() == std::vector<std::int64_t>(5, 6));
  CHECK(random_int({5}, generator, 0, 256, DType::uint8).dtype() == DType::uint8);
  CHECK_THROWS_AS(random_int({1}, generator, 2, 2), std::invalid_argument);
  // A bound of 3 * 2^61 rejects a quarter of all words, so a missing rejection would show in the lower third.
  int low = 0;
  for (int i = 0; i < 6000; ++i) {
    low += generator.below(std::int64_t{3} << 61) < (std::int64_t{1} << 61) ? 1 : 0;
  }
  CHECK(low == Approx(2000).epsilon(0.06));
  CHECK(generator.below(1) == 0);
  CHECK_THROWS_WITH(generator.below(0), "below: the bound must be at least 1, got 0");
}

TEST_CASE("permutation") {
  Generator generator(4);
  std::vector<std::int64_t> order = random_permutation(1000, generator).to_vector<std::int64_t>();
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 1000; ++i) {
    CHECK(order[static_cast<std::size_t>(i)] == i);
  }
  CHECK(random_permutation(0, generator).shape() == Shape{0});
  std::vector<int> counts(6);
  for (int i = 0; i < 6000; ++i) {
    const std::vector<std::int64_t> p = random_permutation(3, generator).to_vector<std::int64_t>();
    ++counts[static_cast<std::size_t>(p[0] * 2 + (p[1] > p[2] ? 1 : 0))];
  }
  for (int count : counts) {
    CHECK(count == Approx(1000).epsilon(0.12));
  }
  CHECK_THROWS_AS(random_permutation(-1, generator), std::invalid_argument);
}

TEST_CASE("bernoulli") {
  Generator generator(5);
  CHECK(moments(random_bernoulli({100000}, generator, 0.3)).mean == Approx(0.3).epsilon(0.02));
  CHECK(moments(random_bernoulli({1001}, generator, 1)).smallest == 1);
  CHECK(moments(random_bernoulli({1001}, generator, 0)).largest == 0);
  CHECK(random_bernoulli({3}, generator, 1, DType::boolean).to_vector<bool>() == std::vector<bool>(3, true));
  CHECK_THROWS_AS(random_bernoulli({1}, generator, 1.5), std::invalid_argument);
  CHECK_THROWS_AS(random_bernoulli({1}, generator, NAN), std::invalid_argument);
}
