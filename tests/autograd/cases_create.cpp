#include "evenkeel/autograd/ops/create.hpp"
#include "tests/support/cases.hpp"

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;

/// What does not depend on the input's values.
OpCase made(std::string name, std::string variant, std::function<Tensor(Inputs)> fn, Reference reference) {
  return {.name = std::move(name),
          .variant = std::move(variant),
          .shapes = {{2, 3}},
          .fn = std::move(fn),
          .reference = std::move(reference),
          .more_shapes = {{{0, 3}}, {{1}}, {Shape{}}},
          .differentiable = false};
}

Reference filled(double value) {
  return [=](std::span<const DoubleArray> x) { return DoubleArray(x[0].shape, value); };
}

/// The numbers that a generator of seed 5 draws.
Reference drawn(Array (*draw)(const Shape&, Generator&)) {
  return [=](std::span<const DoubleArray> x) {
    Generator generator(5);
    DoubleArray y(x[0].shape);
    y.values = draw(x[0].shape, generator).to_vector<double>();
    return y;
  };
}

Reference unit_matrix(std::int64_t n, std::int64_t m) {
  return [=](std::span<const DoubleArray>) {
    DoubleArray y(Shape{n, m});
    for_each_index(y.shape, [&](const Shape& i) { y.at(i) = i[0] == i[1] ? 1 : 0; });
    return y;
  };
}

const CaseFile rows{[]() -> OpCases {
  const auto with_generator = [](auto op) {
    return [op](Inputs x) {
      Generator generator(5);
      return op(x[0], generator);
    };
  };
  return {
      made(
          "zeros_like", "", [](Inputs x) { return zeros_like(x[0]); }, filled(0)),
      made(
          "ones_like", "", [](Inputs x) { return ones_like(x[0]); }, filled(1)),
      made(
          "full_like", "", [](Inputs x) { return full_like(x[0], -2.5); }, filled(-2.5)),
      made("rand_like", "",
           with_generator([](const Tensor& x, Generator& g) { return rand_like(x, g, {.dtype = DType::float64}); }),
           drawn([](const Shape& s, Generator& g) { return random_uniform(s, g, 0, 1, DType::float64); })),
      made("randn_like", "",
           with_generator([](const Tensor& x, Generator& g) { return randn_like(x, g, {.dtype = DType::float64}); }),
           drawn([](const Shape& s, Generator& g) { return random_normal(s, g, 0, 1, DType::float64); })),
      made(
          "eye", "square", [](Inputs) { return eye(3); }, unit_matrix(3, 3)),
      made(
          "eye", "wide", [](Inputs) { return eye(2, 4); }, unit_matrix(2, 4)),
      made(
          "eye", "high", [](Inputs) { return eye(4, 2); }, unit_matrix(4, 2)),
      made(
          "eye", "empty", [](Inputs) { return eye(0, 2); }, unit_matrix(0, 2)),
      made(
          "linspace", "", [](Inputs) { return linspace(-1, 3, 9, {.dtype = DType::float64}); },
          [](std::span<const DoubleArray>) {
            DoubleArray y(Shape{9});
            for_each_index(y.shape, [&](const Shape& i) { y.at(i) = -1 + 0.5 * static_cast<double>(i[0]); });
            return y;
          }),
  };
}};

}  // namespace
}  // namespace evenkeel::test
