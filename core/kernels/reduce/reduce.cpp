#include "evenkeel/core/kernels/reduce/reduce.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"

namespace evenkeel::kernels {

template <class T>
void reduce_rows(std::size_t op, std::int64_t rows, std::int64_t n, const T* x, ReduceTarget target) {
  dispatch_isa([&]<class Arch>() { ReduceKernels<Arch, T>::rows(op, rows, n, x, target); });
}

template <class T>
void reduce_columns(std::size_t op, std::int64_t rows, std::int64_t columns, std::int64_t pitch, const T* x,
                    ReduceTarget target) {
  dispatch_isa([&]<class Arch>() { ReduceKernels<Arch, T>::columns(op, rows, columns, pitch, x, target); });
}

template void reduce_rows(std::size_t, std::int64_t, std::int64_t, const float*, ReduceTarget);
template void reduce_rows(std::size_t, std::int64_t, std::int64_t, const double*, ReduceTarget);
template void reduce_columns(std::size_t, std::int64_t, std::int64_t, std::int64_t, const float*, ReduceTarget);
template void reduce_columns(std::size_t, std::int64_t, std::int64_t, std::int64_t, const double*, ReduceTarget);

}  // namespace evenkeel::kernels
