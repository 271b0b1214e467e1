#include "bench/support/timing.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace evenkeel::bench {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<double> time_calls(const std::function<void()>& call, double seconds, std::size_t at_least) {
  constexpr std::size_t kMost = 2000;
  call();
  std::vector<double> times;
  const double begin = now_ms();
  while (times.size() < at_least || (now_ms() - begin < 1e3 * seconds && times.size() < kMost)) {
    const double start = now_ms();
    call();
    times.push_back(now_ms() - start);
  }
  return times;
}

double time_per_call(const std::function<void()>& call, double seconds) {
  const double first = median(time_calls(call, 0, 3));
  const auto count = static_cast<int>(std::clamp(std::ceil(1 / std::max(first, 1e-6)), 1.0, 1e5));
  const auto sample = [&] {
    for (int i = 0; i < count; ++i) {
      call();
    }
  };
  return median(time_calls(sample, seconds, 3)) / count;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace evenkeel::bench
