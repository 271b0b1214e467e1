#pragma once

#include "evenkeel/core/array.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace evenkeel {

/// Philox 4x32-10: ten rounds that map (counter, key) to four 32-bit words.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A counter-based generator: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
/// Element i of a draw is a function of (seed, counter, i) alone, so results depend on the seed and the sequence of
/// calls, never on the number of threads. Explicit: every function that draws takes a Generator.
class Generator {
 public:
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t counter = 0;
    friend bool operator==(const State&, const State&) = default;
  };

  explicit Generator(std::uint64_t seed) : state_{seed, 0} {}
  explicit Generator(State state) : state_(state) {}

  const State& state() const { return state_; }
  void set_state(State state) { state_ = state; }
  /// Four 32-bit words of block `counter`; does not advance.
  std::array<std::uint32_t, 4> block(std::uint64_t counter) const;
  /// Reserves `blocks` counter values and returns the first.
  std::uint64_t reserve(std::uint64_t blocks);

  std::uint32_t next_uint32();
  /// Uniform in [0, 1).
  double uniform();
  /// Standard normal (Box-Muller).
  double normal();
  /// Uniform in [0, n), without bias; throws unless n >= 1.
  std::int64_t below(std::int64_t n);
  /// A generator of its own for a sub-task, derived from this seed and `stream`; does not advance this one.
  Generator fork(std::uint64_t stream) const;

 private:
  State state_;
};

/// A generator's state as a file holds it: int64 [2], the bits of seed and counter.
Array state_array(const Generator& generator);
/// The inverse. Throws, saying "'name'", for any other array.
Generator::State state_from_array(const Array& array, std::string_view op, std::string_view name);

/// Uniform in [low, high); float32 or float64 (32 and 53 random bits per element).
Array random_uniform(const Shape& shape, Generator& generator, double low = 0, double high = 1,
                     DType dtype = DType::float32);
/// Normal with the given mean and standard deviation; float32 or float64.
Array random_normal(const Shape& shape, Generator& generator, double mean = 0, double std = 1,
                    DType dtype = DType::float32);
/// Integers uniform in [low, high), without bias, converted to `dtype`.
Array random_int(const Shape& shape, Generator& generator, std::int64_t low, std::int64_t high,
                 DType dtype = DType::int64);
/// A random permutation of 0..n-1, int64.
Array random_permutation(std::int64_t n, Generator& generator);
/// 1 with probability `p`, else 0.
Array random_bernoulli(const Shape& shape, Generator& generator, double p, DType dtype = DType::float32);

}  // namespace evenkeel
