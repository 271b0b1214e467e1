#include "core/kernels/optimizer.hpp"

#include "core/kernels/isa.hpp"
#include "core/parallel.hpp"

namespace evenkeel::kernels {
namespace {

template <class T>
T* at(T* pointer, std::int64_t i) {
  return pointer == nullptr ? nullptr : pointer + i;
}

}  // namespace

template <class T>
void sgd_step(const SgdStep& step, std::int64_t n, const T* g, T* p, T* buffer) {
  dispatch_isa([&]<class Arch>() {
    parallel_for(0, n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      OptimizerKernels<Arch, T>::sgd(step, end - begin, g + begin, p + begin, at(buffer, begin));
    });
  });
}

template <class T>
void adam_step(const AdamStep& step, std::int64_t n, const T* g, T* p, T* m, T* v, T* v_max) {
  dispatch_isa([&]<class Arch>() {
    parallel_for(0, n, kElementGrain, [&](std::int64_t begin, std::int64_t end) {
      OptimizerKernels<Arch, T>::adam(step, end - begin, g + begin, p + begin, m + begin, v + begin, at(v_max, begin));
    });
  });
}

template void sgd_step(const SgdStep&, std::int64_t, const float*, float*, float*);
template void sgd_step(const SgdStep&, std::int64_t, const double*, double*, double*);
template void adam_step(const AdamStep&, std::int64_t, const float*, float*, float*, float*, float*);
template void adam_step(const AdamStep&, std::int64_t, const double*, double*, double*, double*, double*);

}  // namespace evenkeel::kernels
