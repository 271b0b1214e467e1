#include "bench/support/roofline.hpp"
#include "bench/support/step_report.hpp"
#include "bench/support/timing.hpp"
#include "evenkeel/core/loop_listener.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

namespace evenkeel::bench {

namespace {

constexpr double kBarrierMs = 3e-3;  // what waking the team may cost

/// Units of the thread that has most to do, if each takes the next chunk when it is done with one.
std::int64_t largest_share(const HeardLoop& loop) {
  const std::int64_t full = loop.units / loop.grain, rest = loop.units % loop.grain;
  const std::int64_t rounds = full / loop.threads;
  return full % loop.threads > 0 ? (rounds + 1) * loop.grain : rounds * loop.grain + rest;
}

/// What the loops of an op, or of a step, add up to.
struct Tally {
  std::string op, shape;
  double calls = 0;
  double barriers = 0;    ///< loops that are handed to several threads
  double single = 0;      ///< loops that are not: of one chunk
  double chunks = 0;      ///< of all loops
  double serial_ms = 0;   ///< outside of loops
  double loops_ms = 0;    ///< in loops, by one thread
  double largest_ms = 0;  ///< the largest threads' shares of that
  double bytes = 0;       ///< of what the op takes and gives

  void add(const HeardLoop& loop) {
    (loop.threads > 1 ? barriers : single) += 1;
    chunks += static_cast<double>(loop.chunks());
    loops_ms += loop.ms;
    largest_ms += loop.ms * static_cast<double>(largest_share(loop)) / static_cast<double>(loop.units);
  }
  void add(const Tally& other, double weight = 1) {
    for (double Tally::*const field : {&Tally::calls, &Tally::barriers, &Tally::single, &Tally::chunks,
                                       &Tally::serial_ms, &Tally::loops_ms, &Tally::largest_ms, &Tally::bytes}) {
      this->*field += weight * other.*field;
    }
  }
  double expected_ms() const { return serial_ms + largest_ms; }
  double speedup(double barrier_ms) const {
    return (serial_ms + loops_ms) / std::max(expected_ms() + barriers * barrier_ms, 1e-9);
  }
  /// The largest share by the mean of all threads; 1 where there are no loops.
  double imbalance(int threads) const { return loops_ms > 0 ? largest_ms * threads / loops_ms : 1; }
};

/// The loops of a step per op, cut for num_threads() threads, run on one.
std::vector<Tally> listen_to_steps(Training& training, double seconds) {
  std::map<std::string, Tally> tallies;
  Tally pending;  // of the op that is running
  bool counting = false;
  const LoopListener loops([&](const HeardLoop& loop) { pending.add(loop); });
  OpProfile ops([&](const OpProfile::Row& row, double ms) {
    pending.serial_ms = std::max(0.0, ms - pending.loops_ms);
    pending.bytes = work_of(row, training.parameters()).touched;
    pending.calls = 1;
    if (counting) {
      Tally& tally = tallies[row.op + row.shape];
      tally.op = row.op;
      tally.shape = row.shape;
      tally.add(pending);
    }
    pending = Tally();
  });
  training.step(&ops);
  counting = true;
  const auto steps = static_cast<double>(time_calls([&] { training.step(&ops); }, seconds).size() + 1);
  std::vector<Tally> result;
  for (const auto& [key, tally] : tallies) {
    result.push_back({.op = tally.op, .shape = tally.shape});
    result.back().add(tally, 1 / steps);
  }
  return result;
}

void print_ops(std::vector<Tally> tallies, int threads) {
  std::sort(tallies.begin(), tallies.end(),
            [](const Tally& a, const Tally& b) { return a.expected_ms() > b.expected_ms(); });
  std::printf("\nper op, %d threads, the longest first\n%-30s %-19s %6s %9s %7s %8s %10s %10s %10s %10s %8s\n", threads,
              "op", "result", "calls", "barriers", "single", "chunks", "imbalance", "serial ms", "loops ms",
              "largest ms", "MB");
  for (const Tally& op : tallies) {
    std::printf("%-30s %-19s %6.1f %9.1f %7.1f %8.1f %10.2f %10.4f %10.4f %10.4f %8.3f\n", op.op.c_str(),
                op.shape.c_str(), op.calls, op.barriers, op.single, op.chunks, op.imbalance(threads), op.serial_ms,
                op.loops_ms, op.largest_ms, 1e-6 * op.bytes);
  }
}

}  // namespace

void print_plan(const Cell& cell, std::int64_t batch_size, double seconds, int most_threads) {
  Training training(cell, batch_size);
  std::printf(
      "%s, batch %lld: a step's loops as they are cut for so many threads, timed on one\n%8s %9s %7s %8s %10s "
      "%10s %10s %10s %8s %8s %9s\n",
      cell.name, static_cast<long long>(batch_size), "threads", "barriers", "single", "chunks", "imbalance",
      "serial ms", "loops ms", "largest ms", "speedup", "at 3 us", "MB");
  for (int threads = 2; threads <= most_threads; threads *= 2) {
    const ThreadsGuard guard(threads);
    const std::vector<Tally> tallies = listen_to_steps(training, seconds);
    Tally step;
    for (const Tally& op : tallies) {
      step.add(op);
    }
    std::printf("%8d %9.1f %7.1f %8.1f %10.2f %10.4f %10.4f %10.4f %8.2f %8.2f %9.3f\n", threads, step.barriers,
                step.single, step.chunks, step.imbalance(threads), step.serial_ms, step.loops_ms, step.largest_ms,
                step.speedup(0), step.speedup(kBarrierMs), 1e-6 * step.bytes);
    if (2 * threads > most_threads) {
      print_ops(tallies, threads);
    }
  }
}

}  // namespace evenkeel::bench
