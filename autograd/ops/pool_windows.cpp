#include "evenkeel/autograd/ops/pool_windows.hpp"

namespace evenkeel {
namespace {

/// Outputs along one axis of `size` cells. With ceil_mode the last window may hang over the end, but must start inside
/// the input or the padding before it.
std::int64_t pooled_size(std::int64_t size, std::int64_t extent, std::int64_t stride, std::int64_t pad,
                         bool ceil_mode) {
  const std::int64_t room = size + 2 * pad - extent;
  if (room < 0 && (!ceil_mode || room + stride - 1 < 0)) {
    return 0;
  }
  const std::int64_t outputs = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  return ceil_mode && (outputs - 1) * stride >= size + pad ? outputs - 1 : outputs;
}

/// "2 x 3": the last `dims` sizes.
std::string joined(const PoolSizes& sizes, int dims, const char* between) {
  std::string text;
  for (auto size = sizes.end() - dims; size != sizes.end(); ++size) {
    text += (text.empty() ? "" : between) + std::to_string(*size);
  }
  return text;
}

}  // namespace

void check_pool_input(std::string_view op, const Tensor& x, int dims) {
  check_float(op, x);
  const int first = x.rank() == dims + 2 ? 1 : 0;
  const bool ranks = x.rank() == dims + 1 || x.rank() == dims + 2;
  require<ShapeError>(ranks && std::all_of(x.shape().begin() + (ranks ? first : x.rank()), x.shape().end(),
                                           [](std::int64_t size) { return size > 0; }),
                      op, "the input must be ", dims + 1, "D or ", dims + 2,
                      "D, with no size of 0 but the batch's, got shape ", x.shape());
}

PoolSizes SlidingWindows::extent() const {
  PoolSizes sizes;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    sizes[i] = dilation[i] * (kernel[i] - 1) + 1;
  }
  return sizes;
}

Pooling Pooling::sliding(const PoolNames& names, const Tensor& x, const SlidingWindows& w) {
  check_pool_input(names.op, x, w.dims);
  Pooling p{names, w.dims, PoolSizes(x.shape(), w.dims), {}, 0};
  const PoolSizes extent = w.extent();
  PoolSizes padded = p.in;
  for (std::size_t i = 0; i < padded.size(); ++i) {
    padded[i] += 2 * w.padding[i];
    p.out[i] = pooled_size(p.in[i], extent[i], w.stride[i], w.padding[i], w.ceil_mode);
  }
  if (std::any_of(p.out.begin(), p.out.end(), [](std::int64_t size) { return size < 1; })) {
    fail<ShapeError>(names.op, "Given input size: ", x.shape(), ". Calculated output size: (",
                     joined(p.out, p.dims, "x"), "). Output size is too small. Kernel size with its dilation: (",
                     joined(extent, p.dims, " x "), "), padded input size: (", joined(padded, p.dims, " x "), ")");
  }
  p.planes = x.numel() / p.in.cells();
  return p;
}

Pooling Pooling::adaptive(const PoolNames& names, const Tensor& x, int dims, PoolSizes out) {
  check_pool_input(names.op, x, dims);
  const PoolSizes in(x.shape(), dims);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = out[i] == 0 ? in[i] : out[i];
  }
  const Pooling p{names, dims, in, out, x.numel() / in.cells()};
  numel(p.output_shape(x), names.op);
  return p;
}

SlidingPool Pooling::sliding_pool(const SlidingWindows& w) const {
  return {.planes = planes,
          .height = in[1],
          .width = in[2],
          .out_height = out[1],
          .out_width = out[2],
          .kernel_h = w.kernel[1],
          .kernel_w = w.kernel[2],
          .stride_h = w.stride[1],
          .stride_w = w.stride[2],
          .pad_h = w.padding[1],
          .pad_w = w.padding[2]};
}

PoolGeometry Pooling::geometry(const SlidingWindows& w) const {
  const auto axis = [&](std::size_t i) {
    return sliding_windows(in[i], out[i], w.kernel[i], w.stride[i], w.padding[i], w.dilation[i]);
  };
  return {planes, in[1], in[2], axis(1), axis(2), in[0], axis(0)};
}

PoolGeometry Pooling::adaptive_geometry() const {
  const auto axis = [&](std::size_t i) { return adaptive_windows(in[i], out[i]); };
  return {planes, in[1], in[2], axis(1), axis(2), in[0], axis(0)};
}

}  // namespace evenkeel
