#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/conv.hpp"
#include "evenkeel/autograd/ops/elementary.hpp"
#include "evenkeel/autograd/ops/pad.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/autograd/ops/unfold.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/support/values.hpp"

#include <functional>

namespace evenkeel::test {
namespace {

TEST_CASE("volumes, padding and columns: the same bits for any number of threads") {
  const Tensor kernel = random({6, 4, 3, 3, 3}, 1, DType::float32), images = random({3, 3, 40, 50}, 2, DType::float32);
  const Tensor volumes = random({2, 4, 5, 17, 23}, 3, DType::float32), bias = random({6}, 4, DType::float32);
  const Tensor columns = random({2, 36, 20 * 25}, 5, DType::float32);
  const std::vector<std::function<Tensor(const Tensor&)>> ops = {
      [&](const Tensor& x) { return conv3d(x, kernel, bias, {.padding = 1}); },
      [&](const Tensor& x) {
        return pad(x, {7, 3, 2, 30}, PadMode::reflect);
      },
      [&](const Tensor& x) {
        return unfold(x, {.kernel_size = {3, 5}, .padding = 2, .stride = {1, 2}});
      },
      [&](const Tensor& x) {
        return fold(x, {40, 50}, {.kernel_size = {2, 3}, .padding = {0, 1}, .stride = 2});
      },
  };
  const Tensor inputs[] = {volumes, images, images, columns};
  for (std::size_t i = 0; i < ops.size(); ++i) {
    CAPTURE(i);
    const auto bits = [&](int threads) {
      const ThreadsGuard guard(threads);
      const Tensor x(inputs[i].array(), true);
      const Tensor y = ops[i](x);
      y.backward(random(y.shape(), 6, DType::float32));
      return std::pair(y.to_vector<float>(), x.grad().to_vector<float>());
    };
    CHECK((bits(1) == bits(3)));
  }
}

TEST_CASE("conv3d is conv2d where the depth is 1, and conv1d where height and depth are 1") {
  const Tensor x = random({2, 3, 1, 5, 6}, 1), w = random({4, 3, 1, 3, 2}, 2), bias = random({4}, 3);
  const Tensor y = conv3d(x, w, bias, {.stride = {1, 2, 1}, .padding = {0, 1, 1}});
  const Tensor images = conv2d(Tensor(x.array().reshape({2, 3, 5, 6})), Tensor(w.array().reshape({4, 3, 3, 2})), bias,
                               {.stride = {2, 1}, .padding = 1});
  CHECK(y.to_vector<double>() == images.to_vector<double>());
  const Tensor line = random({2, 3, 30}, 4), taps = random({4, 3, 3}, 5);
  CHECK(conv1d(line, taps, bias, {.dilation = 2}).to_vector<double>() ==
        conv2d(Tensor(line.array().reshape({2, 3, 1, 30})), Tensor(taps.array().reshape({4, 3, 1, 3})), bias,
               {.dilation = {1, 2}})
            .to_vector<double>());
}

TEST_CASE("convolutions of volumes compute only the gradients that are wanted") {
  for (const bool x_wants : {false, true}) {
    const Tensor x = ones({1, 2, 3, 4, 5}, {.requires_grad = x_wants}),
                 w = ones({3, 2, 2, 3, 3}, {.requires_grad = !x_wants});
    sum(conv3d(x, w, ones({3}))).backward();
    CHECK(x.grad().defined() == x_wants);
    CHECK(w.grad().defined() == !x_wants);
  }
}

// Rows that output_padding adds see no input, also where a kernel of one slice and row would let all rows be joined.
TEST_CASE("a transposed kernel of one row with output_padding") {
  Generator generator(3);
  const Tensor x = randn({1, 1, 2, 3, 4}, generator, {.dtype = DType::float64, .requires_grad = true});
  const Tensor w = randn({1, 1, 1, 1, 2}, generator, {.dtype = DType::float64, .requires_grad = true});
  const ConvTransposeNdOptions<3> options{.output_padding = {0, 1, 0}, .dilation = {1, 2, 1}};
  const Tensor y = conv_transpose3d(x, w, {}, options);
  REQUIRE(y.shape() == Shape{1, 1, 2, 4, 5});
  const Tensor rows = conv_transpose3d(x, w);
  CHECK(slice(y, 3, 0, 3).to_vector<double>() == rows.to_vector<double>());
  CHECK(slice(y, 3, 3, 4).to_vector<double>() == std::vector<double>(10, 0.0));
  const auto both = grad({sum(square(y))}, {x, w}), plain = grad({sum(square(rows))}, {x, w});
  for (const std::size_t i : {0, 1}) {
    const auto got = both[i].to_vector<double>(), expected = plain[i].to_vector<double>();
    for (std::size_t k = 0; k < got.size(); ++k) {
      CHECK(got[k] == doctest::Approx(expected[k]).epsilon(1e-12));
    }
  }
}

}  // namespace
}  // namespace evenkeel::test
