#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/index.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "tests/support/cases.hpp"

#include <algorithm>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using Doubles = std::span<const DoubleArray>;

/// The first input's values in order, in another shape.
Reference in_shape(const Shape& shape) {
  return [=](Doubles x) {
    DoubleArray y(shape);
    y.values = x[0].values;
    return y;
  };
}

Reference nothing(const Shape& shape) {
  return [=](Doubles) { return DoubleArray(shape); };
}

/// y[i] = x[source(i)], 0 (or `outside`) where the source lies outside x.
Reference taken_from(const Shape& shape, std::function<Shape(const Shape&, Doubles)> source, double outside = 0) {
  return [=](Doubles x) {
    DoubleArray y(shape);
    for_each_index(shape, [&](const Shape& i) {
      const Shape from = source(i, x);
      bool inside = true;
      for (int d = 0; d < from.rank(); ++d) {
        inside = inside && from[d] >= 0 && from[d] < x[0].shape[d];
      }
      y.at(i) = inside ? x[0].at(from) : outside;
    });
    return y;
  };
}

OpCase view(std::string name, std::string variant, Shape shape, std::function<Tensor(const Tensor&)> op,
            Reference reference) {
  return {.name = std::move(name),
          .variant = std::move(variant),
          .shapes = {std::move(shape)},
          .fn = [op](Inputs x) { return op(x[0]); },
          .reference = std::move(reference),
          .keeps = ""};
}

const CaseFile views{[]() -> OpCases {
  return {
      view(
          "reshape", "", {4, 3, 5},
          [](const Tensor& x) {
            return reshape(x, {6, -1});
          },
          in_shape({6, 10})),
      view(
          "reshape", "of a transposed tensor", {4, 3},
          [](const Tensor& x) {
            return reshape(transpose(x, 0, 1), {2, 6});
          },
          taken_from({2, 6},
                     [](const Shape& i, Doubles) {
                       return Shape{(i[0] * 6 + i[1]) % 4, (i[0] * 6 + i[1]) / 4};
                     })),
      view(
          "reshape", "empty", {0, 3},
          [](const Tensor& x) {
            return reshape(x, {3, 0, 2});
          },
          in_shape({3, 0, 2})),
      view(
          "reshape", "to rank 0", {1, 1}, [](const Tensor& x) { return reshape(x, Shape{}); }, in_shape({})),
      view(
          "flatten", "", {4, 3, 5}, [](const Tensor& x) { return flatten(x); }, in_shape({60})),
      view(
          "flatten", "from 1", {4, 3, 5, 2}, [](const Tensor& x) { return flatten(x, 1); }, in_shape({4, 30})),
      view(
          "flatten", "1 to -2", {4, 3, 5, 2}, [](const Tensor& x) { return flatten(x, 1, -2); }, in_shape({4, 15, 2})),
      view(
          "transpose", "", {4, 3, 5}, [](const Tensor& x) { return transpose(x, 0, -1); },
          taken_from({5, 3, 4},
                     [](const Shape& i, Doubles) {
                       return Shape{i[2], i[1], i[0]};
                     })),
      view(
          "permute", "", {4, 3, 5, 2},
          [](const Tensor& x) {
            return permute(x, {2, 0, -1, 1});
          },
          taken_from({5, 4, 2, 3},
                     [](const Shape& i, Doubles) {
                       return Shape{i[1], i[3], i[0], i[2]};
                     })),
      view(
          "slice", "", {4, 7}, [](const Tensor& x) { return slice(x, 1, 2, 5); },
          taken_from({4, 3},
                     [](const Shape& i, Doubles) {
                       return Shape{i[0], i[1] + 2};
                     })),
      view(
          "slice", "step", {4, 7}, [](const Tensor& x) { return slice(x, -1, 1, 100, 3); },
          taken_from({4, 2},
                     [](const Shape& i, Doubles) {
                       return Shape{i[0], 3 * i[1] + 1};
                     })),
      view(
          "slice", "from the back", {7, 3}, [](const Tensor& x) { return slice(x, 0, -3, -1); },
          taken_from({2, 3},
                     [](const Shape& i, Doubles) {
                       return Shape{i[0] + 4, i[1]};
                     })),
      view(
          "slice", "nothing", {7, 3}, [](const Tensor& x) { return slice(x, 0, 5, 2); }, nothing({0, 3})),
      view(
          "select", "", {4, 3, 5}, [](const Tensor& x) { return select(x, 1, 2); },
          taken_from({4, 5},
                     [](const Shape& i, Doubles) {
                       return Shape{i[0], 2, i[1]};
                     })),
      view(
          "select", "from the back", {4, 3, 5}, [](const Tensor& x) { return select(x, -1, -2); },
          taken_from({4, 3},
                     [](const Shape& i, Doubles) {
                       return Shape{i[0], i[1], 3};
                     })),
      view(
          "expand", "", {3, 1},
          [](const Tensor& x) {
            return expand(x, {2, 3, 5});
          },
          taken_from({2, 3, 5},
                     [](const Shape& i, Doubles) {
                       return Shape{i[1], 0};
                     })),
      view(
          "expand", "kept size", {3, 1},
          [](const Tensor& x) {
            return expand(x, {-1, 4});
          },
          taken_from({3, 4},
                     [](const Shape& i, Doubles) {
                       return Shape{i[0], 0};
                     })),
      view(
          "expand", "to nothing", {3, 1},
          [](const Tensor& x) {
            return expand(x, {3, 0});
          },
          taken_from({3, 0}, [](const Shape& i, Doubles) { return i; })),
      view(
          "squeeze", "", {1, 3, 1, 5}, [](const Tensor& x) { return squeeze(x); }, in_shape({3, 5})),
      view(
          "squeeze", "one axis", {1, 3, 1, 5}, [](const Tensor& x) { return squeeze(x, 2); }, in_shape({1, 3, 5})),
      view(
          "unsqueeze", "", {3, 5}, [](const Tensor& x) { return unsqueeze(x, 1); }, in_shape({3, 1, 5})),
      view(
          "unsqueeze", "at the end", {3, 5}, [](const Tensor& x) { return unsqueeze(x, -1); }, in_shape({3, 5, 1})),
      view(
          "contiguous", "", {4, 3}, [](const Tensor& x) { return contiguous(transpose(x, 0, 1)); },
          taken_from({3, 4},
                     [](const Shape& i, Doubles) {
                       return Shape{i[1], i[0]};
                     })),
      view(
          "contiguous", "already", {4, 3}, [](const Tensor& x) { return contiguous(x * 1.0); }, in_shape({4, 3})),
      view(
          "clone", "", {4, 3}, [](const Tensor& x) { return clone(x); }, in_shape({4, 3})),
      view(
          "sum_to", "", {2, 3, 5},
          [](const Tensor& x) {
            return sum_to(x, {3, 1});
          },
          [](Doubles x) {
            DoubleArray y(Shape{3, 1});
            for_each_index(x[0].shape, [&](const Shape& i) { y.at(i) += x[0].at(i); });
            return y;
          }),
      view(
          "sum_to", "same shape", {2, 3},
          [](const Tensor& x) {
            return sum_to(x * 1.0, {2, 3});
          },
          in_shape({2, 3})),
  };
}};

/// The inputs one after the other along `dim`.
Reference joined(int dim) {
  return [=](Doubles x) {
    Shape shape = x[0].shape;
    shape[dim] = 0;
    for (const DoubleArray& part : x) {
      shape[dim] += part.shape[dim];
    }
    DoubleArray y(shape);
    std::int64_t start = 0;
    for (const DoubleArray& part : x) {
      for_each_index(part.shape, [&](Shape i) {
        const double value = part.at(i);
        i[dim] += start;
        y.at(i) = value;
      });
      start += part.shape[dim];
    }
    return y;
  };
}

const CaseFile joins{[]() -> OpCases {
  return {
      {.name = "cat",
       .shapes = {{2, 3, 5}, {4, 3, 5}, {1, 3, 5}},
       .fn =
           [](Inputs x) {
             return cat({x[0], x[1], x[2]});
           },
       .reference = joined(0),
       .more_shapes = {{{0, 3}, {2, 3}, {0, 3}}, {{1}, {1}, {1}}},
       .keeps = ""},
      {.name = "cat",
       .variant = "last axis",
       .shapes = {{2, 5}, {2, 3}},
       .fn =
           [](Inputs x) {
             return cat({x[0], x[1]}, -1);
           },
       .reference = joined(1),
       .keeps = ""},
      {.name = "cat",
       .variant = "one tensor twice",
       .shapes = {{2, 5}},
       .fn =
           [](Inputs x) {
             return cat({x[0], x[0]}, 0);
           },
       .reference =
           [](Doubles x) {
             return joined(0)(std::vector<DoubleArray>{x[0], x[0]});
           }},
      {.name = "stack",
       .shapes = {{3, 5}, {3, 5}},
       .fn =
           [](Inputs x) {
             return stack({x[0], x[1]}, 1);
           },
       .reference =
           [](Doubles x) {
             Shape shape = x[0].shape;
             shape.insert(1, 2);
             DoubleArray y(shape);
             for_each_index(shape, [&](Shape i) {
               const std::int64_t which = i[1];
               Shape from = i;
               from.erase(1);
               y.at(i) = x[static_cast<std::size_t>(which)].at(from);
             });
             return y;
           },
       .more_shapes = {{{0, 3}, {0, 3}}, {{1}, {1}}},
       .keeps = ""},
  };
}};

std::int64_t index_at(const DoubleArray& index, const Shape& i) { return static_cast<std::int64_t>(index.at(i)); }

const CaseFile indexing{[]() -> OpCases {
  return {
      {.name = "index_select",
       .shapes = {{3, 4, 2}, {7}},
       .samples = {{}, Sample::index(0, 4)},
       .fn = [](Inputs x) { return index_select(x[0], 1, x[1]); },
       .reference = taken_from({3, 7, 2},
                               [](const Shape& i, Doubles x) {
                                 return Shape{i[0], index_at(x[1], {i[1]}), i[2]};
                               }),
       .keeps = "1"},
      {.name = "index_select",
       .variant = "nothing",
       .shapes = {{3, 4}, {0}},
       .samples = {{}, Sample::index(0, 4)},
       .fn = [](Inputs x) { return index_select(x[0], -1, x[1]); },
       .reference = nothing({3, 0})},
      {.name = "gather",
       .shapes = {{3, 4, 5}, {2, 6, 5}},
       .samples = {{}, Sample::index(0, 4)},
       .fn = [](Inputs x) { return gather(x[0], 1, x[1]); },
       .reference = taken_from({2, 6, 5},
                               [](const Shape& i, Doubles x) {
                                 return Shape{i[0], index_at(x[1], i), i[2]};
                               }),
       .keeps = "1"},
      {.name = "gather",
       .variant = "first axis",
       .shapes = {{3, 4}, {5, 2}},
       .samples = {{}, Sample::index(0, 3)},
       .fn = [](Inputs x) { return gather(x[0], -2, x[1]); },
       .reference = taken_from({5, 2},
                               [](const Shape& i, Doubles x) {
                                 return Shape{index_at(x[1], i), i[1]};
                               })},
      {.name = "pad",
       .shapes = {{3, 5}},
       .fn =
           [](Inputs x) {
             return pad(x[0], {1, 2, 3, 0}, 0.75);
           },
       .reference = taken_from(
           {6, 8},
           [](const Shape& i, Doubles) {
             return Shape{i[0] - 3, i[1] - 1};
           },
           0.75),
       .keeps = ""},
      {.name = "pad",
       .variant = "crops",
       .shapes = {{3, 5}},
       .fn =
           [](Inputs x) {
             return pad(x[0], {-1, -2});
           },
       .reference = taken_from({3, 2},
                               [](const Shape& i, Doubles) {
                                 return Shape{i[0], i[1] + 1};
                               }),
       .keeps = ""},
      {.name = "pad",
       .variant = "crops and pads",
       .shapes = {{2, 3, 5}},
       .fn =
           [](Inputs x) {
             return pad(x[0], {-1, 2, 1, -2});
           },
       .reference = taken_from({2, 2, 6},
                               [](const Shape& i, Doubles) {
                                 return Shape{i[0], i[1] - 1, i[2] + 1};
                               })},
  };
}};

}  // namespace
}  // namespace evenkeel::test
