#include "evenkeel/core/kernels/norm/plane_map.hpp"

#include "evenkeel/core/kernels/norm/affine.hpp"
#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

/// f(first plane, pieces of it and its neighbours in the image, how many) for planes [begin, end).
template <class T, class F>
void each_image(const PlaneMap<T>& map, const PlaneSizes& sizes, std::int64_t begin, std::int64_t end, const F& f) {
  while (begin < end) {
    const std::int64_t image = begin / sizes.channels, channel = begin % sizes.channels;
    const std::int64_t count = std::min(end - begin, sizes.channels - channel);
    f(begin, PieceNumbers<T>{map.of(image, channel), nullptr}, Pieces{count, sizes.plane, 1, 0, sizes.plane});
    begin += count;
  }
}

/// f.operator()<Kernels>(first plane, numbers, pieces) on several threads where it pays.
template <class T, class F>
void for_planes(const PlaneMap<T>& map, const PlaneSizes& sizes, const F& f) {
  dispatch_isa([&]<class Arch>() {
    parallel_for(0, sizes.batch * sizes.channels, grain_of(sizes.plane), [&](std::int64_t begin, std::int64_t end) {
      each_image(map, sizes, begin, end, [&](std::int64_t first, const PieceNumbers<T>& numbers, const Pieces& at) {
        f.template operator()<NormalizeKernels<Arch, T>>(first * sizes.plane, numbers, at);
      });
    });
  });
}

/// The statistic of the plane that begins with an element.
std::int64_t statistic_of(const GroupView& view, std::int64_t element) {
  const std::int64_t slice = element / (view.outer * view.groups * view.inner);
  return slice * view.groups + element / view.inner % view.groups;
}

}  // namespace

bool is_plane_map(const NormalizeSpec& spec, const PlaneSizes& sizes) {
  const AffineView& affine = spec.affine;
  const bool own_numbers = affine.params == 0 || (affine.params == sizes.channels && affine.inner == sizes.plane);
  const NormActivation f = spec.activation.f;
  return own_numbers && sizes.plane > 0 && spec.view.inner % sizes.plane == 0 &&
         (f == NormActivation::none || f == NormActivation::relu);
}

std::int64_t image_step_of(const NormalizeSpec& spec, const PlaneSizes& sizes) {
  const bool shared = spec.view.slices == 1 && spec.view.groups * spec.view.inner == sizes.channels * sizes.plane;
  return shared && sizes.batch == spec.view.outer ? 0 : sizes.channels;
}

template <class T>
void fill_pieces(const NormalizeSpec& spec, const PlaneSizes& sizes, std::span<const T> weight, std::span<const T> bias,
                 std::span<const double> mean, std::span<const double> var, Piece<T>* pieces) {
  const detail::Plan plan(spec);
  const detail::AffineStep<T> step{plan, spec, nullptr, weight, bias, mean.data(), var.data()};
  const std::int64_t images = image_step_of(spec, sizes) == 0 ? 1 : sizes.batch;
  for (std::int64_t p = 0; p < images * sizes.channels; ++p) {
    pieces[p] = step.piece(step.standard(statistic_of(spec.view, p * sizes.plane)), p % sizes.channels);
  }
}

template <class T>
void map_planes(const PlaneMap<T>& map, const PlaneSizes& sizes, const T* x, T* y) {
  for_planes(map, sizes, [&]<class K>(std::int64_t first, const PieceNumbers<T>& numbers, const Pieces& at) {
    K::scale(x + first, y + first, at, numbers, map.activation());
  });
}

template <class T>
void map_planes_and_add(const PlaneMap<T>& map, const PlaneSizes& sizes, const T* x, const T* b, bool relu, T* y) {
  for_planes(map, sizes, [&]<class K>(std::int64_t first, const PieceNumbers<T>& numbers, const Pieces& at) {
    K::scale_and_add(x + first, b + first, y + first, at, numbers, map.activation(), relu);
  });
}

template <class T>
PlaneReader<T>::PlaneReader(const MappedPlanes<T>& planes, std::int64_t size)
    : planes_(planes), size_(size), values_(planes.map ? size : 0) {}

template <class T>
const T* PlaneReader<T>::plane(std::int64_t i) {
  const T* const x = planes_.x + i * size_;
  if (!planes_.map) {
    return x;
  }
  dispatch_isa([&]<class Arch>() {
    const PlaneMap<T>& map = planes_.map;
    const Piece<T>* const piece = map.of(i / map.channels, i % map.channels);
    NormalizeKernels<Arch, T>::scale(x, values_.data(), {1, size_, 1, 0, size_}, PieceNumbers<T>{piece, nullptr},
                                     map.activation());
  });
  return values_.data();
}

template void fill_pieces(const NormalizeSpec&, const PlaneSizes&, std::span<const float>, std::span<const float>,
                          std::span<const double>, std::span<const double>, Piece<float>*);
template void fill_pieces(const NormalizeSpec&, const PlaneSizes&, std::span<const double>, std::span<const double>,
                          std::span<const double>, std::span<const double>, Piece<double>*);
template void map_planes(const PlaneMap<float>&, const PlaneSizes&, const float*, float*);
template void map_planes(const PlaneMap<double>&, const PlaneSizes&, const double*, double*);
template void map_planes_and_add(const PlaneMap<float>&, const PlaneSizes&, const float*, const float*, bool, float*);
template void map_planes_and_add(const PlaneMap<double>&, const PlaneSizes&, const double*, const double*, bool,
                                 double*);
template class PlaneReader<float>;
template class PlaneReader<double>;

}  // namespace evenkeel::kernels
