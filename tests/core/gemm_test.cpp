#include "evenkeel/core/kernels/matmul/gemm.hpp"

#include "evenkeel/core/parallel.hpp"
#include "tests/support/isa_guard.hpp"
#include "tests/support/reference.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

extern "C" {  // OpenBLAS's
int openblas_get_num_threads();
void openblas_set_num_threads(int count);
}

namespace evenkeel {
namespace {

namespace ref = reference;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ref::Values transposed(const ref::Values& x, std::int64_t rows, std::int64_t columns) {
  ref::Values y(x.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      y[ref::at(j * rows + i)] = x[ref::at(i * columns + j)];
    }
  }
  return y;
}

/// alpha op(A) op(B) + beta C against plain loops, with every combination of transposes.
template <class T>
void check_product(std::int64_t m, std::int64_t n, std::int64_t k, double tolerance) {
  const ref::Values a = ref::random_values(m * k, 1);
  const ref::Values b = ref::random_values(k * n, 2);
  const ref::Values product = ref::multiply(m, n, k, a, b);
  const ref::Values before = ref::random_values(m * n, 3);
  for (const bool trans_a : {false, true}) {
    for (const bool trans_b : {false, true}) {
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(k);
      CAPTURE(trans_a);
      CAPTURE(trans_b);
      const auto pa = ref::cast<T>(trans_a ? transposed(a, m, k) : a);
      const auto pb = ref::cast<T>(trans_b ? transposed(b, k, n) : b);
      GemmDims dims{.m = m, .n = n, .k = k, .trans_a = trans_a, .trans_b = trans_b};
      std::vector<T> c(ref::at(m * n), static_cast<T>(kNaN));  // beta = 0: what was there must not leak
      gemm<T>(dims, pa.data(), pb.data(), c.data());
      CHECK(ref::worst_error(c, product) < tolerance);

      c = ref::cast<T>(before);
      dims.alpha = -0.5;
      dims.beta = 2;
      gemm<T>(dims, pa.data(), pb.data(), c.data());
      ref::Values expected(before.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        expected[i] = -0.5 * product[i] + 2 * before[i];
      }
      CHECK(ref::worst_error(c, expected) < tolerance);
    }
  }
}

TEST_CASE("gemm equals plain loops for all transposes, alpha and beta") {
  for (const auto& [m, n, k] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1},
                                                                        {2, 3, 5},
                                                                        {1, 7, 4},
                                                                        {9, 1, 6},
                                                                        {17, 33, 31},
                                                                        {5, 130, 3},
                                                                        {64, 65, 257},
                                                                        {130, 70, 130},
                                                                        {3, 1030, 576}}) {
    check_product<double>(m, n, k, 1e-12);
    check_product<float>(m, n, k, 1e-4);
  }
}

/// A matrix in rows of `stride` elements; those behind a row are NaN.
template <class T>
std::vector<T> strided(const ref::Values& x, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  std::vector<T> y(ref::at(rows * stride), static_cast<T>(kNaN));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      y[ref::at(i * stride + j)] = static_cast<T>(x[ref::at(i * columns + j)]);
    }
  }
  return y;
}

/// What is added to alpha op(A) op(B).
enum class Start { nothing, half, whole, bias };

/// One algorithm against plain loops; rows of A, B and C are longer than their matrices.
template <class T>
void check_algorithm(GemmAlgorithm algorithm, GemmDims d, Start start) {
  const auto [m, n, k] = std::array{d.m, d.n, d.k};
  const ref::Values a = ref::random_values(m * k, 6), b = ref::random_values(k * n, 7), bias = ref::random_values(n, 8);
  const ref::Values before = ref::random_values(m * n, 9);
  ref::Values expected = ref::multiply(m, n, k, a, b);
  d.beta = start == Start::half ? 0.5 : start == Start::whole ? 1 : 0;
  d.lda = (d.trans_a ? m : k) + 3;
  d.ldb = (d.trans_b ? k : n) + 1;
  d.ldc = n + 2;
  if (!gemm_suits(algorithm, d)) {
    CHECK_THROWS_WITH_AS(gemm<T>(algorithm, d, nullptr, nullptr, nullptr), doctest::Contains("does not suit"),
                         std::invalid_argument);
    return;
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expected[i] = d.alpha * expected[i] + (start == Start::bias ? bias[i % ref::at(n)] : 0) +
                  (d.beta != 0 ? d.beta * before[i] : 0);
  }
  const auto pa = d.trans_a ? strided<T>(transposed(a, m, k), k, m, d.lda) : strided<T>(a, m, k, d.lda);
  const auto pb = d.trans_b ? strided<T>(transposed(b, k, n), n, k, d.ldb) : strided<T>(b, k, n, d.ldb);
  const auto row = ref::cast<T>(bias);
  auto c = strided<T>(d.beta == 0 ? ref::Values(before.size(), kNaN) : before, m, n, d.ldc);
  gemm<T>(algorithm, d, pa.data(), pb.data(), c.data(), start == Start::bias ? row.data() : nullptr);
  const ref::Values wanted = strided<double>(expected, m, n, d.ldc);
  CHECK(ref::worst_error(c, wanted) < (sizeof(T) == sizeof(float) ? 1e-4 : 1e-12));
}

TEST_CASE("each algorithm equals plain loops on each instruction set") {
  const std::vector<std::array<std::int64_t, 3>> sizes{{1, 1, 1},   {1, 17, 3},    {3, 1, 17},    {2, 65, 130},
                                                       {7, 48, 16}, {17, 3, 65},   {65, 17, 1},   {9, 1030, 5},
                                                       {3, 5, 600}, {130, 49, 18}, {65, 130, 17}, {300, 35, 290}};
  constexpr std::array kStarts{Start::nothing, Start::half, Start::whole, Start::bias};
  std::size_t turn = 0;
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    for (const auto& size : sizes) {
      const std::int64_t m = size[0], n = size[1], k = size[2];
      for (const GemmAlgorithm algorithm :
           {GemmAlgorithm::blas, GemmAlgorithm::panels, GemmAlgorithm::transposed_panels, GemmAlgorithm::dots,
            GemmAlgorithm::row_sums}) {
        for (const bool trans_a : {false, true}) {
          for (const bool trans_b : {false, true}) {
            CAPTURE(name(isa));
            CAPTURE(static_cast<int>(algorithm));
            CAPTURE(m);
            CAPTURE(n);
            CAPTURE(k);
            CAPTURE(trans_a);
            CAPTURE(trans_b);
            const double alpha = ++turn % 3 == 0 ? -0.5 : 1;
            const GemmDims dims{.m = m, .n = n, .k = k, .trans_a = trans_a, .trans_b = trans_b, .alpha = alpha};
            check_algorithm<float>(algorithm, dims, Start::nothing);
            check_algorithm<float>(algorithm, dims, kStarts[turn % 4]);
            check_algorithm<double>(algorithm, dims, kStarts[(turn + 1) % 4]);
          }
        }
      }
    }
  }
}

TEST_CASE("tiles of every height, packed or in place, whole registers of columns or not") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (std::int64_t few = 1; few <= 18; ++few) {
      CAPTURE(few);
      for (const std::int64_t n : {48, 53}) {
        const bool trans_a = few % 2 == 0;
        check_algorithm<float>(GemmAlgorithm::panels, {.m = few, .n = n, .k = 9, .trans_a = trans_a}, Start::bias);
        check_algorithm<double>(GemmAlgorithm::panels, {.m = few, .n = n, .k = 9, .trans_a = trans_a}, Start::half);
        check_algorithm<float>(GemmAlgorithm::panels, {.m = few, .n = n, .k = 4}, Start::nothing);
      }
      check_algorithm<float>(GemmAlgorithm::dots, {.m = few, .n = 21, .k = 37, .trans_b = true}, Start::bias);
      check_algorithm<double>(GemmAlgorithm::dots, {.m = 21, .n = few, .k = 37, .trans_b = true}, Start::whole);
    }
  }
}

TEST_CASE("panels of rows whose steps lie a page apart, and of several parts of the steps") {
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    const GemmDims pages{.m = 1030, .n = 200, .k = 19, .trans_a = true, .alpha = -0.5};
    check_algorithm<float>(GemmAlgorithm::panels, pages, Start::bias);
    check_algorithm<double>(GemmAlgorithm::panels, pages, Start::half);
    const GemmDims parts{.m = 41, .n = 70, .k = 601, .alpha = -0.5};
    check_algorithm<float>(GemmAlgorithm::panels, parts, Start::whole);
    check_algorithm<double>(GemmAlgorithm::panels, parts, Start::bias);
  }
}

TEST_CASE("who multiplies depends on the core that OpenBLAS has kernels for") {
  CHECK(isa_of_blas("Cooperlake") == Isa::avx512);
  CHECK(isa_of_blas("SkylakeX") == Isa::avx512);
  CHECK(isa_of_blas("Haswell") == Isa::avx2);
  CHECK(isa_of_blas("Zen") == Isa::avx2);
  CHECK(isa_of_blas("Sandybridge") == Isa::sse2);
  CHECK(isa_of_blas("Prescott") == Isa::sse2);
  const std::vector<GemmDims> products{{.m = 64, .n = 64, .k = 64},
                                       {.m = 1024, .n = 1024, .k = 1024},
                                       {.m = 256, .n = 784, .k = 16, .trans_a = true},
                                       {.m = 8, .n = 256, .k = 784, .trans_b = true}};
  for (const GemmDims& d : products) {
    CAPTURE(d.k);
    CHECK(choose_gemm(d) == choose_gemm(d, active_isa(), isa_of_blas(blas_core())));
    for (const Isa ours : {Isa::avx2, Isa::avx512}) {
      CHECK(choose_gemm(d, ours, Isa::sse2) != GemmAlgorithm::blas);
    }
    CHECK(choose_gemm(d, Isa::avx512, Isa::avx2) != GemmAlgorithm::blas);
    CHECK(choose_gemm(d, Isa::sse2, Isa::sse2) == GemmAlgorithm::blas);
  }
  CHECK(choose_gemm(products[0], Isa::avx512, Isa::avx512) == GemmAlgorithm::blas);
  CHECK(choose_gemm(products[0], Isa::avx2, Isa::avx2) == GemmAlgorithm::panels);
  CHECK(choose_gemm(products[1], Isa::avx2, Isa::avx2) == GemmAlgorithm::blas);
  CHECK(choose_gemm(products[1], Isa::avx512, Isa::avx512) == GemmAlgorithm::panels);
  CHECK(choose_gemm(products[3], Isa::avx2, Isa::avx2) == GemmAlgorithm::dots);
}

TEST_CASE("gemm by each algorithm gives the same bits with any number of threads") {
  for (const auto& [m, n, k] :
       std::vector<std::array<std::int64_t, 3>>{{2, 300, 800}, {300, 200, 310}, {530, 3, 400}, {600, 500, 70}}) {
    const auto a = ref::cast<float>(ref::random_values(m * k, 4));
    const auto b = ref::cast<float>(ref::random_values(k * n, 5));
    for (const GemmAlgorithm algorithm :
         {GemmAlgorithm::panels, GemmAlgorithm::transposed_panels, GemmAlgorithm::dots, GemmAlgorithm::row_sums}) {
      CAPTURE(static_cast<int>(algorithm));
      std::vector<std::vector<float>> results;
      for (const int threads : {1, 2, 3}) {
        const ThreadsGuard guard(threads);
        results.emplace_back(ref::at(m * n));
        const GemmDims dims{.m = m, .n = n, .k = k, .trans_b = algorithm != GemmAlgorithm::row_sums};
        gemm<float>(algorithm, dims, a.data(), b.data(), results.back().data());
      }
      CHECK(results[0] == results[1]);
      CHECK(results[0] == results[2]);
    }
  }
}

TEST_CASE("gemm adds a bias to every row") {
  const std::vector<double> a{1, 2, 3, 4}, b{5, 6}, bias{0.5};
  std::vector<double> c(2, kNaN);
  gemm<double>({.m = 2, .n = 1, .k = 2}, a.data(), b.data(), c.data(), bias.data());
  CHECK(c == std::vector<double>{17.5, 39.5});
  gemm<double>({.m = 2, .n = 1, .k = 0}, nullptr, nullptr, c.data(), bias.data());
  CHECK(c == std::vector<double>{0.5, 0.5});
  CHECK_THROWS_WITH_AS(gemm<double>({.m = 2, .n = 1, .k = 2, .beta = 1}, a.data(), b.data(), c.data(), bias.data()),
                       doctest::Contains("expected beta 0 beside a bias"), std::invalid_argument);
}

TEST_CASE("gemm of a transposed matrix and a vector") {
  for (const auto& size : std::vector<std::array<std::int64_t, 2>>{{1, 1}, {3, 2}, {70, 37}, {5, 300}}) {
    const std::int64_t m = size[0], k = size[1];
    CAPTURE(m);
    CAPTURE(k);
    const ref::Values a = ref::random_values(m * k, 10), b = ref::random_values(k, 11);
    std::vector<double> c(ref::at(m), kNaN);
    gemm<double>({.m = m, .n = 1, .k = k, .trans_a = true}, transposed(a, m, k).data(), b.data(), c.data());
    CHECK(ref::worst_error(c, ref::multiply(m, 1, k, a, b)) < 1e-12);
    gemm<double>({.m = m, .n = 1, .k = k, .trans_a = true, .beta = 1}, transposed(a, m, k).data(), b.data(), c.data());
    ref::Values twice = ref::multiply(m, 1, k, a, b);
    for (double& value : twice) {
      value *= 2;
    }
    CHECK(ref::worst_error(c, twice) < 1e-12);
  }
}

TEST_CASE("gemm with an empty side") {
  std::vector<double> c{1, kNaN, 3, 4, 5, 6};
  gemm<double>({.m = 2, .n = 3, .k = 0}, nullptr, nullptr, c.data());
  CHECK(c == std::vector<double>(6, 0.0));

  c = {1, 2, 3, 4, 5, 6};
  gemm<double>({.m = 2, .n = 2, .k = 0, .ldc = 3, .beta = 2}, nullptr, nullptr, c.data());
  CHECK(c == std::vector<double>{2, 4, 3, 8, 10, 6});  // the third column is not ours

  gemm<double>({.m = 0, .n = 3, .k = 2}, nullptr, nullptr, nullptr);
  gemm<double>({.m = 3, .n = 0, .k = 2}, nullptr, nullptr, nullptr);
  CHECK_THROWS_WITH_AS(gemm<double>({.m = -1, .n = 2, .k = 2}, nullptr, nullptr, nullptr),
                       doctest::Contains("negative size"), std::invalid_argument);
}

TEST_CASE("gemm keeps to its rows where the row strides are longer") {
  const std::vector<float> a{1, 2, 9, 3, 4, 9};         // (2, 2) with row stride 3
  const std::vector<float> b{5, 6, 7, 9, 8, 9, 10, 9};  // (2, 3) with row stride 4
  std::vector<float> c(10, -1);
  gemm<float>({.m = 2, .n = 3, .k = 2, .lda = 3, .ldb = 4, .ldc = 5}, a.data(), b.data(), c.data());
  CHECK(c == std::vector<float>{21, 24, 27, -1, -1, 47, 54, 61, -1, -1});
}

TEST_CASE("gemm passes NaN and infinity on to their row and column only") {
  std::vector<double> a(ref::at(20 * 20), 1.0);
  std::vector<double> b(ref::at(20 * 20), 0.0);
  a[ref::at(3 * 20 + 4)] = std::numeric_limits<double>::infinity();
  b[ref::at(5 * 20 + 6)] = kNaN;
  std::vector<double> c(ref::at(20 * 20));
  gemm<double>({.m = 20, .n = 20, .k = 20}, a.data(), b.data(), c.data());
  for (std::int64_t i = 0; i < 20; ++i) {
    for (std::int64_t j = 0; j < 20; ++j) {
      CAPTURE(i);
      CAPTURE(j);
      CHECK(std::isnan(c[ref::at(i * 20 + j)]) == (i == 3 || j == 6));  // inf * 0 = NaN in row 3
    }
  }
}

TEST_CASE("a product over two million steps keeps float32's digits, by each algorithm on each instruction set") {
  constexpr std::int64_t kSteps = 2'000'003;
  const std::vector<float> a(2 * kSteps, 0.1F), b(3 * kSteps, 0.1F), bias(3, 1000.0F);
  const double expected = static_cast<double>(kSteps) * double{0.1F} * double{0.1F};
  for (const Isa isa : supported_isas()) {
    const IsaGuard guard(isa);
    CAPTURE(name(isa));
    for (const GemmAlgorithm algorithm : {GemmAlgorithm::blas, GemmAlgorithm::panels, GemmAlgorithm::transposed_panels,
                                          GemmAlgorithm::dots, GemmAlgorithm::row_sums}) {
      for (const bool trans_a : {false, true}) {
        GemmDims dims{.m = 2, .n = 3, .k = kSteps, .trans_a = trans_a, .trans_b = algorithm == GemmAlgorithm::dots};
        if (!gemm_suits(algorithm, dims)) {
          continue;
        }
        CAPTURE(static_cast<int>(algorithm));
        std::vector<float> c(6, 7.0F);  // beta = 0: is not read
        gemm(algorithm, dims, a.data(), b.data(), c.data());
        for (const float value : c) {
          CHECK(std::abs(double{value} / expected - 1) < 1e-6);  // in one sum per lane: 3e-3 and more
        }
        gemm(algorithm, dims, a.data(), b.data(), c.data(), bias.data());
        CHECK(std::abs(double{c[5]} / (expected + 1000) - 1) < 1e-6);
        dims.beta = 2;
        dims.alpha = -0.5;
        if (gemm_suits(algorithm, dims)) {
          gemm(algorithm, dims, a.data(), b.data(), c.data());
          CHECK(std::abs(double{c[5]} / (1.5 * expected + 2000) - 1) < 1e-6);
        }
      }
    }
  }
}

TEST_CASE("OpenBLAS has the threads that the program gave it, before and after a product") {
  const int before = openblas_get_num_threads();
  openblas_set_num_threads(2);
  const std::vector<float> a(64 * 64, 1), b(64 * 64, 1);
  std::vector<float> c(64 * 64);
  gemm<float>(GemmAlgorithm::blas, {.m = 64, .n = 64, .k = 64}, a.data(), b.data(), c.data());
  CHECK(c[0] == 64);
  CHECK(openblas_get_num_threads() == 2);
  openblas_set_num_threads(before);
}

TEST_CASE("gemm gives the same bits with any number of threads") {
  for (const auto& [m, n, k] :
       std::vector<std::array<std::int64_t, 3>>{{300, 200, 100}, {64, 1024, 288}, {1024, 10, 500}, {7, 3000, 333}}) {
    const auto a = ref::cast<float>(ref::random_values(m * k, 4));
    const auto b = ref::cast<float>(ref::random_values(k * n, 5));
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2, 3}) {
      const ThreadsGuard guard(threads);
      results.emplace_back(ref::at(m * n));
      gemm<float>({.m = m, .n = n, .k = k}, a.data(), b.data(), results.back().data());
    }
    CHECK(results[0] == results[1]);
    CHECK(results[0] == results[2]);
    CHECK(ref::worst_error(results[0], ref::multiply(m, n, k, ref::Values(a.begin(), a.end()),
                                                     ref::Values(b.begin(), b.end()))) < 1e-4);
  }
}

}  // namespace
}  // namespace evenkeel
