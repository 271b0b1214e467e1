// Wrong options and inputs of the layers and of the documented networks.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/models/cifar_resnet.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/init.hpp"
#include "evenkeel/nn/pool.hpp"
#include "evenkeel/nn/squeeze_excitation.hpp"
#include "tests/errors/wrong_calls.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The constructors take a generator, which must not have moved when they refuse.
template <class M, class... Args>
auto make(Args... args) {
  return [=](World& w) { return std::make_unique<M>(args..., w.generator)->training(); };
}
auto conv(std::int64_t in, std::int64_t out, const nn::Conv2dOptions& options) {
  return [=](World& w) { return std::make_unique<nn::Conv2d>(in, out, w.generator, options)->training(); };
}
auto transposed(const nn::ConvTranspose2dOptions& options) {
  return [=](World& w) { return std::make_unique<nn::ConvTranspose2d>(4, 4, w.generator, options)->training(); };
}
template <class M>
auto pool(const typename M::Options& options) {
  return [=](World&) { return M(options).training(); };
}

WrongCalls wrong_options() {
  return {
      wrong<ValueError>("Conv2d: in_channels and out_channels must be positive, got 0 and 4",
                        conv(0, 4, {.kernel_size = 3})),
      wrong<ValueError>("Conv2d: groups must be a positive integer, got 0",
                        conv(4, 4, {.kernel_size = 3, .groups = 0})),
      wrong<ValueError>("Conv2d: in_channels must be divisible by groups, got 3 and 2",
                        conv(3, 4, {.kernel_size = 3, .groups = 2})),
      wrong<ValueError>("Conv2d: out_channels must be divisible by groups, got 3 and 2",
                        conv(4, 3, {.kernel_size = 3, .groups = 2})),
      wrong<ValueError>("Conv2d: kernel_size must be positive, got (3, 0)", conv(4, 4, {.kernel_size = Size2(3, 0)})),
      wrong<ValueError>("Conv2d: stride must be positive, got (-1, -1)", conv(4, 4, {.kernel_size = 3, .stride = -1})),
      wrong<ValueError>("Conv2d: dilation must be positive, got (0, 0)", conv(4, 4, {.kernel_size = 3, .dilation = 0})),
      wrong<ValueError>("Conv2d: padding must not be negative, got (-1, -1)",
                        conv(4, 4, {.kernel_size = 3, .padding = -1})),
      wrong<ValueError>("Conv2d: padding='same' is not supported for strided convolutions, got stride (2, 2)",
                        conv(4, 4, {.kernel_size = 3, .stride = 2, .padding = "same"})),
      wrong<ShapeError>("empty: shape [4611686018427387904...",
                        conv(std::int64_t{1} << 62, std::int64_t{1} << 62, {.kernel_size = 3})),
      wrong<ShapeError>("Conv2d: the weight must have 4 dims, got shape [3]",
                        [](World&) { return nn::Conv2d(Array::ones({3})).training(); }),
      wrong<ShapeError>("Conv2d: the bias must have shape [4], got [3]",
                        [](World&) {
                          return nn::Conv2d(Array::ones({4, 3, 3, 3}), Array::ones({3})).training();
                        }),
      wrong<ValueError>("ConvTranspose2d: output_padding must not be negative, got (-1, -1)",
                        transposed({.kernel_size = 3, .output_padding = -1})),
      wrong<ValueError>("ConvTranspose2d: output_padding must be smaller than either stride or dilation...",
                        transposed({.kernel_size = 3, .stride = 2, .output_padding = 2})),
      wrong<ValueError>("Linear: in_features and out_features must not be negative, got -1 and 2",
                        [](World& w) { return nn::Linear(-1, 2, w.generator).training(); }),
      wrong<ShapeError>("Linear: the weight must have 2 dims, got shape [3]",
                        [](World&) { return nn::Linear(Array::ones({3})).training(); }),
      wrong<ValueError>("Dropout: p must lie in [0, 1], got 1.5", make<nn::Dropout>(1.5)),
      wrong<ValueError>("Dropout2d: p must lie in [0, 1], got nan", make<nn::Dropout2d>(kNaN)),
      wrong<ValueError>("Dropout1d: p must lie in [0, 1], got -1", make<nn::Dropout1d>(-1.0)),
      wrong<ValueError>("AlphaDropout: p must lie in [0, 1], got 1.5", make<nn::AlphaDropout>(1.5)),
      wrong<ValueError>("MaxPool2d: kernel_size must be positive, got (0, 0)", pool<nn::MaxPool2d>({.kernel_size = 0})),
      wrong<ValueError>("MaxPool2d: dilation must be positive, got (0, 0)", pool<nn::MaxPool2d>({.dilation = 0})),
      wrong<ValueError>("AvgPool2d: stride must be positive, got (0, 0)", pool<nn::AvgPool2d>({.stride = 0})),
      wrong<ValueError>("AvgPool2d: padding must be at most half of kernel_size, got (2, 2) and (2, 2)",
                        pool<nn::AvgPool2d>({.padding = 2})),
      wrong<ValueError>("AdaptiveAvgPool2d: output_size must not be negative, got (-1, -1)",
                        [](World&) { return nn::AdaptiveAvgPool2d(-1).training(); }),
      wrong<ValueError>("SqueezeExcitation: channels must be positive, got 0",
                        [](World& w) { return nn::SqueezeExcitation(0, w.generator).training(); }),
      wrong<ValueError>("SqueezeExcitation: ratio must lie in (0, 1], got 2",
                        [](World& w) { return nn::SqueezeExcitation(8, w.generator, {.ratio = 2}).training(); }),
      wrong<ValueError>("trunc_normal_: std must be positive and low below high, got std=-1...",
                        [](World& w) { return nn::init::trunc_normal_(w.x, w.generator, 0, -1); }),
      wrong<ShapeError>("orthogonal_: the tensor must have at least 2 dims, got shape [2]",
                        [](World& w) { return nn::init::orthogonal_(w.labels, w.generator); }),
  };
}

WrongCalls wrong_inputs() {
  return {
      wrong<ShapeError>(
          "Conv2d (conv): conv2d: Given groups=1, weight of size [4, 3, 3, 3], expected input[2, 1, 6, 6] to have 3...",
          [](World& w) {
            return w.net(ones({2, 1, 6, 6}));
          }),
      wrong<ShapeError>("Linear (heads.0): linear: mat1 and mat2 shapes cannot be multiplied...",
                        [](World& w) { return w.net.child("heads.0")(w.x); }),
      wrong<DtypeError>("Conv2d (conv): conv2d: weight must be float64, as the input, got float32",
                        [](World& w) { return w.net(w.x64); }),
      wrong<ValueError>("Conv2d (conv): conv2d: got an undefined tensor", [](World& w) { return w.net(w.undefined); }),
      wrong<ShapeError>("SqueezeExcitation: expected 4D input (got 3D input of shape [8, 2, 2])",
                        [](World& w) {
                          Generator own(w.generator.state());
                          return nn::SqueezeExcitation(8, own)(ones({8, 2, 2}));
                        }),
      wrong<ShapeError>(
          "Conv2d (0.1): conv2d: Calculated padded input size per channel: (2 x 2). Kernel size: (3 x 3)...",
          [](World&) {
            auto inner = std::make_unique<nn::Sequential>();
            inner->append(std::make_unique<nn::ReLU>());
            inner->append(std::make_unique<nn::Conv2d>(Array::ones({1, 1, 3, 3})));
            nn::Sequential net;
            net.append(std::move(inner));
            return net(ones({1, 1, 2, 2}));
          }),
      wrong<ShapeError>(
          "MaxPool2d (1): max_pool2d: Given input size: [1, 1, 2, 3]. Calculated output size: (0x3). Output size is "
          "too small. Kernel size with its dilation: (5 x 3), padded input size: (4 x 5)",
          [](World&) {
            nn::Sequential net;
            net.append<nn::ReLU>();
            net.append<nn::MaxPool2d>(
                nn::MaxPool2d::Options{.kernel_size = {3, 2}, .stride = 1, .padding = 1, .dilation = 2});
            return net(ones({1, 1, 2, 3}));
          }),
      wrong<ShapeError>(
          "AvgPool2d (0): avg_pool2d: Given input size: [1, 1, 2, 3]. Calculated output size: (0x1). Output size is "
          "too small. Kernel size with its dilation: (3 x 3), padded input size: (2 x 3)",
          [](World&) {
            nn::Sequential net;
            net.append<nn::AvgPool2d>(3);
            return net(ones({1, 1, 2, 3}));
          }),
  };
}

WrongCalls wrong_networks() {
  const auto network = [](const char* name, const models::ModelOptions& options) {
    return [=](World& w) { return models::make_model(name, w.generator, options)->training(); };
  };
  return {
      wrong<ValueError>("make_model: there is no model 'resnet999'; known: ...", network("resnet999", {})),
      wrong<ValueError>("make_norm: no norm is called 'bnn'; there are...", network("small_cnn", {.norm = "bnn"})),
      wrong<ValueError>("BatchNorm2d: eps must be at least 0, got nan",
                        network("small_cnn", {.norm_options = {.eps = kNaN}})),
      wrong<ValueError>("Conv2d: in_channels and out_channels must be positive, got 0 and 32",
                        network("small_cnn", {.in_channels = 0})),
      wrong<ValueError>("CifarResNet: depth must be 6 n + 2 (20, 32, 56), got 21",
                        [](World& w) { return models::CifarResNet(w.generator, {.depth = 21}).training(); }),
      wrong<ValueError>("CNNWithBatchNorm: input_size must be at least 4x4, got 2x2",
                        network("cnn_bn", {.input_size = 2})),
  };
}

}  // namespace

WrongCalls wrong_layers() {
  WrongCalls all = wrong_options();
  for (const WrongCalls& more : {wrong_inputs(), wrong_networks()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
