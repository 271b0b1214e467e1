#include "evenkeel/core/kernels/elementwise/unary.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"

namespace evenkeel::kernels {

template <class T>
void unary(std::size_t op, std::int64_t n, const T* x, T* y, Scalars s) {
  dispatch_isa([&]<class Arch>() { UnaryKernels<Arch, T>::forward(op, n, x, y, s); });
}

template <class T>
void unary_gradient(std::size_t op, std::int64_t n, const T* dy, const T* v, T* dx, Scalars s) {
  dispatch_isa([&]<class Arch>() { UnaryKernels<Arch, T>::gradient(op, n, dy, v, dx, s); });
}

template void unary(std::size_t, std::int64_t, const float*, float*, Scalars);
template void unary(std::size_t, std::int64_t, const double*, double*, Scalars);
template void unary_gradient(std::size_t, std::int64_t, const float*, const float*, float*, Scalars);
template void unary_gradient(std::size_t, std::int64_t, const double*, const double*, double*, Scalars);

}  // namespace evenkeel::kernels
