#include "bench/support/rates.hpp"

#include "bench/support/timing.hpp"
#include "evenkeel/core/kernels/matmul/gemm.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/random.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

extern "C" char* openblas_get_corename();  // cblas.h of some distributions leaves it out

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

/// GFLOP/s of n x n products.
double best_product(GemmAlgorithm algorithm, std::int64_t n, double seconds) {
  Generator generator(0);
  const Array a = random_normal({n, n}, generator), b = random_normal({n, n}, generator);
  Array c = Array::empty({n, n});
  const double ms = best_ms(
      [&] {
        gemm<float>(algorithm, {.m = n, .n = n, .k = n}, a.data<float>(), b.data<float>(), c.mutable_data<float>());
      },
      seconds);
  return 2e-6 * static_cast<double>(n * n * n) / ms;
}

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
  Generator generator(0);
  const Array a = random_normal({n, n}, generator), b = random_normal({n, n}, generator);
  Array c = Array::empty({n, n});
  const double ms = time_per_call(
      [&] { gemm<float>({.m = n, .n = n, .k = n}, a.data<float>(), b.data<float>(), c.mutable_data<float>()); },
      seconds);
  return 2e-6 * static_cast<double>(n * n * n) / ms;
}

double copy_rate(std::int64_t count, double seconds) {
  return 8e-6 * static_cast<double>(count) / time_per_call(Copy(count), seconds);
}

double matrix_rate(double seconds) {
  double rate = 0;
  for (const std::int64_t n : {512, 1024}) {
    for (const GemmAlgorithm algorithm : {GemmAlgorithm::blas, GemmAlgorithm::panels}) {
      rate = std::max(rate, best_product(algorithm, n, seconds));
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

std::string blas_core() { return openblas_get_corename(); }

}  // namespace evenkeel::bench
