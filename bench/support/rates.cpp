#include "bench/support/rates.hpp"

#include "bench/support/timing.hpp"
#include "evenkeel/core/kernels/matmul/gemm.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/random.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>

namespace evenkeel::bench {

namespace {

/// The shortest of many calls, in milliseconds.
double best_ms(const std::function<void()>& call, double seconds) {
  const std::vector<double> ms = time_calls(call, seconds, 10);
  return *std::min_element(ms.begin(), ms.end());
}

/// Copies one array to another by all threads.
class Copy {
 public:
  explicit Copy(std::int64_t count)
      : from_(Array::ones({count})), to_(Array::ones({count})) {}  // zeros may all be one page
  void operator()() {
    const float* source = from_.data<float>();
    float* target = to_.mutable_data<float>();
    parallel_for(0, from_.numel(), kElementGrain, [&](std::int64_t first, std::int64_t last) {
      std::memcpy(target + first, source + first, sizeof(float) * static_cast<std::size_t>(last - first));
    });
  }

 private:
  Array from_, to_;
};

/// Multiplies n x n matrices, by one algorithm or the one that the library chooses.
class Product {
 public:
  explicit Product(std::int64_t n, std::optional<GemmAlgorithm> algorithm = {})
      : a_(random_normal({n, n}, generator_)),
        b_(random_normal({n, n}, generator_)),
        c_(Array::empty({n, n})),
        dims_{.m = n, .n = n, .k = n},
        algorithm_(algorithm.value_or(choose_gemm(dims_))) {}
  void operator()() { gemm<float>(algorithm_, dims_, a_.data<float>(), b_.data<float>(), c_.mutable_data<float>()); }
  /// GFLOP/s of a product that takes so long.
  double rate(double ms) const { return 2e-6 * static_cast<double>(dims_.m * dims_.n * dims_.k) / ms; }

 private:
  Generator generator_{0};
  Array a_, b_, c_;
  GemmDims dims_;
  GemmAlgorithm algorithm_;
};

/// GB/s of the best of many copies of `count` floats; of small ones several count as one call.
double best_copy(std::int64_t count, double seconds) {
  Copy copy(count);
  const std::int64_t times = std::max<std::int64_t>(1, (std::int64_t{1} << 22) / count);
  const double ms = best_ms(
      [&] {
        for (std::int64_t i = 0; i < times; ++i) {
          copy();
        }
      },
      seconds);
  return 8e-6 * static_cast<double>(count * times) / ms;
}

}  // namespace

double product_rate(std::int64_t n, double seconds) {
  Product product(n);
  return product.rate(time_per_call(std::ref(product), seconds));
}

double copy_rate(std::int64_t count, double seconds) {
  return 8e-6 * static_cast<double>(count) / time_per_call(Copy(count), seconds);
}

double matrix_rate(double seconds) {
  double rate = 0;
  for (const std::int64_t n : {512, 1024}) {
    for (const GemmAlgorithm algorithm : {GemmAlgorithm::blas, GemmAlgorithm::panels}) {
      Product product(n, algorithm);
      rate = std::max(rate, product.rate(best_ms(std::ref(product), seconds)));
    }
  }
  return rate;
}

double MachineRates::copy(double bytes) const {
  double rate = copies.front().rate;
  for (const Copy& measured : copies) {
    rate = measured.bytes <= bytes ? measured.rate : rate;
  }
  return rate;
}

MachineRates measure_rates(double seconds) {
  constexpr std::int64_t kSmallest = 512 * 1024, kLargest = std::int64_t{512} * 1024 * 1024, kStep = 4;
  MachineRates rates{.matrix = matrix_rate(seconds), .copies = {}};
  for (std::int64_t bytes = kSmallest; bytes <= kLargest; bytes *= kStep) {
    rates.copies.push_back({static_cast<double>(bytes), best_copy(bytes / 8, seconds)});
  }
  for (std::size_t i = rates.copies.size() - 1; i > 0; --i) {  // a larger set has no slower one before it
    rates.copies[i - 1].rate = std::max(rates.copies[i - 1].rate, rates.copies[i].rate);
  }
  return rates;
}

}  // namespace evenkeel::bench
