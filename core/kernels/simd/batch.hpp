#pragma once

// For the per-instruction-set sources only. Every function in kernels/simd carries Arch as a template parameter: an
// inline function without it, compiled with -mavx512f and merged by the linker, would crash older machines.

#include "evenkeel/core/kernels/simd/isa.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace evenkeel::kernels::simd {

/// What the instruction set Arch does with a register of T (float or double): static functions of its types Raw and
/// Mask. Each set is a file, simd/<set>.hpp, which a kernel's generated source includes first: it starts from PlainSet
/// in simd/generic.hpp, where each function is described, and replaces what the set has instructions for.
template <class Arch, class T>
struct Set;

/// One truth value per lane.
template <class Arch, class T>
class Mask {
  using S = Set<Arch, T>;

 public:
  using Raw = typename S::Mask;
  Mask(Raw raw) : raw_(raw) {}
  operator Raw() const { return raw_; }

  friend Mask operator&(const Mask& a, const Mask& b) { return S::both(a.raw_, b.raw_); }
  friend Mask operator|(const Mask& a, const Mask& b) { return S::either(a.raw_, b.raw_); }
  friend Mask operator!(const Mask& a) { return S::neither(a.raw_); }

 private:
  Raw raw_;
};

/// A SIMD register of T for the instruction set Arch: the operators of T lane by lane.
template <class Arch, class T>
class Batch {
  using S = Set<Arch, T>;
  using M = Mask<Arch, T>;

 public:
  using value_type = T;
  using arch_type = Arch;
  using Raw = typename S::Raw;
  static constexpr std::size_t size = sizeof(Raw) / sizeof(T);

  Batch() = default;
  Batch(T number) : raw_(S::broadcast(number)) {}
  Batch(Raw raw) : raw_(raw) {}
  operator Raw() const { return raw_; }

  static Batch load_unaligned(const T* p) {
    Batch batch;
    __builtin_memcpy(&batch.raw_, p, sizeof(Raw));
    return batch;
  }
  static Batch load_aligned(const T* p) { return *reinterpret_cast<const Raw*>(p); }
  void store_unaligned(T* p) const { __builtin_memcpy(p, &raw_, sizeof(Raw)); }
  void store_aligned(T* p) const { *reinterpret_cast<Raw*>(p) = raw_; }
  T get(std::size_t lane) const { return raw_[lane]; }

  friend Batch operator+(const Batch& a, const Batch& b) { return a.raw_ + b.raw_; }
  friend Batch operator-(const Batch& a, const Batch& b) { return a.raw_ - b.raw_; }
  friend Batch operator*(const Batch& a, const Batch& b) { return a.raw_ * b.raw_; }
  friend Batch operator/(const Batch& a, const Batch& b) { return a.raw_ / b.raw_; }
  friend Batch operator-(const Batch& a) { return S::negate(a.raw_); }
  Batch& operator+=(const Batch& other) { return *this = *this + other; }

  friend M operator<(const Batch& a, const Batch& b) { return S::less(a.raw_, b.raw_); }
  friend M operator<=(const Batch& a, const Batch& b) { return S::less_equal(a.raw_, b.raw_); }
  friend M operator>(const Batch& a, const Batch& b) { return S::less(b.raw_, a.raw_); }
  friend M operator>=(const Batch& a, const Batch& b) { return S::less_equal(b.raw_, a.raw_); }
  friend M operator==(const Batch& a, const Batch& b) { return S::equal(a.raw_, b.raw_); }
  /// The lanes of a where the mask is true, else of b.
  friend Batch select(const M& mask, const Batch& a, const Batch& b) { return S::select(mask, a.raw_, b.raw_); }

  friend Batch abs(const Batch& a) { return S::abs(a.raw_); }
  friend Batch sqrt(const Batch& a) { return S::sqrt(a.raw_); }
  /// The second operand where one is NaN, as x86 has it.
  friend Batch min(const Batch& a, const Batch& b) { return S::min(a.raw_, b.raw_); }
  friend Batch max(const Batch& a, const Batch& b) { return S::max(a.raw_, b.raw_); }
  /// a b + c, a b - c and c - a b, rounded once where the set can.
  friend Batch fma(const Batch& a, const Batch& b, const Batch& c) { return S::fma(a.raw_, b.raw_, c.raw_); }
  friend Batch fms(const Batch& a, const Batch& b, const Batch& c) { return S::fms(a.raw_, b.raw_, c.raw_); }
  friend Batch fnma(const Batch& a, const Batch& b, const Batch& c) { return S::fnma(a.raw_, b.raw_, c.raw_); }
  /// fma() where c is a product, too: c is rounded first. (Of fma()'s two the compiler may choose another.)
  friend Batch fused(const Batch& a, const Batch& b, const Batch& c) { return S::fused(a.raw_, b.raw_, c.raw_); }

 private:
  Raw raw_;
};

/// Number of lanes.
template <class Arch, class T>
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(Batch<Arch, T>::size);

/// f(0), f(1), ..., f(kCount - 1), unrolled for certain, so that registers in arrays stay registers.
template <int kCount, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
  [&]<int... k>(std::integer_sequence<int, k...>) __attribute__((always_inline)) { (f(k), ...); }
  (std::make_integer_sequence<int, kCount>());
}

/// Loads the first `count` < kLanes elements; the other lanes are `rest`. With store_partial the last elements of an
/// array take the same path as all others, so a value never depends on its position.
template <class Arch, class T>
Batch<Arch, T> load_partial(const T* p, std::int64_t count, T rest) {
  return Set<Arch, T>::load_partial(p, count, rest);
}

/// Stores the first `count` <= kLanes lanes.
template <class Arch, class T>
void store_partial(const Batch<Arch, T>& value, T* p, std::int64_t count) {
  Set<Arch, T>::store_partial(value, p, count);
}

/// The first `count` < kLanes lanes of v; the others are 0.
template <class Arch, class T>
Batch<Arch, T> keep_lanes(const Batch<Arch, T>& v, std::int64_t count) {
  return Set<Arch, T>::keep_lanes(v, count);
}

/// Loads kLanes<Arch, double> elements as doubles.
template <class Arch, class T>
Batch<Arch, double> load_as_double(const T* p) {
  return Set<Arch, T>::load_as_double(p);
}

/// The sum of all lanes.
template <class Arch, class T>
T lane_sum(const Batch<Arch, T>& v) {
  return Set<Arch, T>::lane_sum(v);
}

/// The sums of four registers' lanes, each as lane_sum has it.
template <class Arch, class T>
[[gnu::always_inline]] inline void lane_sums(const Batch<Arch, T> (&v)[4], T* sums) {
  if constexpr (requires { Set<Arch, T>::lane_sums(v[0], v[1], v[2], v[3], sums); }) {
    Set<Arch, T>::lane_sums(v[0], v[1], v[2], v[3], sums);
  } else {
    for (int i = 0; i < 4; ++i) {
      sums[i] = lane_sum(v[i]);
    }
  }
}

/// The largest of all lanes; a NaN may be passed over.
template <class Arch, class T>
T lane_max(const Batch<Arch, T>& v) {
  return Set<Arch, T>::lane_max(v);
}

/// sums[0] += the sum of a's lanes, sums[1] += that of b's, both at once. (The order within a register need not be that
/// of lane_sum.)
template <class Arch, class T>
[[gnu::always_inline]] inline void add_lane_sums(const Batch<Arch, T>& a, const Batch<Arch, T>& b, double* sums) {
  Set<Arch, T>::add_lane_sums(a, b, sums);
}

/// even = p[0], p[2], ..., odd = p[1], p[3], ... of two registers.
template <class Arch, class T>
void unzip(const Batch<Arch, T>& low, const Batch<Arch, T>& high, Batch<Arch, T>& even, Batch<Arch, T>& odd) {
  even = Set<Arch, T>::even_lanes(low, high);
  odd = Set<Arch, T>::odd_lanes(low, high);
}

/// The inverse of unzip.
template <class Arch, class T>
void zip(const Batch<Arch, T>& even, const Batch<Arch, T>& odd, Batch<Arch, T>& low, Batch<Arch, T>& high) {
  low = Set<Arch, T>::zip_low(even, odd);
  high = Set<Arch, T>::zip_high(even, odd);
}

/// The register whose equal parts, one after the other, are loaded from one, two or four places, and the inverse.
template <class Arch, class T, class... P>
[[gnu::always_inline]] inline Batch<Arch, T> join(const P*... parts) {
  return Set<Arch, T>::join(parts...);
}
template <class Arch, class T, class... P>
[[gnu::always_inline]] inline void split(const Batch<Arch, T>& v, P*... parts) {
  Set<Arch, T>::split(v, parts...);
}

/// Transposes the 4x4 squares that each four lanes of four registers make: lane 4 q + i of v[j] was lane 4 q + j of
/// v[i].
template <class Arch, class T>
[[gnu::always_inline]] inline void transpose_fours(Batch<Arch, T>* v) {
  typename Batch<Arch, T>::Raw a = v[0], b = v[1], c = v[2], d = v[3];
  Set<Arch, T>::transpose_fours(a, b, c, d);
  v[0] = a;
  v[1] = b;
  v[2] = c;
  v[3] = d;
}

/// Of tiles in lanes as transpose_fours leaves them (tile t is lane 4 (t mod f) + t / f, f = lanes / 4): what the tile
/// before, or behind, each lane's has; the first, or last, has no meaning.
template <class Arch, class T>
[[gnu::always_inline]] inline Batch<Arch, T> before_tiles(const Batch<Arch, T>& v) {
  return Set<Arch, T>::before_tiles(v);
}
template <class Arch, class T>
[[gnu::always_inline]] inline Batch<Arch, T> behind_tiles(const Batch<Arch, T>& v) {
  return Set<Arch, T>::behind_tiles(v);
}

/// A register of numbers from bytes; reads one byte per lane.
template <class Arch, class T>
Batch<Arch, T> load_bytes(const std::uint8_t* p) {
  return Set<Arch, T>::load_bytes(p);
}

/// Stores the first `count` lanes, or all, integers below 128, as bytes.
template <class Arch, class T>
void store_bytes(const Batch<Arch, T>& value, std::uint8_t* p, std::int64_t count) {
  alignas(16) std::uint8_t bytes[16];
  Set<Arch, T>::store_bytes(value, bytes);
  if (count >= kLanes<Arch, T>) {
    __builtin_memcpy(p, bytes, kLanes<Arch, T>);
  } else {
    __builtin_memcpy(p, bytes, static_cast<std::size_t>(count));
  }
}

}  // namespace evenkeel::kernels::simd
