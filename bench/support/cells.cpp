#include "bench/support/cells.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/models/registry.hpp"

#include <algorithm>

namespace evenkeel::bench {

namespace {

std::unique_ptr<nn::Layer> make_model(const Cell& cell, Generator& generator) {
  models::ModelOptions options{.norm = cell.norm};
  if (cell.input.rank() == 3) {
    options.in_channels = cell.input[0];
    options.input_size = {cell.input[1], cell.input[2]};
  } else {
    options.in_channels = 1;
    options.input_size = {1, cell.input[0]};
  }
  return models::make_model(cell.model, generator, options);
}

Shape with_batch(std::int64_t batch_size, Shape input) {
  input.insert(0, batch_size);
  return input;
}

}  // namespace

const std::vector<Cell>& cells() {
  static const std::vector<Cell> all = {
      {"small_cnn_bn", "small_cnn", "bn", {3, 32, 32}},
      {"small_cnn_gn", "small_cnn", "gn", {3, 32, 32}},
      {"ws_gn", "ws_gn", "gn", {3, 64, 64}},
      {"cnn_bn", "cnn_bn", "bn", {3, 32, 32}},
      {"fc_bn", "fc_bn", "bn", {784}},
      {"brn_classifier", "brn_classifier", "brn", {3, 32, 32}},
      {"frozen_se_resnet", "frozen_se_resnet", "frozen_bn", {3, 32, 32}},
      {"resnet20_bn", "resnet20", "bn", {3, 32, 32}},
      {"resnet20_gn", "resnet20", "gn", {3, 32, 32}},
  };
  return all;
}

const Cell& find_cell(const std::string& name) {
  const auto found = std::find_if(cells().begin(), cells().end(), [&](const Cell& cell) { return cell.name == name; });
  require(found != cells().end(), "bench", "there is no cell '", name, "'");
  return *found;
}

Training::Training(const Cell& cell, std::int64_t batch_size)
    : Training([&](Generator& generator) { return make_model(cell, generator); }, with_batch(batch_size, cell.input)) {}

Training::Training(const std::function<std::unique_ptr<nn::Layer>(Generator&)>& make, const Shape& batch)
    : model_(make(generator_)),
      optimizer_(model_->parameters(), {.lr = 0.01, .momentum = 0.9}),
      x_(randn(batch, generator_)),
      target_(randint(0, 10, {batch[0]}, generator_)) {}

void Training::step(OpProfile* profile) {
  const auto mark = [profile](const char* name) {
    if (profile != nullptr) {
      profile->mark(name);
    }
  };
  optimizer_.zero_grad();
  mark("zero_grad");
  const Tensor loss = cross_entropy((*model_)(x_), target_);
  loss.backward();
  mark("engine");
  optimizer_.step();
  mark("optimizer step");
}

}  // namespace evenkeel::bench
