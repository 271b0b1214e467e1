// Rates of matrix products, GFLOP/s, by each algorithm that suits, in turn in one process: squares, and the three
// products of Linear. The mark shows what gemm() chooses; the last column is its rate by the best of all.
#include "evenkeel/core/kernels/matmul/gemm.hpp"

#include "bench/support/timing.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/random.hpp"
#include "examples/support/command_line.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace {

using namespace evenkeel;

struct Algorithm {
  const char* name;
  GemmAlgorithm value;
};
constexpr std::array kAlgorithms{Algorithm{"OpenBLAS", GemmAlgorithm::blas}, Algorithm{"panels", GemmAlgorithm::panels},
                                 Algorithm{"transposed", GemmAlgorithm::transposed_panels},
                                 Algorithm{"dots", GemmAlgorithm::dots}, Algorithm{"rows", GemmAlgorithm::row_sums}};

struct Product {
  std::string name;
  GemmDims dims;
};

/// y = x W^T, dx = dy W and dw = dy^T x of so many rows, from `in` to `out` features.
void add_linear(std::vector<Product>& products, std::int64_t rows, std::int64_t in, std::int64_t out) {
  products.push_back({"forward", {.m = rows, .n = out, .k = in, .trans_b = true}});
  products.push_back({"dx", {.m = rows, .n = in, .k = out}});
  products.push_back({"dw", {.m = out, .n = in, .k = rows, .trans_a = true}});
}

std::vector<Product> all_products() {
  std::vector<Product> products;
  for (const std::int64_t n : {64, 128, 256, 512, 1000, 1024}) {
    products.push_back({"square", {.m = n, .n = n, .k = n}});
    products.push_back({"square", {.m = n, .n = n, .k = n, .trans_b = true}});
    products.push_back({"square", {.m = n, .n = n, .k = n, .trans_a = true}});
  }
  for (const std::int64_t rows : {1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128, 256}) {
    for (const auto& [in, out] : {std::array<std::int64_t, 2>{784, 256}, {256, 128}, {128, 10}, {1024, 1024}}) {
      add_linear(products, rows, in, out);
    }
  }
  for (const std::int64_t rows : {16, 64}) {
    add_linear(products, rows, 8192, 256);
  }
  products.push_back({"im2col", {.m = 64, .n = 1024, .k = 288}});
  products.push_back({"im2col", {.m = 64, .n = 288, .k = 1024, .trans_b = true}});
  return products;
}

/// The best rate of each algorithm, 0 where it does not suit. They take turns, a millisecond or a call each.
template <class T>
std::array<double, kAlgorithms.size()> rates(const GemmDims& d, double seconds) {
  Generator generator(0);
  const Array a = random_normal({d.m, d.k}, generator).to(dtype_of<T>);
  const Array b = random_normal({d.k, d.n}, generator).to(dtype_of<T>);
  Array c = Array::empty({d.m, d.n}, dtype_of<T>);
  const double work = 2e-6 * static_cast<double>(d.m) * static_cast<double>(d.n) * static_cast<double>(d.k);
  const int calls = static_cast<int>(std::ceil(100 / (work + 1)));
  std::array<double, kAlgorithms.size()> best{};
  const double begin = bench::now_ms();
  for (int round = 0; round < 3 || bench::now_ms() - begin < 1e3 * seconds; ++round) {
    for (std::size_t i = 0; i < kAlgorithms.size(); ++i) {
      if (!gemm_suits(kAlgorithms[i].value, d)) {
        continue;
      }
      const double start = bench::now_ms();
      for (int call = 0; call < calls; ++call) {
        gemm<T>(kAlgorithms[i].value, d, a.data<T>(), b.data<T>(), c.mutable_data<T>());
      }
      if (round > 0) {
        best[i] = std::max(best[i], work * calls / (bench::now_ms() - start));
      }
    }
  }
  return best;
}

void measure(const Product& product, bool float64, double seconds) {
  const GemmDims& d = product.dims;
  const auto best = float64 ? rates<double>(d, seconds) : rates<float>(d, seconds);
  std::printf("%-8s%2s%2s %4lld x %4lld x %4lld", product.name.c_str(), d.trans_a ? "^T" : "", d.trans_b ? "^T" : "",
              static_cast<long long>(d.m), static_cast<long long>(d.k), static_cast<long long>(d.n));
  double chosen = 0;
  for (std::size_t i = 0; i < best.size(); ++i) {
    const bool is_chosen = kAlgorithms[i].value == choose_gemm(d);
    chosen = is_chosen ? best[i] : chosen;
    if (best[i] > 0) {
      std::printf("%10.1f", best[i]);
    } else {
      std::printf("%10s", "-");
    }
    std::printf("%s", is_chosen ? "*" : " ");
  }
  std::printf("%8.2f\n", chosen / *std::max_element(best.begin(), best.end()));
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  examples::CommandLine line("Rates of matrix products by each algorithm, GFLOP/s.");
  int threads = num_threads();
  double seconds = 0.2;
  bool float64 = false;
  std::string filter;
  std::vector<std::int64_t> shape;
  line.add("--threads", threads).positive();
  line.add("--seconds", seconds, "per product").non_negative();
  line.add("--filter", filter, "only square, forward, dx, dw or im2col");
  line.add("--shape", shape, "rows,in,out: only the products of this Linear");
  line.add_flag("--float64", float64, "in double precision");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  set_num_threads(threads);
  std::vector<Product> products = all_products();
  if (shape.size() == 3) {
    products.clear();
    add_linear(products, shape[0], shape[1], shape[2]);
  }
  std::printf("%s, OpenBLAS for %s, %d threads\n%-12s %18s", std::string(name(active_isa())).c_str(),
              blas_core().c_str(), threads, "product", "m x k x n");
  for (const Algorithm& algorithm : kAlgorithms) {
    std::printf("%10s ", algorithm.name);
  }
  std::puts("  chosen / best");
  for (const Product& product : products) {
    if (filter.empty() || product.name == filter) {
      measure(product, float64, seconds);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return examples::run_program("gemm", run, argc, argv); }
