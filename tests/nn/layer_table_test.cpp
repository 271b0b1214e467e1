#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "tests/support/layer_cases.hpp"
#include "tests/support/layer_classes.hpp"
#include "tests/support/layer_function.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <sstream>

using namespace evenkeel;
using test::LayerCase;
using test::LayerCases;
using test::LayerFunction;
using test::sample;

namespace {

LayerCases all_cases() {
  LayerCases cases;
  for (const auto rows : test::LayerCaseFile::all()) {
    const LayerCases more = rows();
    cases.insert(cases.end(), more.begin(), more.end());
  }
  return cases;
}

/// The layer with parameters in float64 that are neither 1 nor 0.
std::unique_ptr<nn::Layer> make_random(const LayerCase& row) {
  Generator generator(5);
  auto layer = row.make(generator);
  test::randomize(*layer);
  return layer;
}

LayerFunction make_function(const LayerCase& row) {
  Generator generator(11);
  return {make_random(row), sample(row.input, row.range, generator, row.dtype_or(DType::float64))};
}

std::string label(const LayerCase& row) { return row.layer + (row.variant.empty() ? "" : " (" + row.variant + ")"); }

}  // namespace

TEST_CASE("every layer passes gradcheck for input and parameters, in training and in eval") {
  for (const LayerCase& row : all_cases()) {
    for (const bool training : {true, false}) {
      const std::string what = label(row) + (training ? ", training" : ", eval");
      CAPTURE(what);
      const LayerFunction function = make_function(row);
      function.layer->train(training);
      const GradcheckReport report = gradcheck(std::ref(function), function.inputs, function.options());
      CHECK_MESSAGE(report.ok, report.text);
    }
  }
}

TEST_CASE("second derivatives of every layer that has them") {
  for (const LayerCase& row : all_cases()) {
    if (row.twice_differentiable) {
      const std::string what = label(row);
      CAPTURE(what);
      const LayerFunction function = make_function(row);
      const GradcheckReport report = gradgradcheck(std::ref(function), function.inputs, function.options());
      CHECK_MESSAGE(report.ok, report.text);
    }
  }
}

TEST_CASE("shapes, names, printed text and multiply-adds of every layer") {
  for (const LayerCase& row : all_cases()) {
    const std::string what = label(row);
    CAPTURE(what);
    Generator generator(2);
    const auto layer = row.make(generator);
    const Tensor y = (*layer)(Tensor(sample(row.input, row.range, generator, row.dtype)));
    const Shape output = row.output.empty() ? row.input : row.output;
    CHECK(y.shape() == output);
    CHECK(y.dtype() == DType::float32);
    std::vector<std::string> keys;
    for (const auto& [key, value] : layer->state_dict()) {
      keys.push_back(key);
    }
    CHECK(keys == row.state);
    CHECK(layer->macs({row.input}, {output}) == row.macs);
    if (!row.printed.empty()) {
      CHECK(concat(*layer) == row.printed);
    }
  }
}

TEST_CASE("float32 gives what float64 gives, to 1e-5") {
  for (const LayerCase& row : all_cases()) {
    const std::string what = label(row);
    CAPTURE(what);
    const LayerFunction function = make_function(row);
    const auto reset = function.options().reset;
    const std::vector<double> expected = (*function.layer)(function.inputs[0].detach()).to_vector<double>();
    reset();
    function.layer->to(DType::float32);
    const Tensor y = (*function.layer)(Tensor(function.inputs[0].array().to(row.dtype)));
    const std::vector<float> actual = y.to_vector<float>();
    REQUIRE(actual.size() == expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      CHECK(std::abs(actual[i] - expected[i]) <= 1e-5 * (1 + std::abs(expected[i])));
    }
  }
}

TEST_CASE("an empty batch gives an empty result and zero gradients") {
  for (const LayerCase& row : all_cases()) {
    if (!row.empty_batch) {
      continue;
    }
    const std::string what = label(row);
    CAPTURE(what);
    const auto layer = make_random(row);
    Shape shape = row.input;
    shape[0] = 0;
    const bool floating = is_floating(row.dtype);
    const Tensor x = zeros(shape, {.dtype = row.dtype_or(DType::float64), .requires_grad = floating});
    const Tensor y = (*layer)(floating ? x * 1.0 : x);
    CHECK(y.numel() == 0);
    y.backward(zeros(y.shape(), {.dtype = DType::float64}));
    CHECK((!floating || x.grad().shape() == shape));
    for (const auto& [key, parameter] : layer->named_parameters()) {
      const std::string name = key;
      CAPTURE(name);
      REQUIRE(parameter.grad().defined());
      for (const double g : parameter.grad().to_vector<double>()) {
        CHECK(g == 0);
      }
    }
  }
}

TEST_CASE("every Layer class of nn has a row, and every row is of the layer that it names") {
  std::set<std::string> rows;
  for (const LayerCase& row : all_cases()) {
    Generator generator(1);
    const auto layer = row.make(generator);
    rows.insert(row.layer);
    const bool inside = row.variant.starts_with("in place") && layer->type_name() == "Sequential";
    CHECK_MESSAGE((inside || layer->type_name() == row.layer), label(row));
  }
  std::size_t classes = 0;
  for (const char* folder : {"nn", "nn/norm"}) {
    for (const std::string& name : test::layer_classes(folder)) {
      ++classes;
      CHECK_MESSAGE(rows.contains(name), "no row for ", name);
    }
  }
  CHECK(classes >= 60);
}
