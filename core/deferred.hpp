#pragma once

#include "evenkeel/core/array.hpp"
#include "evenkeel/core/kernels/norm/plane_map.hpp"

#include <memory>

namespace evenkeel {

// Fusion of passes over memory. An op whose result is a map of one of its inputs gives an array without values
// (Array::deferred), a PlaneImage; an op that reads it applies the map to each number that it loads (MappedInput), and
// whoever asks for the values has them formed, once. So nothing is written that one op alone reads.
//
// Norms defer; convolutions by Winograd's algorithm (forward and weight gradient), sums of two tensors and pools read
// through maps. The values are the same bits, whoever forms them.
//
// Sums over what a convolution writes do not go with its writing: 64 images of 16 channels at 32x32, AVX-512, one core:
// statistics for a norm behind it cost the convolution 0.13 ms, the norm's own pass over them 0.07; the sums of the
// gradient of a norm before it 0.9 and 0.35. Nor does the gradient of a norm: two convolutions would read it.

/// Whether ops that this thread starts may defer their results. So it is at first, unless the environment variable
/// EVENKEEL_FUSE is 0 (else it is 1 or empty; read once, another value ends the program when it starts).
bool fusion_enabled();

/// Turns fusion on or off for the calling thread within a scope. Guards nest; ranks of ThreadGroup::run take over their
/// caller's setting.
class FusionGuard {
 public:
  explicit FusionGuard(bool enabled);
  ~FusionGuard();
  FusionGuard(const FusionGuard&) = delete;
  FusionGuard& operator=(const FusionGuard&) = delete;

 private:
  bool before_;
};

/// The sizes of x, (batch, channels, height, width).
inline kernels::PlaneSizes plane_sizes(const Array& x) { return {x.size(0), x.size(1), x.size(2) * x.size(3)}; }

/// map(x) for a contiguous x of (batch, channels, height, width).
class PlaneImage final : public Deferred {
 public:
  /// pieces: (images, channels, 5) numbers of x's dtype, a kernels::Piece each; of one image where all share them.
  PlaneImage(Array x, Array pieces, bool relu);
  void fill(std::byte* values) const override;

  const Array& x() const { return x_; }
  template <class T>
  kernels::PlaneMap<T> map() const;

 private:
  Array x_, pieces_;
  bool relu_;
};

/// What a loop over planes reads: numbers, and the map to apply to them, if any.
template <class T>
class MappedInput {
 public:
  /// x: (batch, channels, height, width). may_map: whether the loop can apply a map; else values are formed.
  explicit MappedInput(const Array& x, bool may_map = true);
  const kernels::MappedPlanes<T>& planes() const { return planes_; }

 private:
  std::shared_ptr<const Deferred> image_;
  Array values_;
  kernels::MappedPlanes<T> planes_{nullptr};
};

/// a + b, or relu(a + b), as zip() of elementwise.hpp; where one of two equal shapes is a PlaneImage, in the pass that
/// forms it.
Array add_arrays(const Array& a, const Array& b, bool relu);

}  // namespace evenkeel
