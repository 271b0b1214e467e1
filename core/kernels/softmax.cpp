#include "core/kernels/softmax.hpp"

#include "core/kernels/isa.hpp"

namespace evenkeel::kernels {

template <class T>
void softmax(std::int64_t rows, std::int64_t n, const T* x, T* y) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::softmax(rows, n, x, y); });
}

template <class T>
void log_softmax(std::int64_t rows, std::int64_t n, const T* x, T* y) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::log_softmax(rows, n, x, y); });
}

template <class T>
void softmax_gradient(std::int64_t rows, std::int64_t n, const T* dy, const T* y, T* dx) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::softmax_gradient(rows, n, dy, y, dx); });
}

template <class T>
void log_softmax_gradient(std::int64_t rows, std::int64_t n, const T* dy, const T* y, T* dx) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::log_softmax_gradient(rows, n, dy, y, dx); });
}

template void softmax(std::int64_t, std::int64_t, const float*, float*);
template void softmax(std::int64_t, std::int64_t, const double*, double*);
template void log_softmax(std::int64_t, std::int64_t, const float*, float*);
template void log_softmax(std::int64_t, std::int64_t, const double*, double*);
template void softmax_gradient(std::int64_t, std::int64_t, const float*, const float*, float*);
template void softmax_gradient(std::int64_t, std::int64_t, const double*, const double*, double*);
template void log_softmax_gradient(std::int64_t, std::int64_t, const float*, const float*, float*);
template void log_softmax_gradient(std::int64_t, std::int64_t, const double*, const double*, double*);

}  // namespace evenkeel::kernels
