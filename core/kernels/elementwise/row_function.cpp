#include "evenkeel/core/kernels/elementwise/row_function.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"

namespace evenkeel::kernels {

template <class T>
void row_function(std::size_t op, std::int64_t n, const T* x, T* y, T* u, const RowNumbers<T>& row) {
  dispatch_isa([&]<class Arch>() { RowFunctionKernels<Arch, T>::forward(op, n, x, y, u, row); });
}

template <class T>
void row_function_gradient(std::size_t op, std::int64_t n, const T* x, const T* u, const T* dy, T* dx,
                           const RowNumbers<T>& row, double* sums) {
  dispatch_isa([&]<class Arch>() { RowFunctionKernels<Arch, T>::gradient(op, n, x, u, dy, dx, row, sums); });
}

template void row_function(std::size_t, std::int64_t, const float*, float*, float*, const RowNumbers<float>&);
template void row_function(std::size_t, std::int64_t, const double*, double*, double*, const RowNumbers<double>&);
template void row_function_gradient(std::size_t, std::int64_t, const float*, const float*, const float*, float*,
                                    const RowNumbers<float>&, double*);
template void row_function_gradient(std::size_t, std::int64_t, const double*, const double*, const double*, double*,
                                    const RowNumbers<double>&, double*);

}  // namespace evenkeel::kernels
