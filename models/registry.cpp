#include "models/registry.hpp"

#include "models/seed_networks.hpp"
#include "models/small_cnn.hpp"

namespace evenkeel::models {

namespace {

std::unique_ptr<nn::Layer> make_small_cnn(Generator& generator, const ModelOptions& o) {
  return std::make_unique<SmallCNN>(
      generator, SmallCNNOptions{.in_channels = o.in_channels, .num_classes = o.num_classes, .norm = o.norm});
}

std::unique_ptr<nn::Layer> make_fc(Generator& generator, const ModelOptions& o) {
  const std::int64_t features = o.in_channels * o.input_size.h * o.input_size.w;
  return std::make_unique<FCNetworkWithBatchNorm>(
      generator, FCNetworkOptions{.in_features = features, .num_classes = o.num_classes});
}

std::unique_ptr<nn::Layer> make_cnn(Generator& generator, const ModelOptions& o) {
  return std::make_unique<CNNWithBatchNorm>(
      generator, CNNOptions{.in_channels = o.in_channels, .input_size = o.input_size, .num_classes = o.num_classes});
}

}  // namespace

const std::vector<ModelEntry>& registry() {
  static const std::vector<ModelEntry> entries = {
      {"small_cnn", "two convolutions of 32 and 64 channels, any normalization, global pooling", make_small_cnn, true},
      {"fc_bn", "fully connected network of 256 and 128 units with BatchNorm", make_fc, false},
      {"cnn_bn", "two convolutions of 64 and 128 channels with BatchNorm, max pooling, two Linear layers", make_cnn,
       false},
  };
  return entries;
}

std::unique_ptr<nn::Layer> make_model(std::string_view name, Generator& generator, const ModelOptions& options) {
  std::string known;
  for (const ModelEntry& entry : registry()) {
    if (entry.name == name) {
      require(entry.any_norm || options.norm == "bn", "make_model", "'", name,
              "' has BatchNorm built in (norm 'bn'), got norm '", options.norm, "'");
      return entry.make(generator, options);
    }
    known += concat(known.empty() ? "" : ", ", entry.name);
  }
  fail("make_model", "there is no model '", name, "'; known: ", known);
}

}  // namespace evenkeel::models
