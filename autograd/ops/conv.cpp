#include "evenkeel/autograd/ops/conv.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/deferred.hpp"
#include "evenkeel/core/kernels/conv/conv.hpp"

#include <algorithm>

namespace evenkeel {

Padding::Padding(const char* mode) : same(std::string_view(mode) == "same") {
  require(same || std::string_view(mode) == "valid", "conv2d",
          "padding must be a number, a pair, 'same' or 'valid', got '", mode, "'");
}

namespace {

/// A bias that may be undefined, as the kernels take it. Holds the contiguous array.
template <class T>
class BiasPointer {
 public:
  explicit BiasPointer(const Tensor& bias) : array_(bias.defined() ? bias.array().contiguous() : Array{}) {}
  const T* get() const { return array_.defined() ? array_.data<T>() : nullptr; }

 private:
  Array array_;
};

std::vector<Tensor> with_bias(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return bias.defined() ? std::vector<Tensor>{x, weight, bias} : std::vector<Tensor>{x, weight};
}

/// Sum over batch and space, per channel: the gradient of a bias.
Tensor channel_sums(const Tensor& dy) {
  if (grad_enabled()) {
    return sum(dy, {0, 2, 3});
  }
  Array value = Array::empty({dy.size(1)}, dy.dtype());
  dispatch_float(dy.dtype(), "conv2d", [&]<class T>() {
    kernels::channel_sums<T>(dy.size(0), dy.size(1), dy.size(2) * dy.size(3), dy.array().contiguous().data<T>(),
                             value.mutable_data<T>());
  });
  return Tensor(value);
}

// The three products of a convolution. Each is linear in both its factors, and the gradients of each are the two
// others, so derivatives of any order stay within these functions:
//   y = correlate(x, w),  dx = spread(dy, w),  dw = match(x, dy),  with  <y, dy> = <x, dx> = <w, dw>.
Tensor correlate(const ConvGeometry& g, const Tensor& x, const Tensor& weight, const Tensor& bias = {});
Tensor spread(std::string_view op, const ConvGeometry& g, const Tensor& dy, const Tensor& weight,
              const Tensor& bias = {});

/// dbias: gets the gradient of the bias, in the same pass over dy where that gradient needs none itself.
Tensor match(const ConvGeometry& g, const Tensor& x, const Tensor& dy, Tensor* dbias = nullptr) {
  Array value = Array::empty({g.out_channels, g.group_channels(), g.kernel_h, g.kernel_w}, x.dtype());
  Array sums = dbias != nullptr && !grad_enabled() ? Array::empty({g.out_channels}, x.dtype()) : Array{};
  dispatch_float(x.dtype(), "conv2d", [&]<class T>() {
    const MappedInput<T> in(x.array(), kernels::reads_through_map<T>(g, false));
    kernels::conv2d_weight_gradient<T>(g, in.planes(), dy.array().contiguous().data<T>(), value.mutable_data<T>(),
                                       sums.defined() ? sums.mutable_data<T>() : nullptr);
  });
  if (dbias != nullptr) {
    *dbias = sums.defined() ? Tensor(sums) : channel_sums(dy);
  }
  return record({.name = "conv2d_weight_gradient", .inputs = {x, dy}, .keep = Keep::inputs(2)}, std::move(value),
                [g](const Saved& saved, const Tensor& dw) -> Grads {
                  Grads grads(2);
                  if (saved.needs(0)) {
                    grads[0] = spread("conv2d_input_gradient", g, saved.input(1), dw);
                  }
                  if (saved.needs(1)) {
                    grads[1] = correlate(g, saved.input(0), dw);
                  }
                  return grads;
                });
}

Tensor correlate(const ConvGeometry& g, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Array value = Array::empty({g.batch, g.out_channels, g.out_height, g.out_width}, x.dtype());
  dispatch_float(x.dtype(), "conv2d", [&]<class T>() {
    const MappedInput<T> in(x.array(), kernels::reads_through_map<T>(g, true));
    kernels::conv2d<T>(g, in.planes(), weight.array().contiguous().data<T>(), BiasPointer<T>(bias).get(),
                       value.mutable_data<T>());
  });
  return record({.name = "conv2d", .inputs = with_bias(x, weight, bias), .keep = Keep::inputs(2)}, std::move(value),
                [g, biased = bias.defined()](const Saved& saved, const Tensor& dy) -> Grads {
                  Grads grads(biased ? 3 : 2);
                  if (saved.needs(0)) {
                    grads[0] = spread("conv2d_input_gradient", g, dy, saved.input(1));
                  }
                  const bool needs_bias = biased && saved.needs(2);
                  if (saved.needs(1)) {
                    grads[1] = match(g, saved.input(0), dy, needs_bias ? &grads[2] : nullptr);
                  } else if (needs_bias) {
                    grads[2] = channel_sums(dy);
                  }
                  return grads;
                });
}

Tensor spread(std::string_view op, const ConvGeometry& g, const Tensor& dy, const Tensor& weight, const Tensor& bias) {
  Array value = Array::empty({g.batch, g.channels, g.height, g.width}, dy.dtype());
  dispatch_float(dy.dtype(), op, [&]<class T>() {
    const Array in = dy.array().contiguous();
    kernels::conv2d_input_gradient<T>(g, in.data<T>(), weight.array().contiguous().data<T>(),
                                      BiasPointer<T>(bias).get(), value.mutable_data<T>());
  });
  return record({.name = op, .inputs = with_bias(dy, weight, bias), .keep = Keep::inputs(2)}, std::move(value),
                [g, biased = bias.defined()](const Saved& saved, const Tensor& dx) -> Grads {
                  Grads grads(biased ? 3 : 2);
                  if (saved.needs(0)) {
                    grads[0] = correlate(g, dx, saved.input(1));
                  }
                  if (saved.needs(1)) {
                    grads[1] = match(g, dx, saved.input(0));
                  }
                  if (biased && saved.needs(2)) {
                    grads[2] = channel_sums(dx);
                  }
                  return grads;
                });
}

constexpr std::int64_t kLargest = std::int64_t{1} << 31;  // keeps the arithmetic of sizes within 64 bits

/// What conv2d and conv_transpose2d have in common; `outputs` is the weight dim that bias goes with.
void check_operands(std::string_view op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_defined(op, x);
  check_defined(op, weight);
  require<ShapeError>(x.rank() == 3 || x.rank() == 4, op,
                      "the input must be 3D (unbatched) or 4D (batched), got shape ", x.shape());
  require<ShapeError>(weight.rank() == 4, op, "weight must have four dims, got ", weight.shape());
  require<ShapeError>(std::min({weight.size(0), weight.size(1), weight.size(2), weight.size(3)}) > 0 &&
                          std::max(weight.size(2), weight.size(3)) < kLargest,
                      op, "weight must have no size of 0 and none from 2^31 on, got ", weight.shape());
  require<DtypeError>(x.dtype() == weight.dtype(), op, "weight must be ", x.dtype(), ", as the input, got ",
                      weight.dtype());
  check_float(op, x);
  require<ShapeError>(x.size(-1) > 0 && x.size(-2) > 0, op, "the input must have no spatial size of 0, got shape ",
                      x.shape());
  require<DtypeError>(!bias.defined() || bias.dtype() == x.dtype(), op, "bias must be ", x.dtype(),
                      ", as the input, got ", bias.defined() ? bias.dtype() : x.dtype());
}

void check_options(std::string_view op, Size2 stride, Size2 padding, Size2 dilation, std::int64_t groups) {
  require(stride.h > 0 && stride.w > 0, op, "stride must be positive, got (", stride.h, ", ", stride.w, ")");
  require(padding.h >= 0 && padding.w >= 0, op, "padding must not be negative, got (", padding.h, ", ", padding.w, ")");
  require(dilation.h > 0 && dilation.w > 0, op, "dilation must be positive, got (", dilation.h, ", ", dilation.w, ")");
  require(groups > 0, op, "groups must be positive, got ", groups);
  require(std::max({stride.h, stride.w, padding.h, padding.w, dilation.h, dilation.w}) < kLargest, op,
          "stride, padding and dilation must be below 2^31");
}

void check_groups(std::string_view op, const Tensor& x, const Tensor& weight, std::int64_t groups,
                  std::int64_t expected) {
  require<ShapeError>(weight.size(0) % groups == 0, op, "Given groups=", groups,
                      ", expected weight to be divisible by ", groups, " at dimension 0, but got weight of size ",
                      weight.shape(), " instead");
  require<ShapeError>(x.size(-3) == expected, op, "Given groups=", groups, ", weight of size ", weight.shape(),
                      ", expected input", x.shape(), " to have ", expected, " channels, but got ", x.size(-3),
                      " channels instead");
}

void check_bias(std::string_view op, const Tensor& weight, const Tensor& bias, std::int64_t groups,
                std::int64_t expected) {
  require<ShapeError>(!bias.defined() || bias.shape() == Shape{expected}, op, "Given groups=", groups,
                      ", weight of size ", weight.shape(), ", expected bias to be 1-dimensional with ", expected,
                      " elements, but got bias of size ", bias.defined() ? bias.shape() : Shape{}, " instead");
}

ConvGeometry conv_geometry(const Tensor& x, const Tensor& weight, const ConvOptions& options) {
  ConvGeometry g{.batch = x.rank() == 4 ? x.size(0) : 1,
                 .channels = x.size(-3),
                 .height = x.size(-2),
                 .width = x.size(-1),
                 .out_channels = weight.size(0),
                 .kernel_h = weight.size(2),
                 .kernel_w = weight.size(3),
                 .stride_h = options.stride.h,
                 .stride_w = options.stride.w,
                 .pad_top = options.padding.size.h,
                 .pad_left = options.padding.size.w,
                 .dilation_h = options.dilation.h,
                 .dilation_w = options.dilation.w,
                 .groups = options.groups};
  const std::int64_t extent_h = g.dilation_h * (g.kernel_h - 1) + 1;
  const std::int64_t extent_w = g.dilation_w * (g.kernel_w - 1) + 1;
  if (options.padding.same) {
    require(g.stride_h == 1 && g.stride_w == 1, "conv2d", "padding='same' is not supported for strided convolutions");
    g.pad_top = (extent_h - 1) / 2;  // an even kernel's extra cell is after
    g.pad_left = (extent_w - 1) / 2;
    g.out_height = g.height;
    g.out_width = g.width;
    return g;
  }
  const std::int64_t padded_h = g.height + 2 * g.pad_top;
  const std::int64_t padded_w = g.width + 2 * g.pad_left;
  require<ShapeError>(padded_h >= extent_h && padded_w >= extent_w, "conv2d",
                      "Calculated padded input size per channel: (", padded_h, " x ", padded_w, "). Kernel size: (",
                      extent_h, " x ", extent_w, "). Kernel size can't be greater than actual input size");
  g.out_height = (padded_h - extent_h) / g.stride_h + 1;
  g.out_width = (padded_w - extent_w) / g.stride_w + 1;
  return g;
}

/// The convolution whose input gradient the transposed convolution is: its y is our x.
ConvGeometry transposed_geometry(const Tensor& x, const Tensor& weight, const ConvTransposeOptions& options) {
  ConvGeometry g{.batch = x.rank() == 4 ? x.size(0) : 1,
                 .channels = weight.size(1) * options.groups,
                 .out_channels = x.size(-3),
                 .out_height = x.size(-2),
                 .out_width = x.size(-1),
                 .kernel_h = weight.size(2),
                 .kernel_w = weight.size(3),
                 .stride_h = options.stride.h,
                 .stride_w = options.stride.w,
                 .pad_top = options.padding.h,
                 .pad_left = options.padding.w,
                 .dilation_h = options.dilation.h,
                 .dilation_w = options.dilation.w,
                 .groups = options.groups};
  g.height =
      (g.out_height - 1) * g.stride_h - 2 * g.pad_top + g.dilation_h * (g.kernel_h - 1) + options.output_padding.h + 1;
  g.width =
      (g.out_width - 1) * g.stride_w - 2 * g.pad_left + g.dilation_w * (g.kernel_w - 1) + options.output_padding.w + 1;
  require<ShapeError>(g.height > 0 && g.width > 0, "conv_transpose2d", "Given input size per channel: (", g.out_height,
                      " x ", g.out_width, "). Calculated output size per channel: (", g.height, " x ", g.width,
                      "). Output size is too small. Kernel size: (", g.kernel_h, " x ", g.kernel_w, "), padding: (",
                      g.pad_top, ", ", g.pad_left, ")");
  return g;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  check_operands("conv2d", x, weight, bias);
  check_options("conv2d", options.stride, options.padding.size, options.dilation, options.groups);
  check_groups("conv2d", x, weight, options.groups, weight.size(1) * options.groups);
  check_bias("conv2d", weight, bias, options.groups, weight.size(0));
  const ConvGeometry g = conv_geometry(x, weight, options);
  return x.rank() == 4 ? correlate(g, x, weight, bias) : squeeze(correlate(g, unsqueeze(x, 0), weight, bias), 0);
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  constexpr std::string_view kOp = "conv_transpose2d";
  check_operands(kOp, x, weight, bias);
  check_options(kOp, options.stride, options.padding, options.dilation, options.groups);
  check_groups(kOp, x, weight, options.groups, weight.size(0));
  check_bias(kOp, weight, bias, options.groups, weight.size(1) * options.groups);
  const Size2 extra = options.output_padding;
  require(extra.h >= 0 && extra.w >= 0 && extra.h < std::max(options.stride.h, options.dilation.h) &&
              extra.w < std::max(options.stride.w, options.dilation.w),
          kOp, "output_padding must be smaller than either stride or dilation, got (", extra.h, ", ", extra.w, ")");
  const ConvGeometry g = transposed_geometry(x, weight, options);
  return x.rank() == 4 ? spread(kOp, g, x, weight, bias) : squeeze(spread(kOp, g, unsqueeze(x, 0), weight, bias), 0);
}

}  // namespace evenkeel
