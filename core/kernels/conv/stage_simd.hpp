#pragma once

#include "evenkeel/core/kernels/conv/stage.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
namespace simd::conv_stage {

template <class Arch, class T>
void copy_row(const T* x, std::int64_t columns, T* out) {
  using L = Loop<Arch, T>;
  L::each(columns, [&](std::int64_t j, auto tag) { L::store(out + j, L::load(x + j, tag), tag); });
}

/// out[j] = x[2 j]; nothing behind the last of them is read.
template <class Arch, class T>
void copy_row_by_two(const T* x, std::int64_t columns, T* out) {
  using L = Loop<Arch, T>;
  L::each(columns, [&](std::int64_t j, auto tag) {
    const std::int64_t cells = 2 * (columns - j) - 1;
    const T* in = x + 2 * j;
    typename L::V even, odd;
    unzip(L::load(in, Some{cells}), L::load(in + L::kWidth, Some{cells - L::kWidth}), even, odd);
    L::store(out + j, even, tag);
  });
}

/// Both of them in one pass.
template <class Arch, class T>
void unzip_row(const T* x, std::int64_t columns, T* even_out, T* odd_out) {
  using L = Loop<Arch, T>;
  L::each(columns, [&](std::int64_t j, auto tag) {
    const std::int64_t cells = 2 * L::count(tag);
    typename L::V even, odd;
    unzip(L::load(x + 2 * j, Some{cells}), L::load(x + 2 * j + L::kWidth, Some{cells - L::kWidth}), even, odd);
    L::store(even_out + j, even, tag);
    L::store(odd_out + j, odd, tag);
  });
}

}  // namespace simd::conv_stage

template <class Arch, class T>
void StageKernels<Arch, T>::copy(const StageCopy<T>& job) {
  for (std::int64_t c = 0; c < job.planes; ++c) {
    for (std::int64_t i = 0; i < job.rows; ++i) {
      const T* x = job.x + c * job.x_plane + i * job.x_row;
      T* out = job.out + c * job.out_plane + i * job.out_row;
      if (job.odd_out != nullptr) {
        simd::conv_stage::unzip_row<Arch>(x, job.columns, out, job.odd_out + c * job.out_plane + i * job.out_row);
      } else if (job.stride == 1) {
        simd::conv_stage::copy_row<Arch>(x, job.columns, out);
      } else if (job.stride == 2) {
        simd::conv_stage::copy_row_by_two<Arch>(x, job.columns, out);
      } else {
        for (std::int64_t j = 0; j < job.columns; ++j) {
          out[j] = x[j * job.stride];
        }
      }
    }
  }
}

template <class Arch, class T>
void StageKernels<Arch, T>::zip(const PhaseZip<T>& job) {
  using L = simd::Loop<Arch, T>;
  typename L::V low, high;
  for (std::int64_t i = 0; i < job.rows; ++i) {
    const T* even = job.even + i * job.row_stride;
    const T* odd = job.odd + i * job.row_stride;
    T* out = job.out + i * job.out_stride;
    std::int64_t left = job.columns;
    for (; left >= 2 * L::kWidth; left -= 2 * L::kWidth) {
      simd::zip(L::load(even, simd::Whole()), L::load(odd, simd::Whole()), low, high);
      L::store(out, low, simd::Whole());
      L::store(out + L::kWidth, high, simd::Whole());
      even += L::kWidth;
      odd += L::kWidth;
      out += 2 * L::kWidth;
    }
    if (left > 0) {
      simd::zip(L::load(even, simd::Some{(left + 1) / 2}), L::load(odd, simd::Some{left / 2}), low, high);
      L::store(out, low, simd::Some{left});
      L::store(out + L::kWidth, high, simd::Some{left - L::kWidth});
    }
  }
}

template <class Arch, class T>
void StageKernels<Arch, T>::pack(const StagePacking<T>& job) {
  using V = simd::Batch<Arch, T>;
  constexpr std::int64_t kWidth = simd::kLanes<Arch, T>, kMost = 48;  // the widest panel in pixels
  const std::int64_t width = job.segments * kWidth;
  std::int64_t from[kMost], to[kMost], count = 0, end = 0;
  bool halves = true;  // each register is two runs
  for (std::int64_t r = 0; r < job.run_count; ++r) {
    const PanelRun& run = job.runs[r];
    halves = halves && 2 * run.length == kWidth;
    for (std::int64_t j = 0; j < run.length; j += kWidth, ++count) {
      from[count] = run.from + j;
      to[count] = run.to + j;
    }
    end = run.to + run.length;
  }
  if (halves && count % 2 == 0) {
    for (std::int64_t k = 0; k < job.step_count; ++k) {
      const T* x = job.x + job.steps[k].b;
      for (std::int64_t i = 0; i < count; i += 2) {
        const V both = simd::join<Arch, T>(x + from[i], x + from[i + 1]);
        both.store_aligned(job.b + k * width + i / 2 * kWidth);
      }
    }
    return;
  }
  for (std::int64_t k = 0; k < job.step_count; ++k) {
    const T* x = job.x + job.steps[k].b;
    T* b = job.b + k * width;
    for (std::int64_t i = 0; i < count; ++i) {  // what a register has too much, the next one writes again
      V::load_unaligned(x + from[i]).store_unaligned(b + to[i]);
    }
    if (end < width) {
      V(T(0)).store_unaligned(b + end);
    }
  }
}

}  // namespace evenkeel::kernels
