#pragma once

#include "bench/support/cells.hpp"

#include <cstdint>

namespace evenkeel::bench {

/// Prints where the time of a training step goes: per op, direction and sizes, the longest first.
void print_profile(const Cell& cell, std::int64_t batch_size, double seconds);

/// Prints the floor of a step ("The floor of a step" in bench/README.md) and the measured time beside it: per op, then
/// of the whole step; with `json` only the latter, as one line. The rates of the machine are measured first.
void print_roofline(const Cell& cell, std::int64_t batch_size, double seconds, bool json);

/// Prints how the loops of a step are cut for 2, 4, 8 and so on up to `most_threads` threads, and what comes of it:
/// per thread count barriers, chunks, imbalance and the speedup that these allow; then per op for `most_threads`. Runs
/// on one thread, so the machine need not have so many.
void print_plan(const Cell& cell, std::int64_t batch_size, double seconds, int most_threads);

}  // namespace evenkeel::bench
