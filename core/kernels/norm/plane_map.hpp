#pragma once

#include "evenkeel/core/kernels/norm/kernels.hpp"
#include "evenkeel/core/kernels/norm/normalize.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <cstdint>
#include <span>

namespace evenkeel::kernels {

/// Sizes of images: (batch, channels, plane), planes being (height, width).
struct PlaneSizes {
  std::int64_t batch = 0, channels = 0, plane = 0;
};

/// What a norm makes of the planes that it is given, applied by a loop to each number that it loads: with the numbers
/// (kernels.hpp) of channel c of image n, pieces[n image_step + c],
///   y = f(((x - hi) - lo) a + b), f = relu or the identity.
/// So that no pass over memory is spent on y: x, which the norm's gradient needs anyway, is read in its place.
template <class T>
struct PlaneMap {
  const Piece<T>* pieces = nullptr;  ///< null: y = x
  std::int64_t channels = 0;
  std::int64_t image_step = 0;  ///< 0: all images share their channels' numbers
  bool relu = false;

  explicit operator bool() const { return pieces != nullptr; }
  /// The numbers of a channel of an image; those of the next channels follow.
  const Piece<T>* of(std::int64_t image, std::int64_t channel) const { return pieces + image * image_step + channel; }
  FusedActivation activation() const { return {.f = relu ? NormActivation::relu : NormActivation::none}; }
  /// Of the channels from `first` on.
  PlaneMap from(std::int64_t first) const {
    return {pieces != nullptr ? pieces + first : nullptr, channels - first, image_step, relu};
  }
};

/// Planes as a loop reads them.
template <class T>
struct MappedPlanes {
  MappedPlanes(const T* numbers, const PlaneMap<T>& map_of_them = {}) : x(numbers), map(map_of_them) {}
  const T* x;
  PlaneMap<T> map;
};

/// Whether the norm is a PlaneMap: statistics, weight and bias are each plane's own or shared by whole planes.
bool is_plane_map(const NormalizeSpec& spec, const PlaneSizes& sizes);
/// How many numbers it has per image; 0 where images share them.
std::int64_t image_step_of(const NormalizeSpec& spec, const PlaneSizes& sizes);
/// The numbers, sizes.channels of them or image_step for each image.
template <class T>
void fill_pieces(const NormalizeSpec& spec, const PlaneSizes& sizes, std::span<const T> weight, std::span<const T> bias,
                 std::span<const double> mean, std::span<const double> var, Piece<T>* pieces);

/// y = map(x)
template <class T>
void map_planes(const PlaneMap<T>& map, const PlaneSizes& sizes, const T* x, T* y);
/// y = map(x) + b, or relu(map(x) + b)
template <class T>
void map_planes_and_add(const PlaneMap<T>& map, const PlaneSizes& sizes, const T* x, const T* b, bool relu, T* y);

/// Reads planes of `size` one after the other through their map, by way of scratch memory that stays in the cache.
template <class T>
class PlaneReader {
 public:
  PlaneReader(const MappedPlanes<T>& planes, std::int64_t size);
  /// Plane i of batch * channels; valid until the next call.
  const T* plane(std::int64_t i);

 private:
  MappedPlanes<T> planes_;
  std::int64_t size_;
  Workspace<T> values_;
};

}  // namespace evenkeel::kernels
