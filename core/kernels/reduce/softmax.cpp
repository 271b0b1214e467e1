#include "evenkeel/core/kernels/reduce/softmax.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"

namespace evenkeel::kernels {

template <class T>
void softmax(SoftmaxRuns runs, const T* x, T* y) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::softmax(runs, x, y); });
}

template <class T>
void log_softmax(SoftmaxRuns runs, const T* x, T* y) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::log_softmax(runs, x, y); });
}

template <class T>
void softmax_gradient(SoftmaxRuns runs, const T* dy, const T* y, T* dx) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::softmax_gradient(runs, dy, y, dx); });
}

template <class T>
void log_softmax_gradient(SoftmaxRuns runs, const T* dy, const T* y, T* dx) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::log_softmax_gradient(runs, dy, y, dx); });
}

template <class T>
void softmax_statistics(SoftmaxRuns runs, const T* x, T* largest, double* total) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::statistics(runs, x, largest, total); });
}

template <class T>
void scaled_exponentials(SoftmaxRuns runs, const T* x, const T* largest, const T* scale, const T* shift, T* y) {
  dispatch_isa([&]<class Arch>() { SoftmaxKernels<Arch, T>::scaled_exponentials(runs, x, largest, scale, shift, y); });
}

template void softmax(SoftmaxRuns, const float*, float*);
template void softmax(SoftmaxRuns, const double*, double*);
template void log_softmax(SoftmaxRuns, const float*, float*);
template void log_softmax(SoftmaxRuns, const double*, double*);
template void softmax_gradient(SoftmaxRuns, const float*, const float*, float*);
template void softmax_gradient(SoftmaxRuns, const double*, const double*, double*);
template void log_softmax_gradient(SoftmaxRuns, const float*, const float*, float*);
template void log_softmax_gradient(SoftmaxRuns, const double*, const double*, double*);
template void softmax_statistics(SoftmaxRuns, const float*, float*, double*);
template void softmax_statistics(SoftmaxRuns, const double*, double*, double*);
template void scaled_exponentials(SoftmaxRuns, const float*, const float*, const float*, const float*, float*);
template void scaled_exponentials(SoftmaxRuns, const double*, const double*, const double*, const double*, double*);

}  // namespace evenkeel::kernels
