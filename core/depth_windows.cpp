#include "evenkeel/core/depth_windows.hpp"

#include "evenkeel/core/kernels/elementwise/binary.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

namespace evenkeel {

Array unfold_depth(const Array& x, const DepthWindows& w) {
  const std::int64_t batch = x.size(0), channels = x.size(1), plane = x.size(3);
  Array images = Array::empty({batch * w.count, channels * w.kernel, plane}, x.dtype());
  const Array source = x.contiguous();
  dispatch_float(x.dtype(), "unfold_depth", [&]<class T>() {
    const T* from = source.data<T>();
    T* to = images.mutable_data<T>();
    const std::int64_t slices = batch * w.count * channels * w.kernel;
    parallel_for(0, slices, grain_of(plane), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t k = i % w.kernel, c = i / w.kernel % channels, window = i / w.kernel / channels;
        const std::int64_t slice = window % w.count * w.stride - w.pad + k * w.dilation;
        if (slice >= 0 && slice < w.size) {
          std::copy_n(from + ((window / w.count * channels + c) * w.size + slice) * plane, plane, to + i * plane);
        } else {
          std::fill_n(to + i * plane, plane, T(0));
        }
      }
    });
  });
  return images;
}

Array fold_depth(const Array& images, std::int64_t channels, const DepthWindows& w, const Array& bias) {
  const std::int64_t batch = images.size(0) / w.count, plane = images.size(2);
  Array x = Array::empty({batch, channels, w.size, plane}, images.dtype());
  const Array source = images.contiguous(), start = bias.defined() ? bias.contiguous() : Array();
  dispatch_float(images.dtype(), "fold_depth", [&]<class T>() {
    const T* from = source.data<T>();
    const T* added = start.defined() ? start.data<T>() : nullptr;
    T* to = x.mutable_data<T>();
    parallel_for(0, batch * channels * w.size, grain_of(w.kernel * plane), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t slice = i % w.size, c = i / w.size % channels, image = i / w.size / channels;
        std::fill_n(to + i * plane, plane, added != nullptr ? added[c] : T(0));
        for (std::int64_t k = 0; k < w.kernel; ++k) {
          const std::int64_t start_of_window = slice + w.pad - k * w.dilation, window = start_of_window / w.stride;
          if (start_of_window >= 0 && start_of_window % w.stride == 0 && window < w.count) {
            const std::int64_t row = (image * w.count + window) * channels + c;
            kernels::add_scaled(plane, T(1), from + (row * w.kernel + k) * plane, to + i * plane);
          }
        }
      }
    });
  });
  return x;
}

}  // namespace evenkeel
