// Rates of matrix products, GFLOP/s, by each algorithm that suits, in turn in one process: squares, the three products
// of Linear, and im2col's. The mark shows what gemm() chooses; the last column is its rate by the best of all.
#include "evenkeel/core/kernels/matmul/gemm.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/random.hpp"
#include "examples/support/command_line.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ostream>
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

constexpr const char* kRate = "GFLOP/s";

struct Product {
  std::string name;
  GemmDims dims;
};

/// "forward/nt/16x784x256": the second factor is stored transposed; m, k, n.
std::string title(const Product& product) {
  const GemmDims& d = product.dims;
  return concat(product.name, "/", d.trans_a ? "t" : "n", d.trans_b ? "t" : "n", "/", d.m, "x", d.k, "x", d.n);
}

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

/// Prints a row per product: the best rate of each algorithm among its repetitions.
class Table : public benchmark::BenchmarkReporter {
 public:
  explicit Table(int threads) : threads_(threads) { SetErrorStream(&nowhere_); }

  /// The product whose benchmarks run next.
  void next(const Product& product) {
    product_ = &product;
    best_ = {};
  }

  bool ReportContext(const Context&) override {
    if (!has_header_) {
      std::printf("%s, OpenBLAS for %s, %d threads\n%-12s %18s", std::string(name(active_isa())).c_str(),
                  blas_core().c_str(), threads_, "product", "m x k x n");
      for (const Algorithm& algorithm : kAlgorithms) {
        std::printf("%10s ", algorithm.name);
      }
      std::puts("  chosen / best");
    }
    has_header_ = true;
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      for (std::size_t i = 0; run.run_type == Run::RT_Iteration && i < kAlgorithms.size(); ++i) {
        if (run.run_name.function_name.ends_with(kAlgorithms[i].name)) {
          best_[i] = std::max(best_[i], run.counters.at(kRate).value);
        }
      }
    }
  }

  void Finalize() override {
    const GemmDims& d = product_->dims;
    std::printf("%-8s%2s%2s %4lld x %4lld x %4lld", product_->name.c_str(), d.trans_a ? "^T" : "",
                d.trans_b ? "^T" : "", static_cast<long long>(d.m), static_cast<long long>(d.k),
                static_cast<long long>(d.n));
    double chosen = 0;
    for (std::size_t i = 0; i < best_.size(); ++i) {
      const bool is_chosen = kAlgorithms[i].value == choose_gemm(d);
      chosen = is_chosen ? best_[i] : chosen;
      print(10, 1, best_[i]);
      std::printf("%s", is_chosen ? "*" : " ");
    }
    print(8, 2, chosen / *std::ranges::max_element(best_));
    std::puts("");
    std::fflush(stdout);
  }

 private:
  /// A dash for what did not run.
  static void print(int width, int digits, double value) {
    if (value > 0) {
      std::printf("%*.*f", width, digits, value);
    } else {
      std::printf("%*s", width, "-");
    }
  }

  int threads_;
  bool has_header_ = false;
  const Product* product_ = nullptr;
  std::array<double, kAlgorithms.size()> best_{};
  std::ostream nowhere_{nullptr};  // for "no benchmark matches", which run() says of all products together
};

/// The factors of all products: the first elements of the same random numbers.
struct Operands {
  Array a, b, c;

  Operands(const std::vector<Product>& products, DType dtype) {
    std::int64_t most = 0;
    for (const auto& [name, d] : products) {
      most = std::max({most, d.m * d.k, d.k * d.n, d.m * d.n});
    }
    Generator generator(0);
    a = random_normal({most}, generator).to(dtype);
    b = random_normal({most}, generator).to(dtype);
    c = Array::empty({most}, dtype);
  }
};

/// Runs the product's benchmarks that the filter lets through, and returns how many there were. Their repetitions are
/// shuffled, so that all meet the machine in the same state.
template <class T>
std::size_t measure(const Product& product, double seconds, Operands& operands, Table& table) {
  const GemmDims& d = product.dims;
  const double gflop = 2e-9 * static_cast<double>(d.m) * static_cast<double>(d.n) * static_cast<double>(d.k);
  const auto suits = [&](const Algorithm& algorithm) { return gemm_suits(algorithm.value, d); };
  const auto count = static_cast<double>(std::ranges::count_if(kAlgorithms, suits));
  constexpr double kLeast = 1e-3;  // Google Benchmark aims at 1.4 times as much
  const double repetitions = std::ceil(seconds / (count * std::max(1.4 * kLeast, gflop / 100)));
  benchmark::ClearRegisteredBenchmarks();
  for (const Algorithm& algorithm : kAlgorithms) {
    if (suits(algorithm)) {
      const auto run = [&, value = algorithm.value](benchmark::State& state) {
        for (auto _ : state) {
          gemm<T>(value, d, operands.a.data<T>(), operands.b.data<T>(), operands.c.mutable_data<T>());
          benchmark::ClobberMemory();
        }
        state.counters[kRate] = benchmark::Counter(gflop, benchmark::Counter::kIsIterationInvariantRate);
      };
      benchmark::RegisterBenchmark(concat(title(product), "/", algorithm.name).c_str(), run)
          ->MinTime(kLeast)
          ->Repetitions(static_cast<int>(std::clamp(repetitions, 3.0, 1e6)))
          ->UseRealTime();
    }
  }
  table.next(product);
  return benchmark::RunSpecifiedBenchmarks(&table);
}

/// Google Benchmark shuffles repetitions only where a flag tells it to.
void initialize(const std::string& filter) {
  std::string program = "gemm", shuffled = "--benchmark_enable_random_interleaving=true";
  std::array arguments{program.data(), shuffled.data()};
  int count = arguments.size();
  benchmark::Initialize(&count, arguments.data());
  benchmark::SetBenchmarkFilter(filter);
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
  line.add("--filter", filter, "a regular expression for names such as dx/nn/16x256x784/OpenBLAS");
  line.add("--shape", shape, "rows,in,out: only the products of this Linear").positive();
  line.add_flag("--float64", float64, "in double precision");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  require(shape.empty() || shape.size() == 3, "--shape", "must have 3 numbers, got ", shape.size());
  set_num_threads(threads);
  initialize(filter);
  std::vector<Product> products = all_products();
  if (!shape.empty()) {
    products.clear();
    add_linear(products, shape[0], shape[1], shape[2]);
  }
  Operands operands(products, float64 ? DType::float64 : DType::float32);
  Table table(threads);
  std::size_t count = 0;
  for (const Product& product : products) {
    count += (float64 ? measure<double> : measure<float>)(product, seconds, operands, table);
  }
  require(count > 0, "--filter", "must match a product and an algorithm, got ", filter);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return examples::run_program("gemm", run, argc, argv); }
