#include "evenkeel/core/kernels/elementwise/optimizer.hpp"

#include "evenkeel/core/kernels/simd/isa.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::kernels {
namespace {

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

/// The arrays of state from element i on.
template <class T>
std::array<T*, kMostStates> state_at(const OptimizerPart<T>& part, std::int64_t i) {
  std::array<T*, kMostStates> state = part.state;
  for (T*& array : state) {
    array = array == nullptr ? nullptr : array + i;
  }
  return state;
}

}  // namespace

template <class T>
void optimizer_step(std::size_t rule, std::span<const OptimizerPart<T>> parts) {
  dispatch_isa([&]<class Arch>() {
    for_each_piece(parts, [rule](const OptimizerPart<T>& a, std::int64_t i, std::int64_t end) {
      OptimizerKernels<Arch, T>::step(rule, a.numbers, end - i, a.g + i, a.p + i, state_at(a, i).data());
    });
  });
}

template <class T>
std::array<double, 2> optimizer_norms(std::size_t rule, const OptimizerPart<T>& a, std::span<double> room) {
  const std::span<double> sums = room.first(norm_room(a.n));  // two for each block
  std::ranges::fill(sums, 0.0);
  dispatch_isa([&]<class Arch>() {
    parallel_for(0, a.n, kElementGrain, [&](std::int64_t i, std::int64_t end) {
      OptimizerKernels<Arch, T>::add_squares(rule, a.numbers, end - i, a.g + i, a.p + i, state_at(a, i).data(),
                                             &sums[static_cast<std::size_t>(2 * (i / kElementGrain))]);
    });
  });
  std::array<double, 2> total{};
  for (std::size_t i = 0; i < sums.size(); i += 2) {
    total[0] += sums[i];
    total[1] += sums[i + 1];
  }
  return {std::sqrt(total[0]), std::sqrt(total[1])};
}

std::size_t norm_room(std::int64_t n) { return 2 * static_cast<std::size_t>((n + kElementGrain - 1) / kElementGrain); }

template void optimizer_step(std::size_t, std::span<const OptimizerPart<float>>);
template void optimizer_step(std::size_t, std::span<const OptimizerPart<double>>);
template std::array<double, 2> optimizer_norms(std::size_t, const OptimizerPart<float>&, std::span<double>);
template std::array<double, 2> optimizer_norms(std::size_t, const OptimizerPart<double>&, std::span<double>);

}  // namespace evenkeel::kernels
