#include "evenkeel/core/kernels/elementwise/optimizer.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel::kernels {
namespace {

template <class T>
T* at(T* pointer, std::int64_t i) {
  return pointer == nullptr ? nullptr : pointer + i;
}

/// Calls run(part, first, last) until all elements of all parts are done. A chunk takes in many small parameters (a
/// network has dozens of a few elements each), or a piece of a large one.
template <class Part, class Run>
void for_each_piece(std::span<const Part> parts, const Run& run) {
  std::int64_t total = 0;
  for (const Part& part : parts) {
    total += part.n;
  }
  parallel_for(0, total, kElementGrain, [&](std::int64_t first, std::int64_t last) {
    std::int64_t begin = 0;  // of the part, in the row of all elements
    for (const Part& part : parts) {
      const std::int64_t from = std::max(first, begin);
      const std::int64_t to = std::min(last, begin + part.n);
      if (from < to) {
        run(part, from - begin, to - begin);
      }
      begin += part.n;
    }
  });
}

}  // namespace

template <class T>
void sgd_step(std::span<const SgdPart<T>> parts) {
  dispatch_isa([&]<class Arch>() {
    for_each_piece(parts, [](const SgdPart<T>& a, std::int64_t i, std::int64_t end) {
      OptimizerKernels<Arch, T>::sgd(a.step, end - i, a.g + i, a.p + i, at(a.buffer, i));
    });
  });
}

template <class T>
void adam_step(std::span<const AdamPart<T>> parts) {
  dispatch_isa([&]<class Arch>() {
    for_each_piece(parts, [](const AdamPart<T>& a, std::int64_t i, std::int64_t end) {
      OptimizerKernels<Arch, T>::adam(a.step, end - i, a.g + i, a.p + i, a.m + i, a.v + i, at(a.v_max, i));
    });
  });
}

template void sgd_step(std::span<const SgdPart<float>>);
template void sgd_step(std::span<const SgdPart<double>>);
template void adam_step(std::span<const AdamPart<float>>);
template void adam_step(std::span<const AdamPart<double>>);

}  // namespace evenkeel::kernels
