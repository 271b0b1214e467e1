#include "evenkeel/core/matmul.hpp"

#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <array>
#include <stdexcept>
#include <vector>

namespace evenkeel {
namespace {

namespace ref = reference;

Array values(const Shape& shape, unsigned seed) { return Array::from(ref::random_values(numel(shape), seed), shape); }

/// Plain loops over a (*, m, k) and b (*, k, n) that were already expanded to the same batch.
ref::Values batched_product(const Array& a, const Array& b) {
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  const ref::Values va = a.to_vector<double>(), vb = b.to_vector<double>();
  ref::Values y;
  for (std::int64_t i = 0; i * m * k < a.numel(); ++i) {
    const ref::Values pa(va.begin() + i * m * k, va.begin() + (i + 1) * m * k);
    const ref::Values pb(vb.begin() + i * k * n, vb.begin() + (i + 1) * k * n);
    const ref::Values part = ref::multiply(m, n, k, pa, pb);
    y.insert(y.end(), part.begin(), part.end());
  }
  return y;
}

TEST_CASE("matmul of vectors and matrices") {
  const Array v = Array::from<double>({1, 2, 3}, {3});
  const Array w = Array::from<double>({4, -5, 6}, {3});
  const Array m = Array::from<double>({1, 0, 2, -1, 3, 1}, {2, 3});
  CHECK(matmul(v, w).shape() == Shape{});
  CHECK(matmul(v, w).item() == 12);
  CHECK(matmul(m, v).shape() == Shape{2});
  CHECK(matmul(m, v).to_vector<double>() == std::vector<double>{7, 8});
  CHECK(matmul(v, m.transpose(0, 1)).to_vector<double>() == std::vector<double>{7, 8});
  CHECK(matmul(m, m.transpose(0, 1)).to_vector<double>() == std::vector<double>{5, 1, 1, 11});
  CHECK(matmul(m.to(DType::float32), v.to(DType::float32)).to_vector<float>() == std::vector<float>{7, 8});
}

TEST_CASE("matmul broadcasts batches") {
  for (const auto& shapes : std::vector<std::array<Shape, 3>>{{Shape{2, 3, 4}, Shape{2, 4, 5}, Shape{2}},
                                                              {Shape{2, 3, 4}, Shape{4, 5}, Shape{2}},
                                                              {Shape{3, 4}, Shape{6, 4, 5}, Shape{6}},
                                                              {Shape{2, 1, 3, 4}, Shape{5, 4, 6}, Shape{2, 5}},
                                                              {Shape{1, 3, 4}, Shape{7, 4, 1}, Shape{7}},
                                                              {Shape{2, 3, 1, 4}, Shape{3, 4, 5}, Shape{2, 3}}}) {
    const auto &a_shape = shapes[0], &b_shape = shapes[1], &batch = shapes[2];
    CAPTURE(a_shape);
    CAPTURE(b_shape);
    const Array a = values(a_shape, 1), b = values(b_shape, 2);
    Shape wide_a = batch, wide_b = batch, expected = batch;
    wide_a.push_back(a.size(-2));
    wide_a.push_back(a.size(-1));
    wide_b.push_back(b.size(-2));
    wide_b.push_back(b.size(-1));
    expected.push_back(a.size(-2));
    expected.push_back(b.size(-1));
    const Array y = matmul(a, b);
    CHECK(y.shape() == expected);
    CHECK(ref::worst_error(y.to_vector<double>(), batched_product(a.expand(wide_a), b.expand(wide_b))) < 1e-14);
  }
}

TEST_CASE("matmul of a batch and a vector") {
  const Array a = values({2, 3, 4}, 1), v = values({4}, 2), u = values({3}, 3);
  CHECK(matmul(a, v).shape() == Shape{2, 3});
  CHECK(ref::worst_error(matmul(a, v).to_vector<double>(), batched_product(a, v.unsqueeze(1).expand({2, 4, 1}))) <
        1e-14);
  CHECK(matmul(u, a).shape() == Shape{2, 4});
  CHECK(ref::worst_error(matmul(u, a).to_vector<double>(), batched_product(u.unsqueeze(0).expand({2, 1, 3}), a)) <
        1e-14);
}

TEST_CASE("matmul of views equals that of their copies") {
  const Array a = values({2, 5, 6}, 1), b = values({2, 7, 6}, 2);
  const Array bt = b.transpose(1, 2);                              // used as it is
  const Array stepped = values({2, 5, 12}, 3).slice(2, 0, 12, 2);  // has to be copied
  const Array wide = values({1, 5, 6}, 4).expand({2, 5, 6});
  CHECK(matmul(a, bt).to_vector<double>() == matmul(a, bt.clone()).to_vector<double>());
  CHECK(matmul(stepped, bt).to_vector<double>() == matmul(stepped.clone(), bt.clone()).to_vector<double>());
  CHECK(matmul(wide, bt).to_vector<double>() == matmul(wide.clone(), bt.clone()).to_vector<double>());
  const Array row = values({6}, 5).expand({4, 6});  // rows of stride 0
  CHECK(matmul(row, b.select(0, 1).transpose(0, 1)).to_vector<double>() ==
        matmul(row.clone(), b.select(0, 1).transpose(0, 1).clone()).to_vector<double>());
  const Array sliced = values({9, 8}, 6).slice(0, 2, 7).slice(1, 1, 7);
  CHECK(matmul(sliced, bt).to_vector<double>() == matmul(sliced.clone(), bt.clone()).to_vector<double>());
}

TEST_CASE("matmul with an empty side") {
  CHECK(matmul(Array::ones({2, 0}), Array::ones({0, 3})).to_vector<float>() == std::vector<float>(6, 0.0F));
  CHECK(matmul(Array::ones({0, 4}), Array::ones({4, 3})).shape() == Shape{0, 3});
  CHECK(matmul(Array::ones({0, 2, 4}), Array::ones({4, 3})).shape() == Shape{0, 2, 3});
  CHECK(matmul(Array::ones({0}), Array::ones({0})).item() == 0);
}

TEST_CASE("matmul says what does not fit") {
  CHECK_THROWS_WITH_AS(matmul(Array::ones({2, 3}), Array::ones({4, 5})),
                       "matmul: mat1 and mat2 shapes cannot be multiplied ([2, 3] and [4, 5])", std::invalid_argument);
  CHECK_THROWS_WITH_AS(matmul(Array::ones({2, 3, 4}), Array::ones({3, 4, 5})), doctest::Contains("[2]"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(matmul(Array::ones({}), Array::ones({4})), doctest::Contains("at least 1D"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(matmul(Array::ones({2, 3}), Array::ones({3, 2}, DType::float64)),
                       doctest::Contains("both arguments must have one dtype, got float32 and float64"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(matmul(Array::ones({1, 1}, DType::int64), Array::ones({1, 1}, DType::int64)),
                       doctest::Contains("dtype must be float32 or float64, got int64"), std::invalid_argument);
}

}  // namespace
}  // namespace evenkeel
