#include "evenkeel/core/kernels/reduce/block_sum.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"

namespace evenkeel::kernels {

template <class T>
double block_sum(const T* x, std::int64_t n) {
  return dispatch_isa([&]<class Arch>() { return BlockSumKernels<Arch, T>::sum(n, 1, 0, x); });
}

template double block_sum(const float*, std::int64_t);
template double block_sum(const double*, std::int64_t);

}  // namespace evenkeel::kernels
