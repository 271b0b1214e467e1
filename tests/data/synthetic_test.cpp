#include "evenkeel/core/parallel.hpp"
#include "evenkeel/data/fake_data.hpp"
#include "evenkeel/data/synthetic_digits.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <numeric>

using namespace evenkeel;
using namespace evenkeel::data;

namespace {

using Bytes = std::vector<std::uint8_t>;

std::pair<std::int64_t, Bytes> sample(const Dataset& set, std::int64_t index) {
  Bytes image(static_cast<std::size_t>(numel(set.image_shape())));
  const std::int64_t label = set.read(index, image);
  return {label, image};
}

/// Share of `test` that the nearest class mean of `train` gets right.
double nearest_mean_accuracy(const Dataset& train, const Dataset& test) {
  const auto pixels = static_cast<std::size_t>(numel(train.image_shape()));
  std::array<std::vector<double>, 10> means;
  std::array<double, 10> counts{};
  means.fill(std::vector<double>(pixels));
  for (std::int64_t i = 0; i < train.size(); ++i) {
    const auto [label, image] = sample(train, i);
    const auto k = static_cast<std::size_t>(label);
    counts[k] += 1;
    for (std::size_t j = 0; j < pixels; ++j) {
      means[k][j] += image[j];
    }
  }
  int right = 0;
  for (std::int64_t i = 0; i < test.size(); ++i) {
    const auto [label, image] = sample(test, i);
    std::array<double, 10> distances{};
    for (std::size_t k = 0; k < 10; ++k) {
      for (std::size_t j = 0; j < pixels; ++j) {
        const double d = image[j] - means[k][j] / counts[k];
        distances[k] += d * d;
      }
    }
    right += std::min_element(distances.begin(), distances.end()) - distances.begin() == label;
  }
  return right / static_cast<double>(test.size());
}

}  // namespace

TEST_CASE("an image depends on seed, split and index alone") {
  for (const bool color : {false, true}) {
    const SyntheticDigits ten({.size = 10, .seed = 4, .color = color}), twenty({.size = 20, .seed = 4, .color = color});
    CHECK(ten.image_shape() == (color ? Shape{3, 32, 32} : Shape{1, 28, 28}));
    CHECK(sample(ten, 7) == sample(twenty, 7));
    CHECK(sample(ten, 7) == sample(ten, 7));
    CHECK(sample(ten, 7).second != sample(ten, 8).second);
    CHECK(sample(ten, 7).second != sample(SyntheticDigits({.seed = 5, .color = color}), 7).second);
    CHECK(sample(ten, 7).second !=
          sample(SyntheticDigits({.seed = 4, .split = Split::test, .color = color}), 7).second);
    const SyntheticDigits hard({.seed = 4, .color = color, .difficulty = Difficulty::hard});
    CHECK(sample(ten, 7).second != sample(hard, 7).second);
  }
}

TEST_CASE("all ten digits come up about equally often") {
  for (const Difficulty difficulty : {Difficulty::normal, Difficulty::hard}) {
    const SyntheticDigits set({.size = 2000, .color = false, .difficulty = difficulty});
    std::array<int, 10> counts{};
    for (std::int64_t i = 0; i < set.size(); ++i) {
      ++counts[static_cast<std::size_t>(sample(set, i).first)];
    }
    for (const int count : counts) {
      CHECK(count > 140);
      CHECK(count < 260);
    }
  }
}

TEST_CASE("digits differ from each other, but not so that class means would do") {
  const SyntheticDigits train({.size = 2000, .color = false}),
      test({.size = 500, .split = Split::test, .color = false});
  const double accuracy = nearest_mean_accuracy(train, test);
  CAPTURE(accuracy);
  CHECK(accuracy > 0.2);
  CHECK(accuracy < 0.7);
}

TEST_CASE("images have contrast and stay within bytes") {
  for (const Difficulty difficulty : {Difficulty::normal, Difficulty::hard}) {
    const SyntheticDigits set({.size = 300, .difficulty = difficulty});
    for (std::int64_t i = 0; i < set.size(); ++i) {
      const Bytes image = sample(set, i).second;
      const auto [low, high] = std::minmax_element(image.begin(), image.end());
      CHECK(*high - *low > 40);
    }
  }
}

TEST_CASE("a set copied into memory is the same on any number of threads") {
  const SyntheticDigits digits({.size = 200, .seed = 9});
  const ThreadsGuard guard(2);
  const ArrayDataset copy(digits);
  CHECK(copy.size() == 200);
  CHECK(copy.image_shape() == Shape{3, 32, 32});
  for (const std::int64_t i : {0, 63, 64, 127, 199}) {
    CHECK(sample(copy, i) == sample(digits, i));
  }
}

TEST_CASE("FakeData is random bytes, the same for a seed and index") {
  const FakeData fake(50, {2, 3, 5}, 4, 1);
  CHECK(sample(fake, 3) == sample(FakeData(4, {2, 3, 5}, 4, 1), 3));
  CHECK(sample(fake, 3).second != sample(fake, 4).second);
  CHECK(sample(fake, 3).second != sample(FakeData(50, {2, 3, 5}, 4, 2), 3).second);
  double sum = 0;
  std::array<int, 4> labels{};
  for (std::int64_t i = 0; i < 50; ++i) {
    const auto [label, image] = sample(fake, i);
    ++labels[static_cast<std::size_t>(label)];
    sum = std::accumulate(image.begin(), image.end(), sum);
  }
  CHECK(sum / (50 * 30) == doctest::Approx(127.5).epsilon(0.06));
  CHECK(*std::min_element(labels.begin(), labels.end()) > 3);
}

TEST_CASE("bad arguments are refused") {
  CHECK_THROWS_WITH(SyntheticDigits({.size = -1}), "SyntheticDigits: size must be at least 0, got -1");
  CHECK_THROWS_WITH(FakeData(1, {3, 0, 2}),
                    "FakeData: image_shape must be (channels, height, width), none 0, got [3, 0, 2]");
  CHECK_THROWS_WITH(FakeData(1, {3, 2, 2}, 0), "FakeData: num_classes must be at least 1, got 0");
}
