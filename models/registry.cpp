#include "evenkeel/models/registry.hpp"

#include "evenkeel/models/brn_networks.hpp"
#include "evenkeel/models/cifar_resnet.hpp"
#include "evenkeel/models/frozen_se_resnet.hpp"
#include "evenkeel/models/resnet.hpp"
#include "evenkeel/models/seed_networks.hpp"
#include "evenkeel/models/small_cnn.hpp"
#include "evenkeel/models/ws_gn_networks.hpp"
#include "evenkeel/nn/named_list.hpp"

#include <algorithm>

namespace evenkeel::models {

namespace {

using Made = std::unique_ptr<nn::Layer>;

/// The networks for ImageNet see images below this size through a stem that keeps their size.
bool small_images(const ModelOptions& o) { return std::min(o.input_size.h, o.input_size.w) < 64; }

Made make_small_cnn(Generator& generator, const ModelOptions& o) {
  return std::make_unique<SmallCNN>(
      generator,
      SmallCNNOptions{
          .in_channels = o.in_channels, .num_classes = o.num_classes, .norm = o.norm, .norm_options = o.norm_options});
}

Made make_fc(Generator& generator, const ModelOptions& o) {
  const std::int64_t features = o.in_channels * o.input_size.h * o.input_size.w;
  return std::make_unique<FCNetworkWithBatchNorm>(
      generator,
      FCNetworkOptions{
          .in_features = features, .num_classes = o.num_classes, .norm = o.norm, .norm_options = o.norm_options});
}

Made make_cnn(Generator& generator, const ModelOptions& o) {
  return std::make_unique<CNNWithBatchNorm>(generator, CNNOptions{.in_channels = o.in_channels,
                                                                  .input_size = o.input_size,
                                                                  .num_classes = o.num_classes,
                                                                  .norm = o.norm,
                                                                  .norm_options = o.norm_options});
}

Made make_brn(Generator& generator, const ModelOptions& o) {
  return std::make_unique<BRNClassifier>(
      generator, o.num_classes,
      BRNBackboneOptions{.in_channels = o.in_channels, .norm = o.norm, .norm_options = o.norm_options});
}

Made make_frozen_se(Generator& generator, const ModelOptions& o) {
  FrozenSEResNetOptions options{
      .in_channels = o.in_channels, .num_classes = o.num_classes, .norm = o.norm, .norm_options = o.norm_options};
  if (small_images(o)) {
    options.small_images = true;
    options.stem_width = 16;
    options.widths = {16, 32, 64, 128};
  }
  return std::make_unique<FrozenSEResNet>(generator, std::move(options));
}

Made make_ws_gn(Generator& generator, const ModelOptions& o) {
  return std::make_unique<WS_GN_Classifier>(
      generator, WSGNClassifierOptions{.in_channels = o.in_channels,
                                       .num_classes = o.num_classes,
                                       .block = {.norm = o.norm, .norm_options = o.norm_options}});
}

Made make_small_bn(Generator& generator, const ModelOptions& o) {
  return std::make_unique<SmallBNNet>(
      generator,
      SmallBNNetOptions{
          .in_channels = o.in_channels, .num_classes = o.num_classes, .norm = o.norm, .norm_options = o.norm_options});
}

template <std::int64_t depth>
Made make_cifar_resnet(Generator& generator, const ModelOptions& o) {
  return std::make_unique<CifarResNet>(generator, CifarResNetOptions{.depth = depth,
                                                                     .in_channels = o.in_channels,
                                                                     .num_classes = o.num_classes,
                                                                     .norm = o.norm,
                                                                     .norm_options = o.norm_options});
}

Made make_resnet18(Generator& generator, const ModelOptions& o) {
  return resnet18(generator, {.in_channels = o.in_channels,
                              .num_classes = o.num_classes,
                              .small_images = small_images(o),
                              .norm = o.norm,
                              .norm_options = o.norm_options});
}

nn::NamedList<ModelEntry>& list() {
  static nn::NamedList<ModelEntry> models({
      {"small_cnn", "two convolutions of 32 and 64 channels, global pooling", "bn", make_small_cnn},
      {"fc_bn", "fully connected network of 256 and 128 units", "bn", make_fc},
      {"cnn_bn", "two convolutions of 64 and 128 channels, max pooling, two Linear layers", "bn", make_cnn},
      {"brn_classifier", "residual blocks of 32, 64 and 128 channels with BatchRenorm and SiLU", "brn", make_brn},
      {"frozen_se_resnet",
       "bottlenecks with squeeze-and-excitation, to be frozen and fine-tuned; a quarter of the width below 64 pixels",
       "bn", make_frozen_se},
      {"ws_gn", "two weight-standardized convolutions of 64 channels with GroupNorm and SiLU", "gn", make_ws_gn},
      {"small_bn_net", "two convolutions of 16 and 32 channels, global pooling", "bn", make_small_bn},
      {"resnet20", "residual network for CIFAR, 19 convolutions", "bn", make_cifar_resnet<20>},
      {"resnet32", "residual network for CIFAR, 31 convolutions", "bn", make_cifar_resnet<32>},
      {"resnet56", "residual network for CIFAR, 55 convolutions", "bn", make_cifar_resnet<56>},
      {"resnet18", "torchvision's ResNet-18; below 64 pixels with a 3x3 stem and no pooling", "bn", make_resnet18},
  });
  return models;
}

}  // namespace

const std::vector<ModelEntry>& models() { return list().entries(); }

void register_model(ModelEntry entry) { list().add("register_model", std::move(entry)); }

const ModelEntry& model_entry(std::string_view name) {
  if (const ModelEntry* entry = list().find(name)) {
    return *entry;
  }
  fail("make_model", "there is no model '", name, "'; known: ", list().names());
}

Made make_model(std::string_view name, Generator& generator, const ModelOptions& options) {
  const ModelEntry& entry = model_entry(name);
  ModelOptions chosen = options;
  if (chosen.norm.empty()) {
    chosen.norm = entry.norm;
  }
  const nn::Drawing drawing(generator);  // what is refused has drawn nothing
  return entry.make(generator, chosen);
}

}  // namespace evenkeel::models
