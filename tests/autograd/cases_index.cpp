#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/index.hpp"
#include "evenkeel/autograd/ops/indexing.hpp"
#include "evenkeel/autograd/ops/sort.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>
#include <numeric>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using Doubles = std::span<const DoubleArray>;

std::int64_t whole(const DoubleArray& x, const Shape& at) { return static_cast<std::int64_t>(x.at(at)); }

OpCase row(std::string name, std::string variant, Shape shape, std::function<Tensor(const Tensor&)> op,
           Reference reference, std::vector<std::vector<Shape>> more = {}) {
  return {.name = std::move(name),
          .variant = std::move(variant),
          .shapes = {std::move(shape)},
          .fn = [op](Inputs x) { return op(x[0]); },
          .reference = std::move(reference),
          .more_shapes = std::move(more)};
}

/// What is left of each column along `dim`: the k first by rank, their values or their places.
Reference ranked(int dim, std::int64_t k, bool descending, bool places) {
  return [=](Doubles x) {
    Shape shape = x[0].shape, columns = shape;
    shape[dim] = std::min(k, shape[dim]);
    columns[dim] = 1;
    DoubleArray y(shape);
    for_each_index(columns, [&](Shape i) {
      std::vector<std::int64_t> order(static_cast<std::size_t>(x[0].shape[dim]));
      std::iota(order.begin(), order.end(), 0);
      const auto value = [&](std::int64_t at) {
        i[dim] = at;
        return x[0].at(i);
      };
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return descending ? value(a) > value(b) : value(a) < value(b);
      });
      for (std::int64_t j = 0; j < shape[dim]; ++j) {
        const auto from = order[static_cast<std::size_t>(j)];
        const double found = places ? static_cast<double>(from) : value(from);
        i[dim] = j;
        y.at(i) = found;
      }
    });
    return y;
  };
}

OpCase ranking(std::string name, std::string variant, std::function<Tensor(const Tensor&)> op, Reference reference) {
  OpCase result = row(std::move(name), std::move(variant), {4, 6, 3}, std::move(op), std::move(reference));
  result.samples = {Sample::distinct()};
  result.differentiable = result.name != "argsort";
  return result;
}

const CaseFile rankings{[]() -> OpCases {
  constexpr std::int64_t kAll = 100;
  OpCases rows = {
      ranking(
          "sort", "", [](const Tensor& x) { return sort(x).values; }, ranked(2, kAll, false, false)),
      ranking(
          "sort", "descending, in the middle", [](const Tensor& x) { return sort(x, 1, true).values; },
          ranked(1, kAll, true, false)),
      ranking(
          "sort", "first dim", [](const Tensor& x) { return sort(x, -3).values; }, ranked(0, kAll, false, false)),
      ranking(
          "argsort", "", [](const Tensor& x) { return argsort(x, 1); }, ranked(1, kAll, false, true)),
      ranking(
          "argsort", "descending", [](const Tensor& x) { return argsort(x, -1, true); }, ranked(2, kAll, true, true)),
      ranking(
          "topk", "", [](const Tensor& x) { return topk(x, 2).values; }, ranked(2, 2, true, false)),
      ranking(
          "topk", "smallest, in the middle", [](const Tensor& x) { return topk(x, 4, 1, false).values; },
          ranked(1, 4, false, false)),
      ranking(
          "topk", "none", [](const Tensor& x) { return topk(x, 0, 1).values; }, ranked(1, 0, true, false)),
  };
  for (OpCase& row : rows) {
    if (row.name != "topk") {
      row.more_shapes = {{{0, 2, 3}}, {{2, 0, 3}}, {{1, 1, 1}}};
    }
    row.keeps = "";
  }
  return rows;
}};

/// target[.., index, ..] along dim becomes or grows by source, entry by entry of `index`.
Reference scattered(int dim, bool add) {
  return [=](Doubles x) {
    DoubleArray y = x[0];
    for_each_index(x[1].shape, [&](const Shape& i) {
      Shape to = i;
      to[dim] = whole(x[1], i);
      y.at(to) = x.size() < 3 ? 0.75 : x[2].at(i) + (add ? y.at(to) : 0);
    });
    return y;
  };
}

const CaseFile scatters{[]() -> OpCases {
  return {
      {.name = "scatter",
       .shapes = {{3, 4}, {2, 5}, {2, 6}},
       .samples = {{}, Sample::index(0, 4), {}},
       .fn = [](Inputs x) { return scatter(x[0], 1, x[1], x[2]); },
       .reference = scattered(1, false),
       .more_shapes = {{{3, 4}, {2, 0}, {2, 6}}, {{4, 4}, {1, 1}, {1, 1}}},
       .keeps = "1"},
      {.name = "scatter",
       .variant = "first dim",
       .shapes = {{3, 4}, {2, 3}, {2, 4}},
       .samples = {{}, Sample::index(0, 3), {}},
       .fn = [](Inputs x) { return scatter(x[0], -2, x[1], x[2]); },
       .reference = scattered(0, false)},
      {.name = "scatter",
       .variant = "a number",
       .shapes = {{3, 4}, {2, 5}},
       .samples = {{}, Sample::index(0, 4)},
       .fn = [](Inputs x) { return scatter(x[0], 1, x[1], 0.75); },
       .reference = scattered(1, false),
       .keeps = "1"},
      {.name = "scatter_add",
       .shapes = {{3, 4, 2}, {2, 5, 2}, {2, 7, 3}},
       .samples = {{}, Sample::index(0, 4), {}},
       .fn = [](Inputs x) { return scatter_add(x[0], 1, x[1], x[2]); },
       .reference = scattered(1, true),
       .more_shapes = {{{3, 4, 1}, {2, 0, 1}, {2, 6, 1}}, {{4, 4, 1}, {1, 1, 1}, {1, 1, 1}}},
       .keeps = "1"},
      {.name = "index_add",
       .shapes = {{3, 4, 2}, {5}, {3, 5, 2}},
       .samples = {{}, Sample::index(0, 4), {}},
       .fn = [](Inputs x) { return index_add(x[0], -2, x[1], x[2]); },
       .reference =
           [](Doubles x) {
             DoubleArray y = x[0];
             for_each_index(x[2].shape, [&](const Shape& i) { y.at({i[0], whole(x[1], {i[1]}), i[2]}) += x[2].at(i); });
             return y;
           },
       .more_shapes = {{{0, 4, 2}, {5}, {0, 5, 2}}, {{3, 4, 2}, {0}, {3, 0, 2}}, {{1, 4, 1}, {1}, {1, 1, 1}}},
       .keeps = "1"},
  };
}};

/// weight[index]
DoubleArray looked_up(const DoubleArray& index, const DoubleArray& weight) {
  Shape shape = index.shape;
  shape.push_back(weight.shape[1]);
  DoubleArray y(shape);
  for_each_index(shape, [&](const Shape& i) {
    Shape at = i;
    at.erase(at.rank() - 1);
    y.at(i) = weight.at({whole(index, at), i.back()});
  });
  return y;
}

const CaseFile lookups{[]() -> OpCases {
  return {
      {.name = "embedding",
       .shapes = {{3, 5}, {4, 2}},
       .samples = {Sample::index(0, 4), {}},
       .fn = [](Inputs x) { return embedding(x[0], x[1]); },
       .reference = [](Doubles x) { return looked_up(x[0], x[1]); },
       .more_shapes = {{{0, 3}, {4, 2}}, {{2}, {4, 0}}, {{}, {4, 1}}},
       .keeps = "0"},
      {.name = "embedding",
       .variant = "of an index, padding at its end",  // which does not occur
       .shapes = {{7}, {5, 3}},
       .samples = {Sample::index(0, 4), {}},
       .fn = [](Inputs x) { return embedding(x[0], x[1], -1); },
       .reference = [](Doubles x) { return looked_up(x[0], x[1]); }},
      {.name = "one_hot",
       .shapes = {{3, 4}},
       .samples = {Sample::index(0, 5)},
       .fn = [](Inputs x) { return one_hot(x[0], 6); },
       .reference =
           [](Doubles x) {
             Shape shape = x[0].shape;
             shape.push_back(6);
             DoubleArray y(shape);
             for_each_index(x[0].shape, [&](Shape i) {
               const std::int64_t label = whole(x[0], i);
               i.push_back(label);
               y.at(i) = 1;
             });
             return y;
           },
       .more_shapes = {{{0, 3}}, {{}}, {{1}}},
       .differentiable = false},
      {.name = "nonzero",
       .shapes = {{3, 4}},
       .samples = {Sample::mask()},
       .fn = [](Inputs x) { return nonzero(x[0]); },
       .reference =
           [](Doubles x) {
             std::vector<double> found;
             for_each_index(x[0].shape, [&](const Shape& i) {
               if (x[0].at(i) != 0) {
                 found.insert(found.end(), i.begin(), i.end());
               }
             });
             const std::int64_t rank = x[0].shape.rank();
             DoubleArray y(Shape{std::ssize(found) / rank, rank});
             y.values = found;
             return y;
           },
       .more_shapes = {{{0, 3}}, {{1}}},
       .differentiable = false},
      {.name = "masked_select",
       .shapes = {{3, 1, 4}, {5, 4}},
       .samples = {{}, Sample::mask()},
       .fn = [](Inputs x) { return masked_select(x[0], x[1]); },
       .reference =
           [](Doubles x) {
             std::vector<double> found;
             for_each_index(broadcast_shapes(x[0].shape, x[1].shape, "reference"), [&](const Shape& i) {
               if (x[1].at(i) != 0) {
                 found.push_back(x[0].at(i));
               }
             });
             DoubleArray y(Shape{std::ssize(found)});
             y.values = found;
             return y;
           },
       .more_shapes = {{{0, 1}, {3}}, {{1}, {1}}},
       .keeps = ""},
  };
}};

/// x with what `place` gives for each index of the values written there, or added.
Reference written(std::function<Shape(const Shape& at, Doubles x)> place, bool add = false, std::size_t values = 1) {
  return [=](Doubles x) {
    DoubleArray y = x[0];
    for_each_index(x[values].shape, [&](const Shape& i) {
      const Shape to = place(i, x);
      y.at(to) = x[values].at(i) + (add ? y.at(to) : 0);
    });
    return y;
  };
}

/// index_put_ on a copy of x[0]; values are the last input.
OpCase writing(std::string variant, std::vector<Shape> shapes, std::vector<Sample> samples,
               std::function<Indices(Inputs)> indices, Reference reference, bool accumulate = false) {
  return {.name = "index_put_",
          .variant = std::move(variant),
          .shapes = std::move(shapes),
          .samples = std::move(samples),
          .fn =
              [=](Inputs x) {
                Tensor y = x[0] * 1.0;
                index_put_(y, indices(x), x.back(), accumulate);
                return y;
              },
          .reference = std::move(reference)};
}

const CaseFile readings{[]() -> OpCases {
  const auto reading = [](std::string variant, std::vector<Shape> shapes, std::int64_t below, auto op,
                          const Shape& shape, std::function<Shape(const Shape&, Doubles)> source) -> OpCase {
    return {.name = "index",
            .variant = std::move(variant),
            .shapes = std::move(shapes),
            .samples = {{}, Sample::index(0, below)},
            .fn = [op](Inputs x) { return op(x); },
            .reference =
                [=](Doubles x) {
                  DoubleArray y(shape);
                  for_each_index(shape, [&](const Shape& i) { y.at(i) = x[0].at(source(i, x)); });
                  return y;
                },
            .keeps = ""};
  };
  return {
      reading(
          "integers, slices, ellipsis, newaxis", {{3, 7, 2, 4}}, 1,
          [](Inputs x) -> Tensor {
            return x[0][{-1, Slice{1, {}, 3}, newaxis, ellipsis, 2}];
          },
          {2, 1, 2},
          [](const Shape& i, Doubles) {
            return Shape{2, 1 + 3 * i[0], i[2], 2};
          }),
      reading(
          "an integer", {{3, 4}}, 1, [](Inputs x) -> Tensor { return x[0][1]; }, {4},
          [](const Shape& i, Doubles) {
            return Shape{1, i[0]};
          }),
      reading(
          "nothing", {{3, 4}}, 1, [](Inputs x) -> Tensor { return x[0][{}]; }, {3, 4},
          [](const Shape& i, Doubles) { return i; }),
      reading(
          "rows", {{3, 4}, {2, 5}}, 3, [](Inputs x) -> Tensor { return x[0][x[1]]; }, {2, 5, 4},
          [](const Shape& i, Doubles x) {
            return Shape{whole(x[1], {i[0], i[1]}), i[2]};
          }),
      reading(
          "columns of a part, from the back", {{3, 4, 2}, {6}}, 3,
          [](Inputs x) -> Tensor {
            return x[0][{Slice{1}, x[1] * Tensor(Array::full({}, -1, DType::int64)), ellipsis}];
          },
          {2, 6, 2},
          [](const Shape& i, Doubles x) {
            return Shape{i[0] + 1, (4 - whole(x[1], {i[1]})) % 4, i[2]};
          }),
      reading(
          "pairs", {{3, 4, 2}, {2, 1}, {5}}, 3,
          [](Inputs x) -> Tensor {
            return x[0][{x[1], x[2]}];
          },
          {2, 5, 2},
          [](const Shape& i, Doubles x) {
            return Shape{whole(x[1], {i[0], 0}), whole(x[2], {i[1]}), i[2]};
          }),
      reading(
          "apart", {{3, 2, 4}, {5}, {5}}, 3,
          [](Inputs x) -> Tensor {
            return x[0][{x[1], Slice{}, x[2]}];
          },
          {5, 2},
          [](const Shape& i, Doubles x) {
            return Shape{whole(x[1], {i[0]}), i[1], whole(x[2], {i[0]})};
          }),
      reading(
          "an index of nothing", {{3, 2}, {0}}, 3, [](Inputs x) -> Tensor { return x[0][x[1]]; }, {0, 2},
          [](const Shape& i, Doubles) { return i; }),
      {.name = "index",
       .variant = "a mask",
       .shapes = {{2, 3, 4}, {3, 4}},
       .samples = {{}, Sample::mask()},
       .fn = [](Inputs x) -> Tensor {
         return x[0][{Slice{}, x[1]}];
       },
       .reference =
           [](Doubles x) {
             std::vector<double> found;
             for_each_index(x[0].shape, [&](const Shape& i) {
               if (x[1].at(i) != 0) {
                 found.push_back(x[0].at(i));
               }
             });
             DoubleArray y(Shape{2, std::ssize(found) / 2});
             y.values = found;
             return y;
           },
       .keeps = ""},
  };
}};

const CaseFile writings{[]() -> OpCases {
  const Sample index = Sample::index(0, 3);
  return {
      {.name = "copy_",
       .shapes = {{3, 4}, {4}},
       .fn =
           [](Inputs x) {
             Tensor y = x[0] * 1.0;
             return copy_(y, x[1]);
           },
       .reference = broadcast_reference([](std::span<const double> x) { return x[1]; }),
       .more_shapes = {{{0, 3}, {1}}, {{}, {}}},
       .keeps = "",
       .no_gradient = {0}},
      writing(
          "a view", {{3, 5}, {3}}, {},
          [](Inputs) -> Indices {
            return {ellipsis, 1};
          },
          written([](const Shape& i, Doubles) {
            return Shape{i[0], 1};
          })),
      writing(
          "a view, with dims of size 1 in front", {{3, 5}, {1, 1, 3}}, {},
          [](Inputs) -> Indices {
            return {ellipsis, 2};
          },
          written([](const Shape& i, Doubles) {
            return Shape{i[2], 2};
          })),
      writing(
          "added to a view", {{3, 5}, {3}}, {},
          [](Inputs) -> Indices {
            return {Slice{}, -1};
          },
          written(
              [](const Shape& i, Doubles) {
                return Shape{i[0], 4};
              },
              true),
          true),
      writing(
          "rows, some twice", {{3, 4}, {6}, {6, 4}}, {{}, index, {}}, [](Inputs x) -> Indices { return x[1]; },
          written(
              [](const Shape& i, Doubles x) {
                return Shape{whole(x[1], {i[0]}), i[1]};
              },
              false, 2)),
      writing(
          "added to rows, some twice", {{3, 4}, {6}, {6, 4}}, {{}, index, {}}, [](Inputs x) -> Indices { return x[1]; },
          written(
              [](const Shape& i, Doubles x) {
                return Shape{whole(x[1], {i[0]}), i[1]};
              },
              true, 2),
          true),
      writing(
          "pairs of a part", {{2, 5, 3, 4}, {2, 1}, {3}, {2, 2, 3}}, {{}, index, index, {}},
          [](Inputs x) -> Indices {
            return {1, Slice{0, 4, 3}, x[1], x[2]};
          },
          [](Doubles x) {
            DoubleArray y = x[0];
            for_each_index({2, 2, 3}, [&](const Shape& i) {  // part, then the pairs
              y.at({1, 3 * i[0], whole(x[1], {i[1], 0}), whole(x[2], {i[2]})}) = x[3].at({i[0], i[1], i[2]});
            });
            return y;
          }),
      {.name = "index_put_",
       .variant = "one value to a mask",
       .shapes = {{3, 4}, {3, 4}, {1}},
       .samples = {{}, Sample::mask(), {}},
       .fn =
           [](Inputs x) {
             Tensor y = x[0] * 1.0;
             return index_put_(y, x[1], x[2]);
           },
       .reference = broadcast_reference([](std::span<const double> x) { return x[1] != 0 ? x[2] : x[0]; }),
       .more_shapes = {{{0, 2}, {0, 2}, {1}}, {{1, 1}, {1, 1}, {1}}}},
  };
}};

}  // namespace
}  // namespace evenkeel::test
