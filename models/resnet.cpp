#include "evenkeel/models/resnet.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/models/common.hpp"
#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/init.hpp"

namespace evenkeel::models {

namespace {

constexpr nn::ActivationOptions kInPlace{.inplace = true};

nn::Conv2dOptions conv_options(std::int64_t kernel, std::int64_t stride, const std::string& norm) {
  return {.kernel_size = kernel, .stride = stride, .padding = kernel / 2, .bias = norm == "none"};
}

std::unique_ptr<nn::Sequential> make_projection(std::int64_t in, std::int64_t out, Generator& generator,
                                                const BasicBlockOptions& o) {
  auto result = std::make_unique<nn::Sequential>();
  result->append<nn::Conv2d>(in, out, generator, conv_options(1, o.stride, o.norm))
      .append(nn::make_norm(o.norm, out, o.norm_options));
  return result;
}

bool needs_projection(std::int64_t in, std::int64_t out, const BasicBlockOptions& o) {
  if (o.shortcut == Shortcut::projection) {
    return o.stride != 1 || in != out;
  }
  require(out >= in && (out - in) % 2 == 0, "BasicBlock",
          "a padded shortcut adds an even number of channels, half on each side, got ", in, " in and ", out, " out");
  return false;
}

}  // namespace

BasicBlock::BasicBlock(std::int64_t in, std::int64_t out, const nn::Drawing& generator,
                       const BasicBlockOptions& options)
    : in_channels(in),
      out_channels(out),
      options(options),
      conv1(add<nn::Conv2d>("conv1", in, out, generator, conv_options(3, options.stride, options.norm))),
      bn1(add("bn1", nn::make_norm(options.norm, out, options.norm_options))),
      relu(add<nn::ReLU>("relu", kInPlace)),
      conv2(add<nn::Conv2d>("conv2", out, out, generator, conv_options(3, 1, options.norm))),
      bn2(add("bn2", nn::make_norm(options.norm, out, options.norm_options))),
      downsample(needs_projection(in, out, options) ? add("downsample", make_projection(in, out, generator, options))
                                                    : nn::Child<nn::Sequential>()) {}

Tensor BasicBlock::shortcut(const Tensor& x) {
  if (downsample) {
    return downsample(x);
  }
  const std::int64_t stride = options.stride;
  const Tensor kept = stride == 1 ? x : slice(slice(x, 2, 0, x.size(2), stride), 3, 0, x.size(3), stride);
  const std::int64_t added = (out_channels - in_channels) / 2;
  return added == 0 ? kept : pad(kept, {0, 0, 0, 0, added, added});
}

Tensor BasicBlock::forward(const Tensor& x) {
  const Tensor h = conv1(x);
  const Tensor y = bn2(conv2(nn::norm_activates(options.norm) ? bn1(h) : bn1(h, relu)));
  return nn::add(y, shortcut(x), relu);
}

std::unique_ptr<nn::Sequential> basic_stage(std::int64_t in, std::int64_t out, std::int64_t blocks,
                                            Generator& generator, const BasicBlockOptions& options) {
  require(blocks > 0, "basic_stage", "a stage needs at least one block, got ", blocks);
  auto stage = std::make_unique<nn::Sequential>();
  BasicBlockOptions block = options;
  for (std::int64_t i = 0; i < blocks; ++i) {
    stage->append<BasicBlock>(i == 0 ? in : out, out, generator, block);
    block.stride = 1;
  }
  return stage;
}

void init_resnet_(nn::Module& module, Generator& generator, bool zero_last_norm) {
  module.apply([&](nn::Module& m) {
    if (auto* conv = dynamic_cast<nn::Conv2d*>(&m)) {
      nn::init::kaiming_normal_(conv->weight, generator,
                                {.mode = nn::init::FanMode::fan_out, .nonlinearity = nn::init::Nonlinearity::relu});
      if (conv->bias.defined()) {
        nn::init::zeros_(conv->bias);
      }
    }
    auto* block = dynamic_cast<BasicBlock*>(&m);
    if (zero_last_norm && block != nullptr) {
      for (auto& [name, parameter] : block->bn2->named_parameters()) {
        if (name == "weight") {
          nn::init::zeros_(parameter);
        }
      }
    }
  });
}

ResNet::ResNet(const nn::Drawing& generator, const ResNetOptions& options)
    : options(options),
      conv1(add<nn::Conv2d>("conv1", options.in_channels, options.width, generator,
                            conv_options(options.small_images ? 3 : 7, options.small_images ? 1 : 2, options.norm))),
      bn1(add("bn1", nn::make_norm(options.norm, options.width, options.norm_options))),
      relu(add("relu", activation_behind<nn::ReLU>(options.norm, kInPlace))),
      maxpool(options.small_images
                  ? nn::Child<nn::Layer>(add<nn::Identity>("maxpool"))
                  : add<nn::MaxPool2d>("maxpool", {.kernel_size = 3, .stride = Size2(2), .padding = 1})),
      stages(make_stages(generator)),
      avgpool(add<nn::AdaptiveAvgPool2d>("avgpool", 1)),
      fc(add<nn::Linear>("fc", options.width << (stages.size() - 1), options.num_classes, generator)) {
  init_resnet_(*this, generator, options.zero_init_residual);
}

std::vector<nn::Child<nn::Sequential>> ResNet::make_stages(Generator& generator) {
  require(!options.layers.empty(), "ResNet", "layers must name at least one stage");
  std::vector<nn::Child<nn::Sequential>> result;
  std::int64_t in = options.width;
  for (std::size_t i = 0; i < options.layers.size(); ++i) {
    const std::int64_t out = options.width << i;
    result.push_back(
        add(concat("layer", i + 1),
            basic_stage(in, out, options.layers[i], generator,
                        {.stride = i == 0 ? 1 : 2, .norm = options.norm, .norm_options = options.norm_options})));
    in = out;
  }
  return result;
}

Tensor ResNet::forward(const Tensor& x) {
  check_images(*this, x, options.in_channels);
  Tensor y = maxpool(bn1(conv1(x), relu));
  for (const auto& stage : stages) {
    y = stage(y);
  }
  return fc(flatten(avgpool(y), 1));
}

std::unique_ptr<ResNet> resnet18(Generator& generator, ResNetOptions options) {
  options.layers = {2, 2, 2, 2};
  return std::make_unique<ResNet>(generator, options);
}

}  // namespace evenkeel::models
