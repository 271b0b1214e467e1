// Wrong calls of convolutions over lines and volumes, of padding, unfold and fold, and of their layers.

#include "evenkeel/autograd/ops/pad.hpp"
#include "evenkeel/autograd/ops/unfold.hpp"
#include "evenkeel/nn/pad.hpp"
#include "tests/errors/wrong_calls.hpp"

namespace evenkeel::test {
namespace {

constexpr std::int64_t kLarge = std::int64_t{1} << 31;

WrongCalls wrong_sizes() {
  return {
      wrong<ShapeError>("conv1d: the input must be 2D (unbatched) or 3D (batched), got shape [2, 3, 6, 6]",
                        [](World& w) {
                          return conv1d(w.x, ones({4, 3, 3}));
                        }),
      wrong<ShapeError>("conv1d: weight must have three dims, got [4, 3, 3, 3]",
                        [](World&) {
                          return conv1d(ones({3, 6}), ones({4, 3, 3, 3}));
                        }),
      wrong<ShapeError>("conv1d: Given groups=1, weight of size [4, 2, 3], expected input[3, 6] to have 2 channels...",
                        [](World&) {
                          return conv1d(ones({3, 6}), ones({4, 2, 3}));
                        }),
      wrong<ValueError>("conv1d: stride must be positive, got (0,)",
                        [](World&) {
                          return conv1d(ones({3, 6}), ones({4, 3, 3}), {}, {.stride = 0});
                        }),
      wrong<ValueError>("conv1d: padding must be a number, 'same' or 'valid', got 'full'",
                        [](World&) {
                          return conv1d(ones({3, 6}), ones({4, 3, 3}), {}, {.padding = "full"});
                        }),
      wrong<ShapeError>("conv1d: Calculated padded input size per channel: (6). Kernel size: (7). Kernel size can't...",
                        [](World&) {
                          return conv1d(ones({3, 6}), ones({4, 3, 7}));
                        }),
      wrong<ShapeError>("conv3d: weight must have five dims, got [4, 3, 3, 3]",
                        [](World& w) {
                          return conv3d(w.x, ones({4, 3, 3, 3}));
                        }),
      wrong<ShapeError>("conv3d: the input must have no spatial size of 0, got shape [3, 0, 2, 2]",
                        [](World&) {
                          return conv3d(ones({3, 0, 2, 2}), ones({4, 3, 1, 1, 1}));
                        }),
      wrong<ValueError>("conv3d: padding must be a number, three numbers, 'same' or 'valid', got 'full'",
                        [](World& w) {
                          return conv3d(w.x, ones({4, 2, 1, 1, 1}), {}, {.padding = "full"});
                        }),
      wrong<ShapeError>("conv3d: Calculated padded input size per channel: (5 x 6 x 6). Kernel size: (6 x 1 x 1)...",
                        [](World& w) {
                          return conv3d(w.x, ones({4, 2, 6, 1, 1}), {}, {.padding = {1, 0, 0}});
                        }),
      wrong<ShapeError>("conv_transpose1d: Given input size per channel: (1). Calculated output size per channel: "
                        "(-1). Output size is too small. Kernel size: (1), padding: (1,)",
                        [](World&) {
                          return conv_transpose1d(ones({2, 1}), ones({2, 2, 1}), {}, {.padding = 1});
                        }),
      wrong<ValueError>(
          "conv_transpose3d: output_padding must be smaller than either stride or dilation, got (0, 2, 0)",
          [](World& w) {
            return conv_transpose3d(w.x, ones({2, 1, 1, 1, 1}), {}, {.stride = {1, 2, 1}, .output_padding = {0, 2, 0}});
          }),
      wrong<ValueError>("Conv1d: kernel_size must be positive, got (0,)",
                        [](World& w) { return nn::Conv1d(2, 2, w.generator, {.kernel_size = 0}).training(); }),
      wrong<ValueError>("Conv3d: stride must be positive, got (1, 0, 1)",
                        [](World& w) {
                          return nn::Conv3d(2, 2, w.generator, {.kernel_size = 1, .stride = {1, 0, 1}}).training();
                        }),
      wrong<ShapeError>("Conv3d: the weight must have 5 dims, got shape [4, 3, 3, 3]",
                        [](World&) {
                          return nn::Conv3d(Array::ones({4, 3, 3, 3})).training();
                        }),
      wrong<ValueError>("ConvTranspose1d: output_padding must be smaller than either stride or dilation, got (2,) with "
                        "stride (2,) and dilation (1,)",
                        [](World& w) {
                          return nn::ConvTranspose1d(2, 2, w.generator,
                                                     {.kernel_size = 3, .stride = 2, .output_padding = 2})
                              .training();
                        }),
  };
}

WrongCalls wrong_pads() {
  return {
      wrong<ValueError>("pad: Padding length must be divisible by 2, got 3",
                        [](World& w) {
                          return pad(w.x, {1, 1, 1}, PadMode::circular);
                        }),
      wrong<ShapeError>("pad: Padding size 2 is not supported for 4D input tensor",
                        [](World& w) {
                          return pad(w.x, {1, 1}, PadMode::reflect);
                        }),
      wrong<ShapeError>("pad: Padding size 0 is not supported for 4D input tensor",
                        [](World& w) { return pad(w.x, {}, PadMode::reflect); }),
      wrong<ValueError>("pad: got an undefined tensor",
                        [](World& w) {
                          return pad(w.undefined, {1, 1}, PadMode::reflect);
                        }),
      wrong<ValueError>("pad: Padding mode \"replicate\" doesn't take in value argument, got 2",
                        [](World& w) {
                          return pad(w.x, {1, 1, 1, 1}, PadMode::replicate, 2);
                        }),
      wrong<ShapeError>("pad: Expected 2D or 3D (batch mode) tensor with possibly 0 batch size and other non-zero "
                        "dimensions for input, but got: [2, 0, 3]",
                        [](World&) {
                          return pad(ones({2, 0, 3}), {1, 1}, PadMode::replicate);
                        }),
      wrong<ValueError>("pad: Padding size should be less than the corresponding input dimension, but got: padding "
                        "(1, 6) at dimension 2 of input [2, 3, 6, 6]",
                        [](World& w) {
                          return pad(w.x, {0, 0, 1, 6}, PadMode::reflect);
                        }),
      wrong<ValueError>("pad: Padding value causes wrapping around more than once: padding (7, 0) at dimension 3 of...",
                        [](World& w) {
                          return pad(w.x, {7, 0, 1, 6}, PadMode::circular);
                        }),
      wrong<ValueError>("pad: Padding value causes wrapping around more than once: padding (6, -1) at dimension 3...",
                        [](World& w) {
                          return pad(w.x, {6, -1, 0, 0}, PadMode::circular);
                        }),
      wrong<ShapeError>("pad: The input size 6, plus negative padding -4 and -3 resulted in a negative output size...",
                        [](World& w) {
                          return pad(w.x, {-4, -3, 0, 0}, PadMode::replicate);
                        }),
      wrong<ValueError>("pad: padding 0 and 4611686018427387904 is too large",
                        [](World& w) {
                          return pad(w.x, {0, std::int64_t{1} << 62, 0, 0}, PadMode::replicate);
                        }),
      wrong<ShapeError>("ReflectionPad1d: pad: Padding size 2 is not supported for 4D input tensor",
                        [](World& w) { return nn::ReflectionPad1d(1)(w.x); }),
      wrong<ValueError>("Conv2d: pad: Padding size should be less than the corresponding input dimension, but got...",
                        [](World& w) {
                          Generator own(1);
                          nn::Conv2d conv(3, 2, own,
                                          {.kernel_size = 1, .padding = 6, .padding_mode = PadMode::reflect});
                          return conv(w.x);
                        }),
  };
}

WrongCalls wrong_columns() {
  return {
      wrong<ShapeError>("unfold: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
                        "dimensions for input, but got: [2, 0, 4, 5]",
                        [](World&) {
                          return unfold(ones({2, 0, 4, 5}), {.kernel_size = 2});
                        }),
      wrong<DtypeError>("unfold: dtype must be float32 or float64, got int64",
                        [](World& w) { return unfold(w.labels, {.kernel_size = 2}); }),
      wrong<ValueError>("unfold: kernel size should be greater than zero, but got (0, 2)",
                        [](World& w) {
                          return unfold(w.x, {.kernel_size = {0, 2}});
                        }),
      wrong<ValueError>("unfold: dilation should be greater than zero, but got (0, 0)",
                        [](World& w) { return unfold(w.x, {.kernel_size = 2, .dilation = 0}); }),
      wrong<ValueError>("unfold: padding should be non-negative, but got (-1, -1)",
                        [](World& w) { return unfold(w.x, {.kernel_size = 2, .padding = -1}); }),
      wrong<ValueError>("fold: stride should be greater than zero, but got (1, 0)",
                        [](World& w) {
                          return fold(w.x, 2, {.kernel_size = 2, .stride = {1, 0}});
                        }),
      wrong<ValueError>("unfold: kernel size, dilation, padding and stride must be below 2^31",
                        [](World& w) { return unfold(w.x, {.kernel_size = 2, .padding = kLarge}); }),
      wrong<ShapeError>("unfold: Given input with spatial size (6, 6), kernel_size=(7, 2), dilation=(1, 1), "
                        "padding=(0, 0), calculated shape of the array of sliding blocks as (0, 5), but its "
                        "components must be at least one",
                        [](World& w) {
                          return unfold(w.x, {.kernel_size = {7, 2}});
                        }),
      wrong<ShapeError>("fold: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
                        "dimensions for input, but got: [2, 3, 6, 6]",
                        [](World& w) { return fold(w.x, 6, {.kernel_size = 1}); }),
      wrong<ShapeError>("fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, but "
                        "got 13 and kernel_size=(2, 2)",
                        [](World&) {
                          return fold(ones({2, 13, 6}), {3, 4}, {.kernel_size = 2});
                        }),
      wrong<ShapeError>("fold: Given output_size=(3, 4), kernel_size=(2, 2), dilation=(1, 1), padding=(0, 0), "
                        "stride=(1, 1), expected size of input's dimension 1 to match the calculated number of sliding "
                        "blocks 2 * 3 = 6, but got 5",
                        [](World&) {
                          return fold(ones({12, 5}), {3, 4}, {.kernel_size = 2});
                        }),
  };
}

}  // namespace

WrongCalls wrong_window_ops() {
  WrongCalls all = wrong_sizes();
  for (const WrongCalls& more : {wrong_pads(), wrong_columns()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
