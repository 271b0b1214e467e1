#include "evenkeel/core/random.hpp"

#include "evenkeel/core/copy.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

namespace evenkeel {
namespace {

using Words = std::array<std::uint32_t, 4>;

__extension__ using Uint128 = unsigned __int128;

std::uint32_t low_word(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high_word(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }
std::uint64_t join(std::uint32_t low, std::uint32_t high) { return (static_cast<std::uint64_t>(high) << 32) | low; }

// Counters are (draw low, draw high, attempt, purpose), so no two uses share a block.
constexpr std::uint32_t kDraw = 0;
constexpr std::uint32_t kFork = 1;

Words block_of(std::uint64_t seed, std::uint64_t counter, std::uint32_t attempt = 0, std::uint32_t purpose = kDraw) {
  return philox4x32({low_word(counter), high_word(counter), attempt, purpose}, {low_word(seed), high_word(seed)});
}

// In [0, 1), with 32 and 53 random bits.
double unit32(std::uint32_t word) { return static_cast<double>(word) * 0x1p-32; }
double unit53(std::uint32_t low, std::uint32_t high) { return static_cast<double>(join(low, high) >> 11) * 0x1p-53; }

// Box-Muller: two independent normals from two uniforms in [0, 1).
std::array<double, 2> normal_pair(double u, double v) {
  const double radius = std::sqrt(-2 * std::log1p(-u));
  const double angle = 2 * std::numbers::pi * v;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

// Unbiased in [0, n) by Lemire's multiplication (arXiv:1805.10941); a rejected word is replaced by the next attempt's,
// so that the result still depends on (seed, counter) alone.
std::uint64_t bounded(std::uint64_t seed, std::uint64_t counter, std::uint64_t n) {
  for (std::uint32_t attempt = 0;; ++attempt) {
    const Words words = block_of(seed, counter, attempt);
    const Uint128 product = static_cast<Uint128>(join(words[0], words[1])) * n;
    const std::uint64_t remainder = static_cast<std::uint64_t>(product);
    if (remainder >= n || remainder >= (0 - n) % n) {
      return static_cast<std::uint64_t>(product >> 64);
    }
  }
}

// out[i * per_block + k] = f(words of block i)[k]; f gives per_block values.
template <std::size_t per_block, class T, class F>
void fill_blocks(T* out, std::int64_t count, Generator& generator, const F& f) {
  constexpr auto kPerBlock = static_cast<std::int64_t>(per_block);
  const std::int64_t blocks = kernels::ceil_div(count, kPerBlock);
  const std::uint64_t seed = generator.state().seed;
  const std::uint64_t start = generator.reserve(static_cast<std::uint64_t>(blocks));
  parallel_for(0, blocks, kElementGrain / 8, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::array<T, per_block> values = f(block_of(seed, start + static_cast<std::uint64_t>(i)));
      const std::int64_t valid = std::min(kPerBlock, count - i * kPerBlock);
      std::copy(values.begin(), values.begin() + valid, out + i * kPerBlock);
    }
  });
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {high_word(b) ^ counter[1] ^ key[0], low_word(b), high_word(a) ^ counter[3] ^ key[1], low_word(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

std::array<std::uint32_t, 4> Generator::block(std::uint64_t counter) const { return block_of(state_.seed, counter); }

std::uint64_t Generator::reserve(std::uint64_t blocks) {
  const std::uint64_t first = state_.counter;
  state_.counter += blocks;
  return first;
}

std::uint32_t Generator::next_uint32() { return block(reserve(1))[0]; }

double Generator::uniform() {
  const Words words = block(reserve(1));
  return unit53(words[0], words[1]);
}

double Generator::normal() {
  const Words words = block(reserve(1));
  return normal_pair(unit53(words[0], words[1]), unit53(words[2], words[3]))[0];
}

std::int64_t Generator::below(std::int64_t n) {
  require(n >= 1, "below", "the bound must be at least 1, got ", n);
  return static_cast<std::int64_t>(bounded(state_.seed, reserve(1), static_cast<std::uint64_t>(n)));
}

Generator Generator::fork(std::uint64_t stream) const {
  const Words words = block_of(state_.seed, stream, 0, kFork);
  return Generator(join(words[0], words[1]));
}

Array random_uniform(const Shape& shape, Generator& generator, double low, double high, DType dtype) {
  require(std::isfinite(low) && std::isfinite(high) && low <= high, "random_uniform",
          "low and high must be finite and low <= high, got ", low, " and ", high);
  Array result = Array::empty(shape, dtype);
  dispatch_float(dtype, "random_uniform", [&]<class T>() {
    // Rounding may reach `high`, which is not part of the range.
    const T below_high = low < high ? std::nextafter(static_cast<T>(high), static_cast<T>(low)) : static_cast<T>(high);
    const auto scale = [=](double u) { return std::min(static_cast<T>(low + (high - low) * u), below_high); };
    T* out = result.mutable_data<T>();
    if constexpr (sizeof(T) == sizeof(float)) {
      fill_blocks<4>(out, result.numel(), generator, [&](const Words& w) {
        return std::array<T, 4>{scale(unit32(w[0])), scale(unit32(w[1])), scale(unit32(w[2])), scale(unit32(w[3]))};
      });
    } else {
      fill_blocks<2>(out, result.numel(), generator, [&](const Words& w) {
        return std::array<T, 2>{scale(unit53(w[0], w[1])), scale(unit53(w[2], w[3]))};
      });
    }
  });
  return result;
}

Array random_normal(const Shape& shape, Generator& generator, double mean, double std, DType dtype) {
  require(std >= 0, "random_normal", "std must be at least 0, got ", std);
  Array result = Array::empty(shape, dtype);
  dispatch_float(dtype, "random_normal", [&]<class T>() {
    const auto scale = [=](double z) { return static_cast<T>(mean + std * z); };
    T* out = result.mutable_data<T>();
    if constexpr (sizeof(T) == sizeof(float)) {
      fill_blocks<4>(out, result.numel(), generator, [&](const Words& w) {
        const auto [a, b] = normal_pair(unit32(w[0]), unit32(w[1]));
        const auto [c, d] = normal_pair(unit32(w[2]), unit32(w[3]));
        return std::array<T, 4>{scale(a), scale(b), scale(c), scale(d)};
      });
    } else {
      fill_blocks<2>(out, result.numel(), generator, [&](const Words& w) {
        const auto [a, b] = normal_pair(unit53(w[0], w[1]), unit53(w[2], w[3]));
        return std::array<T, 2>{scale(a), scale(b)};
      });
    }
  });
  return result;
}

Array random_int(const Shape& shape, Generator& generator, std::int64_t low, std::int64_t high, DType dtype) {
  require(low < high, "random_int", "low must be below high, got ", low, " and ", high);
  Array result = Array::empty(shape, dtype);
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  const std::uint64_t seed = generator.state().seed;
  const std::uint64_t start = generator.reserve(static_cast<std::uint64_t>(result.numel()));
  dispatch_all(dtype, [&]<class T>() {
    T* out = result.mutable_data<T>();
    parallel_for(0, result.numel(), kElementGrain / 8, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        const std::uint64_t offset = bounded(seed, start + static_cast<std::uint64_t>(i), range);
        out[i] = convert<T>(static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset));
      }
    });
  });
  return result;
}

Array random_permutation(std::int64_t n, Generator& generator) {
  require(n >= 0, "random_permutation", "n must be at least 0, got ", n);
  Array result = Array::empty({n}, DType::int64);
  const std::span<std::int64_t> order = result.mutable_span<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) {
    order[static_cast<std::size_t>(i)] = i;
  }
  for (std::int64_t i = n - 1; i > 0; --i) {
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(generator.below(i + 1))]);
  }
  return result;
}

Array random_bernoulli(const Shape& shape, Generator& generator, double p, DType dtype) {
  require(p >= 0 && p <= 1, "random_bernoulli", "p must lie in [0, 1], got ", p);
  Array result = Array::empty(shape, dtype);
  const std::uint64_t threshold = static_cast<std::uint64_t>(p * 0x1p32);
  dispatch_all(dtype, [&]<class T>() {
    const auto draw = [=](std::uint32_t word) { return static_cast<T>(word < threshold); };
    fill_blocks<4>(result.mutable_data<T>(), result.numel(), generator, [&](const Words& w) {
      return std::array<T, 4>{draw(w[0]), draw(w[1]), draw(w[2]), draw(w[3])};
    });
  });
  return result;
}

Array state_array(const Generator& generator) {
  const auto [seed, counter] = generator.state();
  const std::vector<std::int64_t> words = {std::bit_cast<std::int64_t>(seed), std::bit_cast<std::int64_t>(counter)};
  return Array::from(words, {2});
}

Generator::State state_from_array(const Array& array, std::string_view op, std::string_view name) {
  require(array.defined() && array.dtype() == DType::int64 && array.shape() == Shape{2}, op, "'", name,
          "' must be an int64 array of shape [2]");
  const auto words = array.to_vector<std::int64_t>();
  return {std::bit_cast<std::uint64_t>(words[0]), std::bit_cast<std::uint64_t>(words[1])};
}

}  // namespace evenkeel
