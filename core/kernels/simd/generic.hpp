#pragma once

// A set without intrinsics, for any machine: what the compiler makes of its own vectors. The other sets start from it.

#include "evenkeel/core/kernels/simd/batch.hpp"

#include <type_traits>
#include <utility>

namespace evenkeel::kernels::simd {

/// The compiler's vector of kBytes bytes.
template <class T, int kBytes>
struct Vector {
  typedef T type __attribute__((vector_size(kBytes), may_alias));
};

/// Registers of kBytes bytes. Arch keeps the functions of one set apart from another's.
template <class Arch, class T, int kBytes>
struct PlainSet {
  using Bits = std::conditional_t<sizeof(T) == sizeof(float), std::int32_t, std::int64_t>;
  using Raw = typename Vector<T, kBytes>::type;
  using Mask = typename Vector<Bits, kBytes>::type;  ///< -1 or 0 per lane
  using Doubles = typename Vector<double, kBytes>::type;

  static constexpr int kCount = kBytes / static_cast<int>(sizeof(T));
  using Lanes = std::make_integer_sequence<int, kCount>;
  static constexpr int kRegisters = 16;  ///< what the machine has
  /// fma rounds once. Here it does not: std::fma is slow where the machine has no instruction for it.
  static constexpr bool kFusedMultiplyAdd = false;

  static Raw broadcast(T number) { return broadcast(number, Lanes()); }
  static Raw negate(Raw a) { return -a; }
  static Raw abs(Raw a) { return bits_and(a, static_cast<Bits>(~(std::uint64_t{1} << (8 * sizeof(T) - 1)))); }
  static Raw sqrt(Raw a) {
    for (int i = 0; i < kCount; ++i) {
      a[i] = sizeof(T) == sizeof(float) ? static_cast<T>(__builtin_sqrtf(static_cast<float>(a[i])))
                                        : static_cast<T>(__builtin_sqrt(a[i]));
    }
    return a;
  }
  static Raw min(Raw a, Raw b) { return select(a < b, a, b); }
  static Raw max(Raw a, Raw b) { return select(a > b, a, b); }
  static Raw fma(Raw a, Raw b, Raw c) { return a * b + c; }
  static Raw fused(Raw a, Raw b, Raw c) { return a * b + c; }
  static Raw fms(Raw a, Raw b, Raw c) { return a * b - c; }
  static Raw fnma(Raw a, Raw b, Raw c) { return negate(a) * b + c; }

  static Mask less(Raw a, Raw b) { return a < b; }
  static Mask less_equal(Raw a, Raw b) { return a <= b; }
  static Mask equal(Raw a, Raw b) { return a == b; }
  static Mask both(Mask a, Mask b) { return a & b; }
  static Mask either(Mask a, Mask b) { return a | b; }
  static Mask neither(Mask a) { return ~a; }
  static Raw select(Mask mask, Raw a, Raw b) { return to_raw((mask & to_bits(a)) | (~mask & to_bits(b))); }

  static Raw load_partial(const T* p, std::int64_t count, T rest) {
    alignas(kBytes) T lanes[kCount];
    for (std::int64_t i = 0; i < kCount; ++i) {
      lanes[i] = i < count ? p[i] : rest;
    }
    return *reinterpret_cast<const Raw*>(lanes);
  }
  static void store_partial(Raw value, T* p, std::int64_t count) {
    alignas(kBytes) T lanes[kCount];
    *reinterpret_cast<Raw*>(lanes) = value;
    for (std::int64_t i = 0; i < count; ++i) {
      p[i] = lanes[i];
    }
  }
  static Raw keep_lanes(Raw value, std::int64_t count) {
    alignas(kBytes) T lanes[kCount];
    *reinterpret_cast<Raw*>(lanes) = value;
    return load_partial(lanes, count, T(0));
  }

  static Doubles load_as_double(const T* p) {
    Doubles result;
    for (int i = 0; i < kBytes / 8; ++i) {
      result[i] = static_cast<double>(p[i]);
    }
    return result;
  }
  /// The lower (0) or upper (1) half of a register of floats as doubles, and back.
  static Doubles widen(Raw value, int half) {
    Doubles result;
    for (int i = 0; i < kBytes / 8; ++i) {
      result[i] = static_cast<double>(value[i + half * kBytes / 8]);
    }
    return result;
  }
  static Raw narrow(Doubles low, Doubles high) {
    Raw result;
    for (int i = 0; i < kBytes / 8; ++i) {
      result[i] = static_cast<T>(low[i]);
      result[i + kBytes / 8] = static_cast<T>(high[i]);
    }
    return result;
  }

  /// By halves: the lower half of the lanes and the upper, then the halves of these sums, and so on.
  static T lane_sum(Raw value) {
    for (int half = kCount / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) {
        value[i] += value[i + half];
      }
    }
    return value[0];
  }
  static void add_lane_sums(Raw a, Raw b, double* sums) {
    sums[0] += static_cast<double>(lane_sum(a));
    sums[1] += static_cast<double>(lane_sum(b));
  }
  static T lane_max(Raw value) {
    alignas(kBytes) T lanes[kCount];
    *reinterpret_cast<Raw*>(lanes) = value;
    T result = lanes[0];
    for (const T lane : lanes) {
      result = lane > result ? lane : result;
    }
    return result;
  }

  static Raw even_lanes(Raw low, Raw high) { return every_second<0>(low, high, Lanes()); }
  static Raw odd_lanes(Raw low, Raw high) { return every_second<1>(low, high, Lanes()); }
  static Raw zip_low(Raw even, Raw odd) { return zip_half<0>(even, odd, Lanes()); }
  static Raw zip_high(Raw even, Raw odd) { return zip_half<kCount / 2>(even, odd, Lanes()); }

  static Raw load_bytes(const std::uint8_t* p) {
    Raw result;
    for (int i = 0; i < kCount; ++i) {
      result[i] = static_cast<T>(p[i]);
    }
    return result;
  }
  static void store_bytes(Raw value, std::uint8_t* p) {
    for (int i = 0; i < kCount; ++i) {
      p[i] = static_cast<std::uint8_t>(value[i]);
    }
  }

  /// The register whose equal parts, one after the other, are loaded from these places, and the inverse.
  template <class... P>
  static Raw join(const P*... parts) {
    Raw result;
    std::size_t at = 0;
    ((__builtin_memcpy(reinterpret_cast<char*>(&result) + at, parts, kBytes / sizeof...(P)),
      at += kBytes / sizeof...(P)),
     ...);
    return result;
  }
  template <class... P>
  static void split(Raw value, P*... parts) {
    std::size_t at = 0;
    ((__builtin_memcpy(parts, reinterpret_cast<const char*>(&value) + at, kBytes / sizeof...(P)),
      at += kBytes / sizeof...(P)),
     ...);
  }
  /// Transposes the 4x4 squares that each four lanes of four registers make: lane 4 q + i of register j was lane 4 q +
  /// j of register i.
  static void transpose_fours(Raw& a, Raw& b, Raw& c, Raw& d) { transpose_fours(a, b, c, d, Lanes()); }

  /// Each lane's neighbour among tiles in lanes (before_tiles() in simd/batch.hpp).
  static Raw before_tiles(Raw value) { return neighbours<-1>(value, Lanes()); }
  static Raw behind_tiles(Raw value) { return neighbours<1>(value, Lanes()); }

  /// The bits of each lane moved up, or joined with `mask` by "and".
  static Raw shift_left(Raw value, int count) { return to_raw(to_bits(value) << count); }
  static Raw bits_and(Raw value, Bits mask) { return to_raw(to_bits(value) & mask); }

  /// b[k width + j] = x[j stride + k] for a square of kSide x kSide.
  static constexpr std::int64_t kSide = 16 / static_cast<std::int64_t>(sizeof(T));
  static void transpose(const T* x, std::int64_t stride, T* b, std::int64_t width) {
    for (std::int64_t k = 0; k < kSide; ++k) {
      for (std::int64_t j = 0; j < kSide; ++j) {
        b[k * width + j] = x[j * stride + k];
      }
    }
  }

 protected:
  static Mask to_bits(Raw value) { return __builtin_bit_cast(Mask, value); }
  static Raw to_raw(Mask bits) { return __builtin_bit_cast(Raw, bits); }

 private:
  template <int... kLane>
  static Raw broadcast(T number, std::integer_sequence<int, kLane...>) {
    return Raw{(static_cast<void>(kLane), number)...};
  }
  template <int kFirst, int... kLane>
  static Raw every_second(Raw low, Raw high, std::integer_sequence<int, kLane...>) {
    return __builtin_shufflevector(low, high, (kFirst + 2 * kLane)...);
  }
  template <int kStep, int... kLane>
  static Raw neighbours(Raw value, std::integer_sequence<int, kLane...>) {
    constexpr int kFours = kCount / 4;
    const auto source = [](int lane) constexpr {
      const int tile = (lane % 4 * kFours + lane / 4 + kStep + kCount) % kCount;
      return tile % kFours * 4 + tile / kFours;
    };
    return __builtin_shufflevector(value, value, source(kLane)...);
  }
  template <int... kLane>
  static void transpose_fours(Raw& a, Raw& b, Raw& c, Raw& d, std::integer_sequence<int, kLane...>) {
    // First the lower and the upper two lanes of each four of two registers alternate, then pairs of lanes.
    const Raw low_ab = __builtin_shufflevector(a, b, (kLane / 4 * 4 + kLane % 4 / 2 + kLane % 2 * kCount)...);
    const Raw high_ab = __builtin_shufflevector(a, b, (kLane / 4 * 4 + 2 + kLane % 4 / 2 + kLane % 2 * kCount)...);
    const Raw low_cd = __builtin_shufflevector(c, d, (kLane / 4 * 4 + kLane % 4 / 2 + kLane % 2 * kCount)...);
    const Raw high_cd = __builtin_shufflevector(c, d, (kLane / 4 * 4 + 2 + kLane % 4 / 2 + kLane % 2 * kCount)...);
    a = __builtin_shufflevector(low_ab, low_cd, (kLane / 4 * 4 + kLane % 2 + kLane % 4 / 2 * kCount)...);
    b = __builtin_shufflevector(low_ab, low_cd, (kLane / 4 * 4 + 2 + kLane % 2 + kLane % 4 / 2 * kCount)...);
    c = __builtin_shufflevector(high_ab, high_cd, (kLane / 4 * 4 + kLane % 2 + kLane % 4 / 2 * kCount)...);
    d = __builtin_shufflevector(high_ab, high_cd, (kLane / 4 * 4 + 2 + kLane % 2 + kLane % 4 / 2 * kCount)...);
  }
  template <int kFirst, int... kLane>
  static Raw zip_half(Raw even, Raw odd, std::integer_sequence<int, kLane...>) {
    return __builtin_shufflevector(even, odd, (kFirst + kLane / 2 + kLane % 2 * kCount)...);
  }
};

template <class T>
struct Set<Generic, T> : PlainSet<Generic, T, 16> {};

}  // namespace evenkeel::kernels::simd
