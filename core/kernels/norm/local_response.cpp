#include "evenkeel/core/kernels/norm/local_response.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

/// Places of the plane that are done for all channels at once: long enough to be read as a stream (at 256 the gradient
/// takes twice as long), while a window's rows of them stay cached.
constexpr std::int64_t kWidth = 1024;

/// f(first element, width) for every tile.
template <class F>
void each_tile(const LocalResponse& s, const F& f) {
  if (s.batch * s.channels * s.plane == 0) {
    return;
  }
  const std::int64_t tiles = (s.plane + kWidth - 1) / kWidth;
  const std::int64_t grain = std::max<std::int64_t>(1, kElementGrain / (s.channels * std::min(s.plane, kWidth)));
  parallel_for(0, s.batch * tiles, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t place = i % tiles * kWidth;
      f(i / tiles * s.channels * s.plane + place, std::min(kWidth, s.plane - place));
    }
  });
}

}  // namespace

template <class T>
void local_response(const LocalResponse& shape, const T* x, T* y, T* powers) {
  dispatch_isa([&]<class Arch>() {
    each_tile(shape, [&](std::int64_t begin, std::int64_t width) {
      LocalResponseKernels<Arch, T>::forward(shape, width, x + begin, y + begin, powers ? powers + begin : nullptr);
    });
  });
}

template <class T>
void local_response_gradient(const LocalResponse& shape, const T* x, const T* powers, const T* dy, T* dx) {
  dispatch_isa([&]<class Arch>() {
    each_tile(shape, [&](std::int64_t begin, std::int64_t width) {
      Workspace<T> terms((shape.before + shape.after + 1) * kWidth);
      LocalResponseKernels<Arch, T>::gradient(shape, width, x + begin, powers + begin, dy + begin, dx + begin,
                                              terms.data());
    });
  });
}

template void local_response(const LocalResponse&, const float*, float*, float*);
template void local_response(const LocalResponse&, const double*, double*, double*);
template void local_response_gradient(const LocalResponse&, const float*, const float*, const float*, float*);
template void local_response_gradient(const LocalResponse&, const double*, const double*, const double*, double*);

}  // namespace evenkeel::kernels
