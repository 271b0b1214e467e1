#include "evenkeel/autograd/anomaly.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>
#include <thread>

namespace evenkeel {

/// Visible and not inlined, so that the call stack can name it.
[[gnu::noinline]] void make_trouble(const Tensor& x) {
  const Tensor y = log(x);
  CHECK_FALSE(y.defined());
}

namespace {

using doctest::Contains;

Tensor leaf(const std::vector<double>& values) {
  return tensor(values, {static_cast<std::int64_t>(values.size())}, true);
}

doctest::String error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("without anomaly mode NaN and infinity pass") {
  const Tensor x = leaf({0, 1});
  CHECK_FALSE(anomaly_enabled());
  sum(sqrt(x)).backward();
  CHECK(x.grad().to_vector<double>()[0] == std::numeric_limits<double>::infinity());
}

TEST_CASE("a bad value in forward names op, module and shape") {
  const AnomalyGuard guard;
  const Tensor x = leaf({-1, 1, 2});
  const NameScope features("features");
  const NameScope layer("3");
  CHECK(NameScope::path() == "features.3");
  const doctest::String error = error_of([&] { log(x * 2.0); });
  CHECK(error == Contains("anomaly: the result of 'log' (shape [3]) has NaN or infinity"));
  CHECK(error == Contains("called in module 'features.3', from\n  #0 "));
  const doctest::String quiet = error_of([&] { no_grad([&] { return x / 0.0; }); });
  CHECK(quiet == Contains("the result of 'div'"));
}

TEST_CASE("the call stack names functions") {
  const AnomalyGuard guard;
  const doctest::String error = error_of([] { make_trouble(leaf({-1, 1})); });
  CHECK(error == Contains("evenkeel::make_trouble(evenkeel::Tensor const&)\n"));
}

TEST_CASE("a bad value in backward names the op of the forward and its place") {
  const AnomalyGuard guard;
  const Tensor x = leaf({0, 1});
  Tensor y;
  {
    const NameScope head("head");
    const Tensor shifted = x * 1.0;
    const NameScope norm("norm");
    y = sum(sqrt(shifted));
  }
  CHECK(NameScope::path().empty());
  const doctest::String error = error_of([&] { y.backward(); });
  CHECK(error == Contains("anomaly: backward of 'sqrt' gave NaN or infinity in the gradient of input 0 (shape [2])"));
  CHECK(error == Contains("called in module 'head.norm', from\n"));
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("a graph from before the guard is checked too, without a place") {
  const Tensor x = leaf({0, 1});
  const Tensor y = sum(sqrt(x));
  const AnomalyGuard guard;
  CHECK(error_of([&] { y.backward(); }) == Contains("recorded outside anomaly mode, so its place is not known"));
}

TEST_CASE("guards nest, belong to their thread, and end with their scope") {
  {
    const AnomalyGuard outer;
    { const AnomalyGuard inner; }
    CHECK(anomaly_enabled());
    bool other = true;
    std::thread([&] { other = anomaly_enabled(); }).join();
    CHECK_FALSE(other);
    CHECK(error_of([] { log(leaf({-1})); }) == Contains("called outside any module"));
    // What is finite passes, integers and booleans too.
    const Tensor x = leaf({1, 2});
    sum(x * to(gt(x, x), DType::float64)).backward();
    CHECK(x.grad().defined());
  }
  CHECK_FALSE(anomaly_enabled());
  CHECK(error_of([] { log(leaf({-1})); }) == "no error");
}

}  // namespace evenkeel
