#include "evenkeel/autograd/ops/einsum.hpp"
#include "evenkeel/autograd/ops/rearrange.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "tests/support/cases.hpp"

#include <map>

namespace evenkeel::test {
namespace {

using Inputs = std::span<const Tensor>;
using Doubles = std::span<const DoubleArray>;
using Source = std::function<Shape(const Shape& at, const Shape& x)>;

/// y[i] = x[source(i)], 0 where the source lies outside x.
Reference moved(const std::function<Shape(const Shape&)>& shape, const Source& source) {
  return [=](Doubles x) {
    DoubleArray y(shape(x[0].shape));
    for_each_index(y.shape, [&](const Shape& i) {
      const Shape from = source(i, x[0].shape);
      bool inside = true;
      for (int d = 0; d < from.rank(); ++d) {
        inside = inside && from[d] >= 0 && from[d] < x[0].shape[d];
      }
      y.at(i) = inside ? x[0].at(from) : 0;
    });
    return y;
  };
}
Reference moved(const Shape& shape, const Source& source) {
  return moved([=](const Shape&) { return shape; }, source);
}
Reference moved(const Source& source) {
  return moved([](const Shape& shape) { return shape; }, source);
}
Reference in_order(const Shape& shape) {
  return [=](Doubles x) {
    DoubleArray y(shape);
    y.values = x[0].values;
    return y;
  };
}

OpCase row(std::string name, std::string variant, Shape shape, std::function<Tensor(const Tensor&)> op,
           Reference reference, std::vector<std::vector<Shape>> more = {}) {
  return {.name = std::move(name),
          .variant = std::move(variant),
          .shapes = {std::move(shape)},
          .fn = [op](Inputs x) { return op(x[0]); },
          .reference = std::move(reference),
          .more_shapes = std::move(more)};
}

const CaseFile parts{[]() -> OpCases {
  return {
      row(
          "split", "", {2, 7}, [](const Tensor& x) { return split(x, 3, -1)[1]; },
          moved({2, 3},
                [](const Shape& i, const Shape&) {
                  return Shape{i[0], i[1] + 3};
                })),
      row(
          "split", "all of them, backwards", {5, 2},
          [](const Tensor& x) {
            return cat({split(x, 2)[2], split(x, 2)[1], split(x, 2)[0]});
          },
          moved([](const Shape& i, const Shape&) {
            return Shape{i[0] == 0 ? 4 : i[0] < 3 ? i[0] + 1 : i[0] - 3, i[1]};
          })),
      row(
          "split", "sizes", {2, 7},
          [](const Tensor& x) {
            return split(x, {4, 0, 2, 1}, 1)[2];
          },
          moved({2, 2},
                [](const Shape& i, const Shape&) {
                  return Shape{i[0], i[1] + 4};
                })),
      row(
          "chunk", "", {2, 7}, [](const Tensor& x) { return chunk(x, 3, 1)[2]; },
          moved({2, 1},
                [](const Shape& i, const Shape&) {
                  return Shape{i[0], i[1] + 6};
                })),
      row(
          "chunk", "of nothing", {0, 2}, [](const Tensor& x) { return chunk(x, 3)[2]; }, in_order({0, 2})),
      row(
          "unbind", "", {2, 3, 4}, [](const Tensor& x) { return unbind(x, -2)[1]; },
          moved({2, 4},
                [](const Shape& i, const Shape&) {
                  return Shape{i[0], 1, i[1]};
                })),
      row(
          "unbind", "and stacked", {3, 4},
          [](const Tensor& x) {
            const auto y = unbind(x);
            return stack({y[2], y[0], y[1]}, 1);
          },
          moved({4, 3},
                [](const Shape& i, const Shape&) {
                  return Shape{(i[1] + 2) % 3, i[0]};
                })),
      row(
          "unflatten", "", {3, 6},
          [](const Tensor& x) {
            return unflatten(x, -1, {2, -1});
          },
          in_order({3, 2, 3})),
      row(
          "unflatten", "of nothing", {0, 2},
          [](const Tensor& x) {
            return unflatten(x, 0, {3, 0});
          },
          in_order({3, 0, 2})),
      row(
          "movedim", "", {2, 3, 4}, [](const Tensor& x) { return movedim(x, 0, -1); },
          moved({3, 4, 2},
                [](const Shape& i, const Shape&) {
                  return Shape{i[2], i[0], i[1]};
                })),
      row(
          "movedim", "two", {2, 3, 4, 5},
          [](const Tensor& x) {
            return movedim(x, {0, 1}, {-1, 0});
          },
          moved({3, 4, 5, 2},
                [](const Shape& i, const Shape&) {
                  return Shape{i[3], i[0], i[1], i[2]};
                })),
      row(
          "repeat", "", {2, 3},
          [](const Tensor& x) {
            return repeat(x, {2, 1, 3});
          },
          moved({2, 2, 9},
                [](const Shape& i, const Shape&) {
                  return Shape{i[1], i[2] % 3};
                })),
      row(
          "repeat", "one row", {1, 3},
          [](const Tensor& x) {
            return repeat(x, {4, 1});
          },
          moved({4, 3},
                [](const Shape& i, const Shape&) {
                  return Shape{0, i[1]};
                })),
      row(
          "repeat", "once", {2, 3},
          [](const Tensor& x) {
            return repeat(x, {1, 1});
          },
          in_order({2, 3})),
      row(
          "repeat", "never", {2, 3},
          [](const Tensor& x) {
            return repeat(x, {2, 0});
          },
          [](Doubles) {
            return DoubleArray(Shape{4, 0});
          }),
      row(
          "tile", "", {2, 3}, [](const Tensor& x) { return tile(x, {2}); },
          moved({2, 6},
                [](const Shape& i, const Shape&) {
                  return Shape{i[0], i[1] % 3};
                })),
      row(
          "tile", "new dims", {2, 3},
          [](const Tensor& x) {
            return tile(x, {3, 1, 1});
          },
          moved({3, 2, 3},
                [](const Shape& i, const Shape&) {
                  return Shape{i[1], i[2]};
                })),
      row("flip", "", {2, 3, 4},
          [](const Tensor& x) {
            return flip(x, {0, -1});
          },
          moved([](const Shape& i, const Shape& s) {
            return Shape{s[0] - 1 - i[0], i[1], s[2] - 1 - i[2]};
          }),
          {{{0, 3, 4}}, {{1, 1, 1}}}),
      row(
          "flip", "no dims", {2, 3}, [](const Tensor& x) { return flip(x, {}); }, in_order({2, 3})),
      row("roll", "", {3, 4},
          [](const Tensor& x) {
            return roll(x, {1, -6}, {0, -1});
          },
          moved([](const Shape& i, const Shape& s) {
            return Shape{(i[0] + s[0] - 1) % s[0], (i[1] + 6) % s[1]};
          }),
          {{{0, 4}}, {{1, 1}}}),
      row(
          "roll", "flat", {3, 4}, [](const Tensor& x) { return roll(x, {5}); }, moved([](const Shape& i, const Shape&) {
            const auto at = (i[0] * 4 + i[1] + 7) % 12;
            return Shape{at / 4, at % 4};
          })),
      row("tril", "", {4, 3}, [](const Tensor& x) { return tril(x); }, moved([](const Shape& i, const Shape&) {
            return i[1] <= i[0] ? i : Shape{-1, 0};
          }),
          {{{0, 3}}, {{1, 1}}}),
      row(
          "tril", "above, of a batch", {2, 3, 4}, [](const Tensor& x) { return tril(x, 1); },
          moved([](const Shape& i, const Shape&) {
            return i[2] <= i[1] + 1 ? i : Shape{-1, 0, 0};
          })),
      row("triu", "", {4, 3}, [](const Tensor& x) { return triu(x); }, moved([](const Shape& i, const Shape&) {
            return i[1] >= i[0] ? i : Shape{-1, 0};
          }),
          {{{2, 0}}, {{1, 1}}}),
      row(
          "triu", "below", {4, 3}, [](const Tensor& x) { return triu(x, -2); }, moved([](const Shape& i, const Shape&) {
            return i[1] >= i[0] - 2 ? i : Shape{-1, 0};
          })),
      row(
          "triu", "far off", {4, 3}, [](const Tensor& x) { return triu(x, std::int64_t{1} << 62); },
          [](Doubles x) { return DoubleArray(x[0].shape); }),
      row("pixel_shuffle", "", {2, 8, 2, 3}, [](const Tensor& x) { return pixel_shuffle(x, 2); },
          moved(
              [](const Shape& s) {
                return Shape{s[0], s[1] / 4, s[2] * 2, s[3] * 2};
              },
              [](const Shape& i, const Shape&) {
                return Shape{i[0], i[1] * 4 + i[2] % 2 * 2 + i[3] % 2, i[2] / 2, i[3] / 2};
              }),
          {{{0, 4, 2, 1}}, {{1, 4, 1, 1}}}),
      row(
          "pixel_shuffle", "one image", {9, 1, 2}, [](const Tensor& x) { return pixel_shuffle(x, 3); },
          moved({1, 3, 6},
                [](const Shape& i, const Shape&) {
                  return Shape{i[1] % 3 * 3 + i[2] % 3, i[1] / 3, i[2] / 3};
                })),
      row("pixel_unshuffle", "", {2, 3, 4, 6}, [](const Tensor& x) { return pixel_unshuffle(x, 2); },
          moved(
              [](const Shape& s) {
                return Shape{s[0], s[1] * 4, s[2] / 2, s[3] / 2};
              },
              [](const Shape& i, const Shape&) {
                return Shape{i[0], i[1] / 4, i[2] * 2 + i[1] % 4 / 2, i[3] * 2 + i[1] % 2};
              }),
          {{{0, 1, 2, 2}}, {{1, 1, 2, 2}}}),
  };
}};

/// Letters only; `result` is what stands behind the arrow.
Reference einstein(std::vector<std::string> terms, std::string result) {
  return [=](Doubles x) {
    std::map<char, std::int64_t> sizes;
    for (std::size_t t = 0; t < terms.size(); ++t) {
      for (std::size_t d = 0; d < terms[t].size(); ++d) {
        std::int64_t& size = sizes.emplace(terms[t][d], 1).first->second;
        const std::int64_t here = x[t].shape[static_cast<int>(d)];
        size = here == 1 ? size : here;
      }
    }
    Shape all;
    std::map<char, int> place;
    for (const auto& [letter, size] : sizes) {
      place[letter] = all.rank();
      all.push_back(size);
    }
    const auto index = [&](const std::string& term, const Shape& i) {
      Shape at;
      for (const char letter : term) {
        at.push_back(i[place.at(letter)]);
      }
      return at;
    };
    Shape shape;
    for (const char letter : result) {
      shape.push_back(sizes.at(letter));
    }
    DoubleArray y(shape);
    for_each_index(all, [&](const Shape& i) {
      double product = 1;
      for (std::size_t t = 0; t < terms.size(); ++t) {
        product *= x[t].at(index(terms[t], i));
      }
      y.at(index(result, i)) += product;
    });
    return y;
  };
}

OpCase sum_of_products(std::string equation, std::vector<std::string> terms, std::string result,
                       std::vector<Shape> shapes, std::vector<std::vector<Shape>> more = {}) {
  return {.name = "einsum",
          .variant = equation + concat(shapes[0]),
          .shapes = std::move(shapes),
          .fn =
              [equation](Inputs x) {
                return einsum(equation, {x.begin(), x.end()});
              },
          .reference = einstein(std::move(terms), std::move(result)),
          .more_shapes = std::move(more)};
}

const CaseFile einsums{[]() -> OpCases {
  return {
      sum_of_products("ij,jk->ik", {"ij", "jk"}, "ik", {{2, 3}, {3, 4}},
                      {{{0, 3}, {3, 4}}, {{2, 0}, {0, 3}}, {{1, 1}, {1, 1}}}),
      sum_of_products("ij,kj", {"ij", "kj"}, "ik", {{2, 3}, {4, 3}}),
      sum_of_products("ba,cb", {"ba", "cb"}, "ac", {{3, 2}, {5, 3}}),
      sum_of_products("bij,bjk->bik", {"bij", "bjk"}, "bik", {{2, 3, 4}, {2, 4, 1}}, {{{0, 3, 4}, {0, 4, 1}}}),
      sum_of_products("bhid, bhjd -> bhij", {"bhid", "bhjd"}, "bhij", {{1, 2, 3, 4}, {1, 2, 5, 4}}),
      sum_of_products("abc,cbd->dba", {"abc", "cbd"}, "dba", {{2, 3, 4}, {4, 3, 5}}),
      sum_of_products("abcd,bdce->ea", {"abcd", "bdce"}, "ea", {{2, 3, 2, 4}, {3, 4, 2, 5}}),
      sum_of_products("ij,ij->", {"ij", "ij"}, "", {{2, 3}, {2, 3}}, {{{0, 3}, {0, 3}}}),
      sum_of_products("bi,bi->b", {"bi", "bi"}, "b", {{4, 3}, {4, 3}}),
      sum_of_products("ij,ij->ji", {"ij", "ij"}, "ji", {{2, 3}, {2, 3}}),
      sum_of_products("i,j->ij", {"i", "j"}, "ij", {{3}, {4}}),
      sum_of_products("ij,kl->ki", {"ij", "kl"}, "ki", {{2, 3}, {4, 5}}),
      sum_of_products("ij,jk->ik", {"ij", "jk"}, "ik", {{4, 1}, {3, 5}}),
      sum_of_products("ij,i->ij", {"ij", "i"}, "ij", {{1, 5}, {3}}),
      sum_of_products("...ij,...jk->...ik", {"abij", "bjk"}, "abik", {{2, 3, 2, 4}, {3, 4, 2}}),
      sum_of_products("i...,...->...i", {"iab", "ab"}, "abi", {{2, 3, 4}, {1, 4}}),
      sum_of_products("...i,i", {"abi", "i"}, "ab", {{2, 3, 4}, {4}}),
      sum_of_products("ii->i", {"ii"}, "i", {{4, 4}}, {{{0, 0}}, {{1, 1}}}),
      sum_of_products("ii", {"ii"}, "", {{3, 3}}),
      sum_of_products("iji->j", {"iji"}, "j", {{3, 4, 3}}),
      sum_of_products("iiij->ji", {"iiij"}, "ji", {{3, 3, 3, 2}}),
      sum_of_products("iij,ji->ij", {"iij", "ji"}, "ij", {{3, 3, 2}, {2, 3}}),
      sum_of_products("ij->ji", {"ij"}, "ji", {{2, 3}}),
      sum_of_products("ij->", {"ij"}, "", {{2, 4}}),
      sum_of_products("i...->i", {"iab"}, "i", {{5, 2, 3}}),
      sum_of_products("bAc", {"bAc"}, "Abc", {{2, 3, 4}}),
      sum_of_products(",", {"", ""}, "", {{}, {}}),
      sum_of_products("ij,jk,kl->il", {"ij", "jk", "kl"}, "il", {{2, 3}, {3, 4}, {4, 5}}),
  };
}};

}  // namespace
}  // namespace evenkeel::test
