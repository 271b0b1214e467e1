#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/dropout.hpp"
#include "tests/support/cases.hpp"

#include <cmath>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;

/// One mask value for all dims from `shared` on; alpha: as alpha_dropout.
Reference dropout_reference(double p, int shared, bool alpha = false) {
  return [=](std::span<const DoubleArray> x) {
    Generator generator(5);
    DoubleArray mask(x[0].shape);
    for (int d = shared; d < mask.shape.rank(); ++d) {
      mask.shape[d] = 1;
    }
    mask.values = random_bernoulli(mask.shape, generator, 1 - p, DType::float64).to_vector<double>();
    DoubleArray y = x[0];
    const double lowest = -1.0507009873554805 * 1.6732632423543772;  // selu(-inf)
    for_each_index(y.shape, [&](const Shape& i) {
      const bool kept = mask.at(i) != 0;
      if (alpha) {
        const double scale = 1 / std::sqrt((1 - p) * (1 + p * lowest * lowest));
        y.at(i) = scale * (kept ? y.at(i) : lowest) - scale * p * lowest;
      } else {
        y.at(i) *= mask.at(i) / (1 - p);
      }
    });
    return y;
  };
}

using Dropout = Tensor (*)(const Tensor& x, double p, bool training, Generator& generator);

OpCase row(std::string name, Dropout op, double p, Shape shape, std::vector<std::vector<Shape>> more, int shared,
           bool alpha = false) {
  return {.name = std::move(name),
          .variant = concat(shape),
          .shapes = {shape},
          .fn =
              [=](Inputs x) {
                Generator generator(5);
                return op(x[0], p, true, generator);
              },
          .reference = dropout_reference(p, shared, alpha),
          .more_shapes = std::move(more),
          .keeps = ""};
}

const CaseFile dropouts{[]() -> OpCases {
  OpCases rows = {
      row("dropout", dropout, 0.3, {4, 3, 5}, {{{0, 3}}, {{1}}, {Shape{}}}, 9),
      row("dropout1d", dropout1d, 0.4, {4, 5, 3}, {{{0, 3, 2}}, {{2, 1, 1}}}, 2),
      row("dropout1d", dropout1d, 0.4, {11, 3}, {{{0, 3}}, {{5, 1}}}, 1),
      row("dropout2d", dropout2d, 0.4, {4, 5, 2, 3}, {{{0, 3, 2, 2}}, {{2, 1, 1, 1}}, {{3, 7}}, {{3, 7, 2}}}, 2),
      row("dropout3d", dropout3d, 0.4, {4, 5, 2, 3, 1}, {{{0, 3, 2, 2, 1}}, {{2, 1, 1, 1, 1}}}, 2),
      row("dropout3d", dropout3d, 0.4, {11, 2, 3, 1}, {{{0, 3, 2, 2}}}, 1),
      row("alpha_dropout", alpha_dropout, 0.3, {4, 3, 5}, {{{0, 3}}, {{1}}, {Shape{}}}, 9, true),
      row("feature_alpha_dropout", feature_alpha_dropout, 0.4, {4, 5, 2, 3}, {{{0, 3, 2}}, {{2, 1, 1}}, {{3, 7}}}, 2,
          true),
  };
  rows.push_back({.name = "dropout",
                  .variant = "eval",
                  .shapes = {{4, 3, 5}},
                  .fn =
                      [](Inputs x) {
                        Generator generator(5);
                        return dropout(x[0] + 0., 0.3, false, generator);
                      },
                  .reference = [](std::span<const DoubleArray> x) { return x[0]; }});
  return rows;
}};

}  // namespace
}  // namespace evenkeel::test
