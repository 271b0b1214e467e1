#include "evenkeel/autograd/dot.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace evenkeel;
using doctest::Contains;

namespace {

std::int64_t count(const std::string& text, const std::string& part) {
  std::int64_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
    ++found;
  }
  return found;
}

}  // namespace

TEST_CASE("a graph is drawn with its ops, leaves and shapes, each once") {
  const Tensor x = ones({2, 3}, {.requires_grad = true}), w = ones({4, 3}, {.requires_grad = true});
  const Tensor y = linear(x, w, ones({4}));  // the bias wants no gradient
  const Tensor z = sum(y * y);
  const std::string text = to_dot(z, {.names = {{"w", w}}});
  CHECK(text ==
        "digraph {\n"
        "  node [shape=box, fontname=\"sans-serif\"]\n"
        "  edge [fontname=\"sans-serif\"]\n"
        "  n0 [label=\"result\\n[]\", shape=ellipse]\n"
        "  n1 [label=\"sum\"]\n"
        "  n1 -> n0 [label=\" []\"]\n"
        "  n2 [label=\"mul\"]\n"
        "  n2 -> n1 [label=\" [2, 4]\"]\n"
        "  n3 [label=\"linear\"]\n"
        "  n3 -> n2 [label=\" [2, 4]\"]\n"
        "  n3 -> n2 [label=\" [2, 4]\"]\n"
        "  n4 [label=\"leaf\", shape=ellipse]\n"
        "  n4 -> n3 [label=\" [2, 3]\"]\n"
        "  n5 [label=\"w\", shape=ellipse]\n"
        "  n5 -> n3 [label=\" [4, 3]\"]\n"
        "}\n");
  z.backward();
  CHECK(to_dot(z, {.names = {{"w", w}}}) == text);
}

TEST_CASE("a box stands for the ops inside, as the tensors were when it was made") {
  const Tensor x = ones({2}, {.requires_grad = true});
  Tensor y = exp(sqrt(x) + x);
  const DotBox box("\"quoted\"\nand \\", {x}, {y}), nothing("nothing", {y}, {y});
  relu_(y);
  const std::string text = to_dot(y * 2.0, {.names = {{"x", x}}, .boxes = {box, nothing}});
  CHECK(count(text, "sqrt") + count(text, "exp") + count(text, "nothing") == 0);
  CHECK(count(text, "\"relu_\"") == 1);
  CHECK(count(text, "label=\"\\\"quoted\\\"\\nand \\\\\", style") == 1);
  CHECK(count(text, "-> ") == 4);  // x, box, relu_, mul, result
}

TEST_CASE("a graph of any depth is drawn; what was not recorded is refused") {
  const Tensor x = ones({1}, {.requires_grad = true});
  Tensor y = x;
  for (int i = 0; i < 100000; ++i) {
    y = y + 1.0;
  }
  CHECK(count(to_dot(y), "\"add\"") == 100000);
  CHECK(count(to_dot(x), "->") == 1);
  CHECK_THROWS_WITH_AS(to_dot(Tensor()), "to_dot: got an undefined tensor", ValueError);
  CHECK_THROWS_WITH_AS(to_dot(ones({2, 1})), Contains("to_dot: the tensor of shape [2, 1] was not recorded"),
                       StateError);
  CHECK_THROWS_AS(to_dot(no_grad([&] { return x + 1.0; })), StateError);
}
