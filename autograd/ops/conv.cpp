#include "evenkeel/autograd/ops/conv.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/deferred.hpp"
#include "evenkeel/core/depth_windows.hpp"
#include "evenkeel/core/kernels/conv/conv.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace evenkeel {

template <int D>
ConvPadding<D>::ConvPadding(const char* mode) : same(std::string_view(mode) == "same") {
  require(same || std::string_view(mode) == "valid", concat("conv", D, "d"), "padding must be a number, ",
          D == 1   ? ""
          : D == 2 ? "a pair, "
                   : "three numbers, ",
          "'same' or 'valid', got '", mode, "'");
}

template struct ConvPadding<1>;
template struct ConvPadding<2>;
template struct ConvPadding<3>;

namespace {

struct OpNames {
  std::string_view forward, transposed, input_gradient, weight_gradient;
};
constexpr std::array<OpNames, 3> kNames{{
    {"conv1d", "conv_transpose1d", "conv1d_input_gradient", "conv1d_weight_gradient"},
    {"conv2d", "conv_transpose2d", "conv2d_input_gradient", "conv2d_weight_gradient"},
    {"conv3d", "conv_transpose3d", "conv3d_input_gradient", "conv3d_weight_gradient"},
}};
constexpr OpNames names_of(int axes) { return kNames[static_cast<std::size_t>(axes - 1)]; }

/// A convolution over 1, 2 or 3 axes as one of images, which the kernels know: a line is an image of height 1, a volume
/// one image of (channels, slices) for each of its windows along the depth, or just an image where the depth is 1.
struct Convolution {
  int axes = 2;
  Shape x, weight, y;
  ConvGeometry images;
  DepthWindows depth;

  bool of_volumes() const { return depth.size > 1 || depth.count > 1 || depth.kernel > 1 || depth.pad > 0; }
  std::int64_t batch() const { return images.batch / depth.count; }
  std::int64_t channels() const { return images.channels / depth.kernel; }
};

/// x of the images.
Array image_inputs(const Convolution& c, const Array& x) {
  const ConvGeometry& g = c.images;
  return c.of_volumes() ? unfold_depth(x.reshape({c.batch(), c.channels(), c.depth.size, g.plane()}), c.depth) : x;
}

/// Whether the kernel reads x through the map of a norm, whose channels are those of a batch of images.
template <class T>
bool reads_through_map(const Convolution& c, bool forward) {
  return c.axes == 2 && kernels::reads_through_map<T>(c.images, forward);
}

/// y of the images, contiguous, from y; and the way back.
Array image_outputs(const Convolution& c, const Array& y) {
  const ConvGeometry& g = c.images;
  return c.of_volumes() ? y.reshape({c.batch(), g.out_channels, c.depth.count, g.pixels()}).transpose(1, 2).contiguous()
                        : y.contiguous();
}
Array from_image_outputs(const Convolution& c, const Array& y) {
  const ConvGeometry& g = c.images;
  return c.of_volumes() ? y.reshape({c.batch(), c.depth.count, g.out_channels, g.pixels()}).transpose(1, 2).reshape(c.y)
                        : y;
}

/// A bias that may be undefined, as the kernels take it. Holds the contiguous array.
template <class T>
class BiasPointer {
 public:
  explicit BiasPointer(const Array& bias) : array_(bias.defined() ? bias.contiguous() : Array{}) {}
  const T* get() const { return array_.defined() ? array_.data<T>() : nullptr; }

 private:
  Array array_;
};

Array array_of(const Tensor& bias) { return bias.defined() ? bias.array() : Array{}; }

std::vector<Tensor> with_bias(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return bias.defined() ? std::vector<Tensor>{x, weight, bias} : std::vector<Tensor>{x, weight};
}

/// Sum over batch and space, per channel: the gradient of a bias.
Tensor channel_sums(int axes, const Tensor& dy) {
  const int channel = dy.rank() - axes - 1;
  if (grad_enabled()) {
    Dims others;
    for (int d = 0; d < dy.rank(); ++d) {
      if (d != channel) {
        others.push_back(d);
      }
    }
    return sum(dy, others);
  }
  const std::int64_t batch = channel == 0 ? 1 : dy.size(0), channels = dy.size(channel);
  const std::int64_t inner = numel(Shape(std::span(dy.shape().begin() + channel + 1, dy.shape().end())));
  Array value = Array::empty({channels}, dy.dtype());
  dispatch_float(dy.dtype(), names_of(axes).forward, [&]<class T>() {
    kernels::channel_sums<T>(batch, channels, inner, dy.array().contiguous().data<T>(), value.mutable_data<T>());
  });
  return Tensor(value);
}

// The three products of a convolution. Each is linear in both its factors, and the gradients of each are the two
// others, so derivatives of any order stay within these functions:
//   y = correlate(x, w),  dx = spread(dy, w),  dw = match(x, dy),  with  <y, dy> = <x, dx> = <w, dw>.
Tensor correlate(const Convolution& c, const Tensor& x, const Tensor& weight, const Tensor& bias = {});
Tensor spread(std::string_view op, const Convolution& c, const Tensor& dy, const Tensor& weight,
              const Tensor& bias = {});

/// dbias: gets the gradient of the bias, in the same pass over dy where that gradient needs none itself.
Tensor match(const Convolution& c, const Tensor& x, const Tensor& dy, Tensor* dbias = nullptr) {
  const std::string_view op = names_of(c.axes).weight_gradient;
  Array value = Array::empty(c.weight, x.dtype());
  Array sums = dbias != nullptr && !grad_enabled() ? Array::empty({c.images.out_channels}, x.dtype()) : Array{};
  dispatch_float(x.dtype(), op, [&]<class T>() {
    const MappedInput<T> in(image_inputs(c, x.array()), reads_through_map<T>(c, false));
    kernels::conv2d_weight_gradient<T>(c.images, in.planes(), image_outputs(c, dy.array()).data<T>(),
                                       value.mutable_data<T>(), sums.defined() ? sums.mutable_data<T>() : nullptr);
  });
  if (dbias != nullptr) {
    *dbias = sums.defined() ? Tensor(sums) : channel_sums(c.axes, dy);
  }
  return record({.name = op, .inputs = {x, dy}, .keep = Keep::inputs(2)}, std::move(value),
                [c](const Saved& saved, const Tensor& dw) -> Grads {
                  Grads grads(2);
                  if (saved.needs(0)) {
                    grads[0] = spread(names_of(c.axes).input_gradient, c, saved.input(1), dw);
                  }
                  if (saved.needs(1)) {
                    grads[1] = correlate(c, saved.input(0), dw);
                  }
                  return grads;
                });
}

Tensor correlate(const Convolution& c, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const std::string_view op = names_of(c.axes).forward;
  const ConvGeometry& g = c.images;
  Array value = Array::empty(c.of_volumes() ? Shape{g.batch, g.out_channels, g.pixels()} : c.y, x.dtype());
  dispatch_float(x.dtype(), op, [&]<class T>() {
    const MappedInput<T> in(image_inputs(c, x.array()), reads_through_map<T>(c, true));
    kernels::conv2d<T>(g, in.planes(), weight.array().contiguous().data<T>(), BiasPointer<T>(array_of(bias)).get(),
                       value.mutable_data<T>());
  });
  return record({.name = op, .inputs = with_bias(x, weight, bias), .keep = Keep::inputs(2)},
                from_image_outputs(c, value),
                [c, biased = bias.defined()](const Saved& saved, const Tensor& dy) -> Grads {
                  Grads grads(biased ? 3 : 2);
                  if (saved.needs(0)) {
                    grads[0] = spread(names_of(c.axes).input_gradient, c, dy, saved.input(1));
                  }
                  const bool needs_bias = biased && saved.needs(2);
                  if (saved.needs(1)) {
                    grads[1] = match(c, saved.input(0), dy, needs_bias ? &grads[2] : nullptr);
                  } else if (needs_bias) {
                    grads[2] = channel_sums(c.axes, dy);
                  }
                  return grads;
                });
}

Tensor spread(std::string_view op, const Convolution& c, const Tensor& dy, const Tensor& weight, const Tensor& bias) {
  const ConvGeometry& g = c.images;
  Array value = Array::empty(c.of_volumes() ? Shape{g.batch, g.channels, g.plane()} : c.x, dy.dtype());
  dispatch_float(dy.dtype(), op, [&]<class T>() {
    const BiasPointer<T> added(c.of_volumes() ? Array{} : array_of(bias));  // a volume's comes when it is folded
    kernels::conv2d_input_gradient<T>(g, image_outputs(c, dy.array()).data<T>(), weight.array().contiguous().data<T>(),
                                      added.get(), value.mutable_data<T>());
  });
  if (c.of_volumes()) {
    value = fold_depth(value, c.channels(), c.depth, array_of(bias)).reshape(c.x);
  }
  return record({.name = op, .inputs = with_bias(dy, weight, bias), .keep = Keep::inputs(2)}, std::move(value),
                [c, biased = bias.defined()](const Saved& saved, const Tensor& dx) -> Grads {
                  Grads grads(biased ? 3 : 2);
                  if (saved.needs(0)) {
                    grads[0] = correlate(c, dx, saved.input(1));
                  }
                  if (saved.needs(1)) {
                    grads[1] = match(c, dx, saved.input(0));
                  }
                  if (biased && saved.needs(2)) {
                    grads[2] = channel_sums(c.axes, dx);
                  }
                  return grads;
                });
}

constexpr std::int64_t kLargest = std::int64_t{1} << 31;  // keeps the arithmetic of sizes within 64 bits

/// What both kinds of convolution have in common.
void check_operands(std::string_view op, int axes, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  constexpr std::array<std::string_view, 3> kRanks{"three", "four", "five"};
  check_defined(op, x);
  check_defined(op, weight);
  require<ShapeError>(x.rank() == axes + 1 || x.rank() == axes + 2, op, "the input must be ", axes + 1,
                      "D (unbatched) or ", axes + 2, "D (batched), got shape ", x.shape());
  require<ShapeError>(weight.rank() == axes + 2, op, "weight must have ", kRanks[static_cast<std::size_t>(axes - 1)],
                      " dims, got ", weight.shape());
  const Shape& w = weight.shape();
  require<ShapeError>(*std::min_element(w.begin(), w.end()) > 0 && *std::max_element(w.begin() + 2, w.end()) < kLargest,
                      op, "weight must have no size of 0 and none from 2^31 on, got ", w);
  require<DtypeError>(x.dtype() == weight.dtype(), op, "weight must be ", x.dtype(), ", as the input, got ",
                      weight.dtype());
  check_float(op, x);
  require<ShapeError>(*std::min_element(x.shape().end() - axes, x.shape().end()) > 0, op,
                      "the input must have no spatial size of 0, got shape ", x.shape());
  require<DtypeError>(!bias.defined() || bias.dtype() == x.dtype(), op, "bias must be ", x.dtype(),
                      ", as the input, got ", bias.defined() ? bias.dtype() : x.dtype());
}

template <int D>
void check_options(std::string_view op, const SizeND<D>& stride, const SizeND<D>& padding, const SizeND<D>& dilation,
                   std::int64_t groups) {
  require(all_within(stride, 1), op, "stride must be positive, got ", stride);
  require(all_within(padding, 0), op, "padding must not be negative, got ", padding);
  require(all_within(dilation, 1), op, "dilation must be positive, got ", dilation);
  require(groups > 0, op, "groups must be positive, got ", groups);
  require(all_within(stride, 1, kLargest) && all_within(padding, 0, kLargest) && all_within(dilation, 1, kLargest), op,
          "stride, padding and dilation must be below 2^31");
}

void check_groups(std::string_view op, std::int64_t channels, const Tensor& x, const Tensor& weight,
                  std::int64_t groups, std::int64_t expected) {
  require<ShapeError>(weight.size(0) % groups == 0, op, "Given groups=", groups,
                      ", expected weight to be divisible by ", groups, " at dimension 0, but got weight of size ",
                      weight.shape(), " instead");
  require<ShapeError>(channels == expected, op, "Given groups=", groups, ", weight of size ", weight.shape(),
                      ", expected input", x.shape(), " to have ", expected, " channels, but got ", channels,
                      " channels instead");
}

void check_bias(std::string_view op, const Tensor& weight, const Tensor& bias, std::int64_t groups,
                std::int64_t expected) {
  require<ShapeError>(!bias.defined() || bias.shape() == Shape{expected}, op, "Given groups=", groups,
                      ", weight of size ", weight.shape(), ", expected bias to be 1-dimensional with ", expected,
                      " elements, but got bias of size ", bias.defined() ? bias.shape() : Shape{}, " instead");
}

/// The sizes along the axes; x is what a convolution reads and a transposed one writes.
template <int D>
struct AxisSizes {
  SizeND<D> x, kernel, y, stride, pad, dilation;
};

/// "(6 x 7)"
template <int D>
std::string by(const SizeND<D>& size) {
  std::string text;
  for (int d = 0; d < D; ++d) {
    text += (d == 0 ? "(" : " x ") + std::to_string(size[d]);
  }
  return text + ")";
}

/// `given`, the input of either kind of convolution, with other channels and sizes.
template <int D>
Shape shape_of(const Shape& given, std::int64_t channels, const SizeND<D>& size) {
  Shape shape = given;
  shape[given.rank() - D - 1] = channels;
  for (int d = 0; d < D; ++d) {
    shape[given.rank() - D + d] = size[d];
  }
  return shape;
}

/// A kernel of one slice and one row that stops at each of them sees a volume as an image of all its rows.
template <int D>
AxisSizes<D> with_slices_joined(AxisSizes<D> s) {
  if constexpr (D == 3) {
    const auto joins = [&](int d) { return s.kernel[d] == 1 && s.stride[d] == 1 && s.x[d] == s.y[d] && s.pad[d] == 0; };
    if (joins(0) && joins(1)) {
      for (SizeND<D>* size : {&s.x, &s.y}) {
        *size = {1, (*size)[0] * (*size)[1], (*size)[2]};
      }
    }
  }
  return s;
}

template <int D>
Convolution convolution(const Shape& given, const Shape& weight, std::int64_t groups, const AxisSizes<D>& sizes) {
  const AxisSizes<D> s = with_slices_joined(sizes);
  // Counted from the last axis; one that there is not has size 1 and no padding.
  const auto at = [](const SizeND<D>& size, int axis, std::int64_t otherwise = 1) {
    return axis < D ? size[D - 1 - axis] : otherwise;
  };
  const std::int64_t batch = given.rank() == D + 2 ? given[0] : 1, channels = weight[1] * groups;
  return {.axes = D,
          .x = shape_of(given, channels, sizes.x),
          .weight = weight,
          .y = shape_of(given, weight[0], sizes.y),
          .images = {.batch = batch * at(s.y, 2),
                     .channels = channels * at(s.kernel, 2),
                     .height = at(s.x, 1),
                     .width = at(s.x, 0),
                     .out_channels = weight[0],
                     .out_height = at(s.y, 1),
                     .out_width = at(s.y, 0),
                     .kernel_h = at(s.kernel, 1),
                     .kernel_w = at(s.kernel, 0),
                     .stride_h = at(s.stride, 1),
                     .stride_w = at(s.stride, 0),
                     .pad_top = at(s.pad, 1, 0),
                     .pad_left = at(s.pad, 0),
                     .dilation_h = at(s.dilation, 1),
                     .dilation_w = at(s.dilation, 0),
                     .groups = groups},
          .depth = {.size = at(s.x, 2),
                    .count = at(s.y, 2),
                    .kernel = at(s.kernel, 2),
                    .stride = at(s.stride, 2),
                    .pad = at(s.pad, 2, 0),
                    .dilation = at(s.dilation, 2)}};
}

template <int D>
Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvNdOptions<D>& o) {
  const std::string_view op = names_of(D).forward;
  check_operands(op, D, x, weight, bias);
  check_options(op, o.stride, o.padding.size, o.dilation, o.groups);
  check_groups(op, x.size(-D - 1), x, weight, o.groups, weight.size(1) * o.groups);
  check_bias(op, weight, bias, o.groups, weight.size(0));
  require(!o.padding.same || o.stride == SizeND<D>(1), op, "padding='same' is not supported for strided convolutions");
  AxisSizes<D> s{last_axes<D>(x.shape()), last_axes<D>(weight.shape()), 0, o.stride, o.padding.size, o.dilation};
  SizeND<D> padded = s.x, extent = s.kernel;
  for (int d = 0; d < D; ++d) {
    extent[d] = s.dilation[d] * (s.kernel[d] - 1) + 1;
    s.pad[d] = o.padding.same ? (extent[d] - 1) / 2 : s.pad[d];  // an even kernel's extra cell is after
    padded[d] = o.padding.same ? s.x[d] + extent[d] - 1 : s.x[d] + 2 * s.pad[d];
    s.y[d] = (padded[d] - extent[d]) / s.stride[d] + 1;
  }
  for (int d = 0; d < D; ++d) {
    if (padded[d] < extent[d]) {
      fail<ShapeError>(op, "Calculated padded input size per channel: ", by(padded), ". Kernel size: ", by(extent),
                       ". Kernel size can't be greater than actual input size");
    }
  }
  return correlate(convolution(x.shape(), weight.shape(), o.groups, s), x, weight, bias);
}

/// spread() of the convolution whose y is our x.
template <int D>
Tensor conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTransposeNdOptions<D>& o) {
  const std::string_view op = names_of(D).transposed;
  check_operands(op, D, x, weight, bias);
  check_options(op, o.stride, o.padding, o.dilation, o.groups);
  check_groups(op, x.size(-D - 1), x, weight, o.groups, weight.size(0));
  check_bias(op, weight, bias, o.groups, weight.size(1) * o.groups);
  AxisSizes<D> s{0, last_axes<D>(weight.shape()), last_axes<D>(x.shape()), o.stride, o.padding, o.dilation};
  for (int d = 0; d < D; ++d) {
    const std::int64_t extra = o.output_padding[d];
    require(extra >= 0 && extra < std::max(s.stride[d], s.dilation[d]), op,
            "output_padding must be smaller than either stride or dilation, got ", o.output_padding);
    s.x[d] = (s.y[d] - 1) * s.stride[d] - 2 * s.pad[d] + s.dilation[d] * (s.kernel[d] - 1) + extra + 1;
  }
  if (!all_within(s.x, 1)) {
    fail<ShapeError>(op, "Given input size per channel: ", by(s.y), ". Calculated output size per channel: ", by(s.x),
                     ". Output size is too small. Kernel size: ", by(s.kernel), ", padding: ", s.pad);
  }
  return spread(op, convolution(x.shape(), weight.shape(), o.groups, s), x, weight, bias);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvNdOptions<1>& options) {
  return conv(x, weight, bias, options);
}
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv(x, weight, bias, options);
}
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvNdOptions<3>& options) {
  return conv(x, weight, bias, options);
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeNdOptions<1>& options) {
  return conv_transpose(x, weight, bias, options);
}
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  return conv_transpose(x, weight, bias, options);
}
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeNdOptions<3>& options) {
  return conv_transpose(x, weight, bias, options);
}

}  // namespace evenkeel
