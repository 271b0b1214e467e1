#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace evenkeel::bench {

double now_ms();

/// Milliseconds of each call: one call first that is not counted, then at least `at_least`, then until `seconds` are
/// over or there are 2000.
std::vector<double> time_calls(const std::function<void()>& call, double seconds, std::size_t at_least = 5);

/// Milliseconds per call of something short: the median over samples of as many calls as take about a millisecond.
double time_per_call(const std::function<void()>& call, double seconds);

double median(std::vector<double> values);

/// Peak resident memory of this process so far, in MiB.
double peak_memory_mib();

}  // namespace evenkeel::bench
