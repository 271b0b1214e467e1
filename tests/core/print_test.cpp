#include "evenkeel/core/print.hpp"

#include <doctest/doctest.h>

#include <clocale>
#include <limits>
#include <locale>
#include <sstream>

using namespace evenkeel;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Array floats(const std::vector<float>& values, const Shape& shape) { return Array::from(values, shape); }
Array integers(const std::vector<std::int64_t>& values, const Shape& shape) { return Array::from(values, shape); }

struct Row {
  const char* name;
  Array array;
  const char* expected;
};

struct CommaDecimal : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

}  // namespace

// The expected texts are what PyTorch 1.13.1 prints for these tensors.
TEST_CASE("to_string prints what PyTorch prints") {
  const std::vector<Row> rows{
      {"whole floats end in a point", Array::ones({2, 3}),
       "tensor([[1., 1., 1.],\n"
       "        [1., 1., 1.]])"},
      {"other floats have four digits and one width", floats({0.5F, -1.25F, 3.14159F, 100}, {2, 2}),
       "tensor([[  0.5000,  -1.2500],\n"
       "        [  3.1416, 100.0000]])"},
      {"whole floats of several widths", floats({-1, 0, 250}, {3}), "tensor([ -1.,   0., 250.])"},
      {"zeros alone", Array::zeros({3}), "tensor([0., 0., 0.])"},
      {"range above 1000", floats({1.5F, 2000.25F}, {2}), "tensor([1.5000e+00, 2.0002e+03])"},
      {"below 1e-4", floats({5e-5F, 7e-5F}, {2}), "tensor([5.0000e-05, 7.0000e-05])"},
      {"whole floats, range above 1000", floats({1, 2000}, {2}), "tensor([1.0000e+00, 2.0000e+03])"},
      {"whole floats above 1e8", floats({2e8F, 3e8F}, {2}), "tensor([2.0000e+08, 3.0000e+08])"},
      {"range of exactly 1000", floats({1, 1000}, {2}), "tensor([   1., 1000.])"},
      {"not finite beside whole numbers", floats({kInf, -kInf, kNan, 1}, {4}), "tensor([inf, -inf, nan, 1.])"},
      {"not finite beside fractions", floats({kInf, -kInf, -kNan, 1.5F}, {4}),
       "tensor([   inf,   -inf,    nan, 1.5000])"},
      {"nothing finite", floats({kNan, kInf}, {2}), "tensor([nan, inf])"},
      {"not finite in scientific mode", floats({kNan, 1e-5F, -kInf, 0}, {4}),
       "tensor([       nan, 1.0000e-05,       -inf, 0.0000e+00])"},
      {"negative zero", floats({-0.0F, 0.5F}, {2}), "tensor([-0.0000, 0.5000])"},
      {"rank 0, fraction", Array::scalar(3.5F), "tensor(3.5000)"},
      {"rank 0, whole", Array::scalar(2.0F), "tensor(2.)"},
      {"rank 0, int64", Array::scalar(std::int64_t{7}), "tensor(7)"},
      {"rank 0, bool", Array::scalar(true), "tensor(True)"},
      {"rank 0, double", Array::scalar(1e-7), "tensor(1.0000e-07, dtype=torch.float64)"},
      {"double", Array::arange(1, 3, 1, DType::float64), "tensor([1., 2.], dtype=torch.float64)"},
      {"uint8", integers({0, 255, 7}, {3}).to(DType::uint8), "tensor([  0, 255,   7], dtype=torch.uint8)"},
      {"int64", integers({1, -20, 300, 4}, {2, 2}),
       "tensor([[  1, -20],\n"
       "        [300,   4]])"},
      {"int64 beyond 2^53", integers({9007199254740993, std::numeric_limits<std::int64_t>::min()}, {2}),
       "tensor([    9007199254740993, -9223372036854775808])"},
      {"bool", integers({1, 0, 0, 0}, {2, 2}).to(DType::boolean),
       "tensor([[ True, False],\n"
       "        [False, False]])"},
      {"no elements", Array::empty({0}), "tensor([])"},
      {"no elements, int64", Array::empty({0}, DType::int64), "tensor([], dtype=torch.int64)"},
      {"no elements, rank 3", Array::empty({2, 0, 3}), "tensor([], size=(2, 0, 3))"},
      {"no elements, double", Array::empty({0, 4}, DType::float64), "tensor([], size=(0, 4), dtype=torch.float64)"},
      {"rank 3", Array::arange(0, 12, 1, DType::int64).reshape({2, 3, 2}),
       "tensor([[[ 0,  1],\n"
       "         [ 2,  3],\n"
       "         [ 4,  5]],\n"
       "\n"
       "        [[ 6,  7],\n"
       "         [ 8,  9],\n"
       "         [10, 11]]])"},
      {"rank 4", Array::arange(0, 8).reshape({2, 2, 1, 2}),
       "tensor([[[[0., 1.]],\n"
       "\n"
       "         [[2., 3.]]],\n"
       "\n"
       "\n"
       "        [[[4., 5.]],\n"
       "\n"
       "         [[6., 7.]]]])"},
      {"long line of integers", Array::arange(0, 30, 1, DType::int64),
       "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
       "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])"},
      {"long line of fractions", Array::arange(0, 1.875, 0.125),
       "tensor([0.0000, 0.1250, 0.2500, 0.3750, 0.5000, 0.6250, 0.7500, 0.8750, 1.0000,\n"
       "        1.1250, 1.2500, 1.3750, 1.5000, 1.6250, 1.7500])"},
      {"more than 1000 elements", Array::arange(0, 1001, 1, DType::int64),
       "tensor([   0,    1,    2,  ...,  998,  999, 1000])"},
      {"summary of thin rows", Array::arange(0, 1204, 1, DType::int64).reshape({301, 4}),
       "tensor([[   0,    1,    2,    3],\n"
       "        [   4,    5,    6,    7],\n"
       "        [   8,    9,   10,   11],\n"
       "        ...,\n"
       "        [1192, 1193, 1194, 1195],\n"
       "        [1196, 1197, 1198, 1199],\n"
       "        [1200, 1201, 1202, 1203]])"},
      {"summary of a matrix", Array::arange(0, 2000).reshape({40, 50}),
       "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 4.7000e+01, 4.8000e+01,\n"
       "         4.9000e+01],\n"
       "        [5.0000e+01, 5.1000e+01, 5.2000e+01,  ..., 9.7000e+01, 9.8000e+01,\n"
       "         9.9000e+01],\n"
       "        [1.0000e+02, 1.0100e+02, 1.0200e+02,  ..., 1.4700e+02, 1.4800e+02,\n"
       "         1.4900e+02],\n"
       "        ...,\n"
       "        [1.8500e+03, 1.8510e+03, 1.8520e+03,  ..., 1.8970e+03, 1.8980e+03,\n"
       "         1.8990e+03],\n"
       "        [1.9000e+03, 1.9010e+03, 1.9020e+03,  ..., 1.9470e+03, 1.9480e+03,\n"
       "         1.9490e+03],\n"
       "        [1.9500e+03, 1.9510e+03, 1.9520e+03,  ..., 1.9970e+03, 1.9980e+03,\n"
       "         1.9990e+03]])"},
      {"summary in rank 3", Array::arange(0, 1400).reshape({1, 35, 40}).transpose(1, 2),
       "tensor([[[0.0000e+00, 4.0000e+01, 8.0000e+01,  ..., 1.2800e+03,\n"
       "          1.3200e+03, 1.3600e+03],\n"
       "         [1.0000e+00, 4.1000e+01, 8.1000e+01,  ..., 1.2810e+03,\n"
       "          1.3210e+03, 1.3610e+03],\n"
       "         [2.0000e+00, 4.2000e+01, 8.2000e+01,  ..., 1.2820e+03,\n"
       "          1.3220e+03, 1.3620e+03],\n"
       "         ...,\n"
       "         [3.7000e+01, 7.7000e+01, 1.1700e+02,  ..., 1.3170e+03,\n"
       "          1.3570e+03, 1.3970e+03],\n"
       "         [3.8000e+01, 7.8000e+01, 1.1800e+02,  ..., 1.3180e+03,\n"
       "          1.3580e+03, 1.3980e+03],\n"
       "         [3.9000e+01, 7.9000e+01, 1.1900e+02,  ..., 1.3190e+03,\n"
       "          1.3590e+03, 1.3990e+03]]])"},
      {"suffix on a line of its own", Array::full({1, 7}, 0.1, DType::float64),
       "tensor([[0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000, 0.1000]],\n"
       "       dtype=torch.float64)"},
      {"transposed view", Array::arange(0, 6).reshape({2, 3}).transpose(0, 1),
       "tensor([[0., 3.],\n"
       "        [1., 4.],\n"
       "        [2., 5.]])"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(to_string(row.array) == row.expected);
  }
}

TEST_CASE("print options") {
  PrintOptions options;
  options.precision = 2;
  options.threshold = 5;
  options.edge_items = 1;
  options.line_width = 30;
  const std::vector<double> sevenths{0,      1. / 7, 2. / 7, 3. / 7, 4. / 7,  5. / 7,
                                     6. / 7, 1,      8. / 7, 9. / 7, 10. / 7, 11. / 7};
  CHECK(to_string(Array::from(sevenths, {3, 4}).to(DType::float32), options) ==
        "tensor([[0.00,  ..., 0.43],\n"
        "        ...,\n"
        "        [1.14,  ..., 1.57]])");
  options.edge_items = 0;
  CHECK_THROWS_AS(to_string(Array::ones({2}), options), std::invalid_argument);
  options = {};
  options.precision = -1;
  CHECK_THROWS_AS(to_string(Array::ones({2}), options), std::invalid_argument);
}

TEST_CASE("suffixes stand where PyTorch puts them") {
  CHECK(to_string(Array::ones({3}), {}, {"requires_grad=True"}) == "tensor([1., 1., 1.], requires_grad=True)");
  CHECK(to_string(Array::zeros({2, 2}, DType::float64), {}, {"requires_grad=True"}) ==
        "tensor([[0., 0.],\n"
        "        [0., 0.]], dtype=torch.float64, requires_grad=True)");
  CHECK(to_string(Array::full({1, 7}, 100.5), {}, {"grad_fn=<AddBackward0>"}) ==
        "tensor([[100.5000, 100.5000, 100.5000, 100.5000, 100.5000, 100.5000, 100.5000]],\n"
        "       grad_fn=<AddBackward0>)");
}

TEST_CASE("an undefined array prints instead of throwing") { CHECK(to_string(Array{}) == "tensor(undefined)"); }

TEST_CASE("printing does not follow the locale") {
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new CommaDecimal));
  std::ostringstream out;
  out << Array::full({1}, 1234.5) << Shape{12345, 2};
  const std::string message = concat("got ", 12345, " and ", 0.5);
  std::locale::global(before);
  CHECK(out.str() == "tensor([1234.5000])[12345, 2]");
  CHECK(message == "got 12345 and 0.5");
}
