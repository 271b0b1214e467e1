#include "evenkeel/autograd/ops/conv.hpp"
#include "evenkeel/autograd/ops/linalg.hpp"
#include "evenkeel/autograd/ops/pool.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/core/storage.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace evenkeel {
namespace {

/// The error text of f, "" if it throws none.
template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("conv2d says what does not fit") {
  const Tensor x = ones({2, 3, 8, 7}), w = ones({4, 3, 3, 2});
  struct Wrong {
    std::string text;
    std::function<void()> call;
  };
  for (const Wrong& wrong : std::vector<Wrong>{
           {"Given groups=1, weight of size [4, 3, 3, 2], expected input[2, 5, 8, 7] to have 3 channels, but got 5",
            [&] {
              conv2d(ones({2, 5, 8, 7}), w);
            }},
           {"conv2d: the input must be 3D (unbatched) or 4D (batched), got shape [8, 7]",
            [&] {
              conv2d(ones({8, 7}), w);
            }},
           {"expected bias to be 1-dimensional with 4 elements, but got bias of size [5]",
            [&] { conv2d(x, w, ones({5})); }},
           {"but got bias of size [1, 4]",
            [&] {
              conv2d(x, w, ones({1, 4}));
            }},
           {"Calculated padded input size per channel: (8 x 7). Kernel size: (9 x 2). Kernel size can't be greater",
            [&] {
              conv2d(x, ones({4, 3, 9, 2}));
            }},
           {"Kernel size: (9 x 2)",
            [&] {
              conv2d(x, w, {}, {.dilation = {4, 1}});
            }},
           {"the input must have no spatial size of 0, got shape [2, 3, 0, 7]",
            [&] {
              conv2d(ones({2, 3, 0, 7}), w);
            }},
           {"stride must be positive, got (1, 0)",
            [&] {
              conv2d(x, w, {}, {.stride = {1, 0}});
            }},
           {"padding must not be negative, got (-1, 0)",
            [&] {
              conv2d(x, w, {}, {.padding = {-1, 0}});
            }},
           {"dilation must be positive, got (0, 0)", [&] { conv2d(x, w, {}, {.dilation = 0}); }},
           {"groups must be positive, got 0", [&] { conv2d(x, w, {}, {.groups = 0}); }},
           {"expected weight to be divisible by 3 at dimension 0",
            [&] {
              conv2d(x, ones({4, 1, 3, 3}), {}, {.groups = 3});
            }},
           {"weight must be float32, as the input, got float64",
            [&] {
              conv2d(x, ones({4, 3, 3, 3}, {.dtype = DType::float64}));
            }},
           {"bias must be float32, as the input, got float64",
            [&] { conv2d(x, w, ones({4}, {.dtype = DType::float64})); }},
           {"padding='same' is not supported for strided convolutions",
            [&] { conv2d(x, w, {}, {.stride = 2, .padding = "same"}); }},
           {"'same' or 'valid', got 'full'", [&] { conv2d(x, w, {}, {.padding = "full"}); }},
           {"must be below 2^31", [&] { conv2d(x, w, {}, {.padding = std::int64_t{1} << 40}); }},
           {"undefined", [&] { conv2d(Tensor(), w); }}}) {
    CAPTURE(wrong.text);
    const std::string text = error_of(wrong.call);
    CAPTURE(text);
    CHECK(contains(text, wrong.text));
    CHECK(text.rfind("conv2d: ", 0) == 0);
  }
}

TEST_CASE("conv_transpose2d says what does not fit") {
  const Tensor x = ones({2, 3, 4, 5}), w = ones({3, 2, 3, 3});
  CHECK(contains(error_of([&] { conv_transpose2d(ones({2, 4, 4, 5}), w); }), "to have 3 channels, but got 4 channels"));
  CHECK(contains(error_of([&] { conv_transpose2d(x, w, ones({3})); }), "1-dimensional with 2 elements"));
  CHECK(contains(error_of([&] { conv_transpose2d(x, w, {}, {.stride = 2, .output_padding = 2}); }),
                 "output_padding must be smaller than either stride or dilation"));
  CHECK(contains(error_of([&] { conv_transpose2d(x, w, {}, {.padding = 4}); }), "Output size is too small"));
}

TEST_CASE("conv2d without a batch dim, and an empty batch") {
  const Tensor w = ones({4, 3, 3, 2}, {.requires_grad = true}), bias = ones({4}, {.requires_grad = true});
  CHECK(conv2d(ones({3, 5, 6}), w, bias).shape() == Shape{4, 3, 5});
  const Tensor y = conv2d(ones({0, 3, 5, 6}), w, bias, {.padding = "same"});
  CHECK(y.shape() == Shape{0, 4, 5, 6});
  sum(y).backward();
  CHECK(w.grad().to_vector<float>() == std::vector<float>(72, 0.0F));
  CHECK(bias.grad().to_vector<float>() == std::vector<float>(4, 0.0F));
}

TEST_CASE("conv2d computes only the gradients that are wanted") {
  for (const bool x_wants : {false, true}) {
    const Tensor x = ones({1, 2, 4, 5}, {.requires_grad = x_wants}),
                 w = ones({3, 2, 3, 3}, {.requires_grad = !x_wants});
    sum(conv2d(x, w, ones({3}))).backward();
    CHECK(x.grad().defined() == x_wants);
    CHECK(w.grad().defined() == !x_wants);
  }
}

TEST_CASE("pools say what does not fit") {
  const Tensor x = ones({2, 3, 6, 7});
  struct Wrong {
    std::string text;
    MaxPool2dOptions params;
  };
  for (const Wrong& wrong :
       std::vector<Wrong>{{"kernel_size must be positive, got (0, 2)", {.kernel_size = {0, 2}}},
                          {"stride must be positive, got (2, 0)", {.kernel_size = 2, .stride = Size2{2, 0}}},
                          {"dilation must be positive, got (0, 0)", {.kernel_size = 2, .dilation = 0}},
                          {"padding must not be negative, got (-1, -1)", {.kernel_size = 2, .padding = -1}},
                          {"padding must be at most half of kernel_size, got (2, 0) and (3, 3)",
                           {.kernel_size = 3, .padding = {2, 0}}},
                          {"Output size is too small", {.kernel_size = 7}}}) {
    CAPTURE(wrong.text);
    const std::string text = error_of([&] { max_pool2d(x, wrong.params); });
    CAPTURE(text);
    CHECK(contains(text, wrong.text));
  }
  CHECK(contains(error_of([&] {
                   max_pool2d(ones({2, 3, 0, 7}), {});
                 }),
                 "with no size of 0 but the batch's, got shape [2, 3, 0, 7]"));
  CHECK(contains(error_of([&] { max_pool2d(ones({6, 7}), {}); }), "the input must be 3D or 4D"));
  CHECK(contains(error_of([&] {
                   max_pool2d(ones({1, 1, 1}), {.kernel_size = 2, .padding = 1, .dilation = 2});
                 }),
                 "no cell inside the input"));
  CHECK(contains(error_of([&] { avg_pool2d(x, {.divisor_override = 0}); }), "divisor must be not zero"));
  CHECK(contains(error_of([&] { adaptive_avg_pool2d(x, {-1, 2}); }), "output_size must not be negative, got (-1, 2)"));
  CHECK(contains(error_of([&] { max_pool2d(ones({2, 3, 6, 7}, {.dtype = DType::int64}), {}); }), "float32 or float64"));
}

TEST_CASE("an adaptive pool whose output no memory holds is refused before anything is built") {
  CHECK_THROWS_AS(adaptive_avg_pool2d(ones({1, 1, 2, 2}), std::int64_t{1} << 40), std::invalid_argument);
  CHECK_THROWS_AS(adaptive_avg_pool2d(ones({1, 1, 2, 2}), Size2(std::int64_t{1} << 40, 2)), OutOfMemory);
  CHECK_THROWS_AS(adaptive_avg_pool2d(ones({1, 2, 2}), Size2(3, std::int64_t{1} << 42)), OutOfMemory);
  const Tensor none = zeros({0, 3, 2, 2}, {.requires_grad = true});
  const Tensor y = adaptive_avg_pool2d(none, Size2(std::int64_t{1} << 40, 2));  // no images, any size
  CHECK(y.shape() == Shape{0, 3, std::int64_t{1} << 40, 2});
  sum(y).backward();
  CHECK(none.grad().shape() == none.shape());
}

TEST_CASE("ceil_mode drops a last window that would start in the padding") {
  CHECK(max_pool2d(ones({1, 6, 7}), {.kernel_size = 1, .stride = 2, .ceil_mode = true}).shape() == Shape{1, 3, 4});
  CHECK(avg_pool2d(ones({1, 4, 4}), {.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true}).shape() ==
        Shape{1, 3, 3});
}

TEST_CASE("avg_pool2d with ceil_mode divides by the cells up to the end of the padding") {
  const Tensor x = tensor<double>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, {1, 4, 4});
  const AvgPool2dOptions params{.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true};
  // (1 + 2 + 5 + 6) / 9 in the corner, (4 + 8) / 6 at the overhang on the right, 16 / 4 at both.
  const std::vector<double> expected{14.0 / 9, 30.0 / 9, 2, 57.0 / 9, 11, 6, 4.5, 7.5, 4};
  const std::vector<double> y = avg_pool2d(x, params).to_vector<double>();
  REQUIRE(y.size() == expected.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  }
}

TEST_CASE("overlapping windows that share a maximum add their gradients; a tie goes to the first") {
  const Tensor x = tensor<float>({0, 0, 0, 0, 9, 0, 0, 0, 0}, {1, 3, 3}, true);
  sum(max_pool2d(x, {.kernel_size = 2, .stride = 1})).backward();
  CHECK(x.grad().to_vector<float>() == std::vector<float>{0, 0, 0, 0, 4, 0, 0, 0, 0});
  const Tensor flat = ones({1, 2, 2}, {.requires_grad = true});
  sum(max_pool2d(flat, {.kernel_size = 2})).backward();
  CHECK(flat.grad().to_vector<float>() == std::vector<float>{1, 0, 0, 0});
}

TEST_CASE("linear and matmul say what does not fit") {
  CHECK(contains(error_of([] {
                   linear(ones({2, 3}), ones({4, 5}));
                 }),
                 "input [2, 3] has 3 features, weight [4, 5] expects 5"));
  CHECK(contains(error_of([] {
                   linear(ones({2, 5}), ones({4, 5}), ones({5}));
                 }),
                 "the bias must have shape [4], got [5]"));
  CHECK(contains(error_of([] {
                   linear(ones({2, 5}), ones({4, 5}, {.dtype = DType::float64}));
                 }),
                 "input, weight and bias must have one dtype, got float32, float64"));
  CHECK(contains(error_of([] { linear(ones({}), ones({4, 5})); }), "at least one dim"));
  CHECK(contains(error_of([] { matmul(ones({2, 3}), ones({4, 5})); }), "[2, 3] and [4, 5]"));
}

}  // namespace
}  // namespace evenkeel
