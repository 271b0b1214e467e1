#include "evenkeel/core/kernels/elementwise/loss.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"

namespace evenkeel::kernels {

template <class T>
double loss_sum(std::size_t op, std::int64_t n, const T* x, const T* t, double a) {
  return dispatch_isa([&]<class Arch>() { return LossKernels<Arch, T>::sum(op, n, x, t, a); });
}

template <class T>
void loss_values(std::size_t op, std::int64_t n, const T* x, const T* t, double a, T* y) {
  dispatch_isa([&]<class Arch>() { LossKernels<Arch, T>::values(op, n, x, t, a, y); });
}

template <class T>
void loss_gradient(std::size_t op, std::int64_t n, const T* dy, bool one_dy, const T* x, const T* t, double a, T* dx) {
  dispatch_isa([&]<class Arch>() { LossKernels<Arch, T>::gradient(op, n, dy, one_dy, x, t, a, dx); });
}

template double loss_sum(std::size_t, std::int64_t, const float*, const float*, double);
template double loss_sum(std::size_t, std::int64_t, const double*, const double*, double);
template void loss_values(std::size_t, std::int64_t, const float*, const float*, double, float*);
template void loss_values(std::size_t, std::int64_t, const double*, const double*, double, double*);
template void loss_gradient(std::size_t, std::int64_t, const float*, bool, const float*, const float*, double, float*);
template void loss_gradient(std::size_t, std::int64_t, const double*, bool, const double*, const double*, double,
                            double*);

}  // namespace evenkeel::kernels
