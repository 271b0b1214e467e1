// Times the training step of bench/train_step.cpp in LibTorch, PyTorch's C++ library, with the same options and the
// same line of JSON. bench/compare_pytorch.py --peer libtorch runs both in turn. Has the cells without layers of their
// own.
#include "bench/support/timing.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <torch/torch.h>
#include <vector>

namespace {

namespace nn = torch::nn;
using torch::Tensor;

nn::Conv2d conv3x3(std::int64_t in, std::int64_t out, std::int64_t stride = 1, bool bias = true) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(bias));
}

nn::ReLU in_place_relu() { return nn::ReLU(nn::ReLUOptions(true)); }

nn::GroupNorm group_norm(std::int64_t channels, std::int64_t groups) {
  return nn::GroupNorm(nn::GroupNormOptions(groups, channels));
}

template <class Norm>
nn::Sequential small_cnn(const Norm& first, const Norm& second) {
  return nn::Sequential(conv3x3(3, 32), first, in_place_relu(), conv3x3(32, 64), second, in_place_relu(),
                        nn::AdaptiveAvgPool2d(1), nn::Flatten(), nn::Linear(64, 10));
}

nn::Sequential cnn_bn() {
  return nn::Sequential(conv3x3(3, 64), nn::BatchNorm2d(64), nn::ReLU(), nn::MaxPool2d(2), conv3x3(64, 128),
                        nn::BatchNorm2d(128), nn::ReLU(), nn::MaxPool2d(2), nn::Flatten(), nn::Linear(128 * 8 * 8, 256),
                        nn::BatchNorm1d(256), nn::ReLU(), nn::Linear(256, 10));
}

nn::Sequential fc_bn() {
  return nn::Sequential(nn::Linear(784, 256), nn::BatchNorm1d(256), nn::ReLU(), nn::Linear(256, 128),
                        nn::BatchNorm1d(128), nn::ReLU(), nn::Linear(128, 10));
}

using MakeNorm = std::function<nn::AnyModule(std::int64_t channels)>;

nn::AnyModule batch_norm(std::int64_t channels) { return nn::AnyModule(nn::BatchNorm2d(channels)); }
nn::AnyModule norm_of_groups(std::int64_t channels) {
  return nn::AnyModule(group_norm(channels, std::min<std::int64_t>(channels, 32)));
}

/// A block of ResNet for small images; the shortcut skips pixels and pads channels with zeros.
class BasicBlockImpl : public nn::Module {
 public:
  BasicBlockImpl(std::int64_t in, std::int64_t out, std::int64_t stride, const MakeNorm& norm)
      : stride_(stride), added_((out - in) / 2) {
    main_ = register_module("main", nn::Sequential());
    main_->push_back(conv3x3(in, out, stride, false));
    main_->push_back(norm(out));
    main_->push_back(nn::ReLU());
    main_->push_back(conv3x3(out, out, 1, false));
    main_->push_back(norm(out));
  }

  Tensor forward(const Tensor& x) { return torch::relu(main_->forward(x) + shortcut(x)); }

 private:
  Tensor shortcut(const Tensor& x) const {
    if (stride_ == 1 && added_ == 0) {
      return x;
    }
    const Tensor skipped = x.slice(2, 0, c10::nullopt, stride_).slice(3, 0, c10::nullopt, stride_);
    return nn::functional::pad(skipped, nn::functional::PadFuncOptions({0, 0, 0, 0, added_, added_}));
  }

  std::int64_t stride_, added_;
  nn::Sequential main_{nullptr};
};
TORCH_MODULE(BasicBlock);

nn::Sequential resnet20(const MakeNorm& norm) {
  nn::Sequential net(conv3x3(3, 16, 1, false));
  net->push_back(norm(16));
  net->push_back(nn::ReLU());
  std::int64_t channels = 16;
  for (const std::int64_t width : {16, 32, 64}) {
    for (int block = 0; block < 3; ++block) {
      net->push_back(BasicBlock(channels, width, width > channels ? 2 : 1, norm));
      channels = width;
    }
  }
  net->push_back(nn::AdaptiveAvgPool2d(1));
  net->push_back(nn::Flatten());
  net->push_back(nn::Linear(64, 10));
  return net;
}

struct Cell {
  std::function<nn::Sequential()> make;
  std::vector<std::int64_t> input;
};

const std::map<std::string, Cell>& cells() {
  static const std::vector<std::int64_t> image = {3, 32, 32};
  static const std::map<std::string, Cell> all = {
      {"small_cnn_bn", {[] { return small_cnn(nn::BatchNorm2d(32), nn::BatchNorm2d(64)); }, image}},
      {"small_cnn_gn", {[] { return small_cnn(group_norm(32, 8), group_norm(64, 16)); }, image}},
      {"cnn_bn", {cnn_bn, image}},
      {"fc_bn", {fc_bn, {784}}},
      {"resnet20_bn", {[] { return resnet20(batch_norm); }, image}},
      {"resnet20_gn", {[] { return resnet20(norm_of_groups); }, image}},
  };
  return all;
}

void measure(const Cell& cell, std::int64_t batch_size, double seconds) {
  torch::manual_seed(0);
  nn::Sequential model = cell.make();
  std::vector<Tensor> parameters = model->parameters();
  torch::optim::SGD optimizer(parameters, torch::optim::SGDOptions(0.01).momentum(0.9));
  std::vector<std::int64_t> shape = cell.input;
  shape.insert(shape.begin(), batch_size);
  const Tensor x = torch::randn(shape);
  const Tensor target = torch::randint(10, {batch_size}, torch::kLong);
  const auto step = [&] {
    for (Tensor& parameter : parameters) {
      parameter.mutable_grad() = Tensor();  // zero_grad(set_to_none), which not every version has
    }
    nn::functional::cross_entropy(model->forward(x), target).backward();
    optimizer.step();
  };
  step();
  const double ms = evenkeel::bench::median(evenkeel::bench::time_calls(step, seconds));
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters) {
    count += parameter.numel();
  }
  std::printf("{\"ms\": %.5f, \"peak_mib\": %.1f, \"parameters\": %lld}\n", ms, evenkeel::bench::peak_memory_mib(),
              static_cast<long long>(count));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times a training step in LibTorch; prints one line of JSON.");
  std::string cell = "small_cnn_bn";
  std::int64_t batch_size = 16;
  int threads = 1;
  double seconds = 3;
  app.add_option("--cell", cell, "network")->check(CLI::IsMember(&cells()))->capture_default_str();
  app.add_option("--batch-size", batch_size)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seconds", seconds, "how long to measure")->check(CLI::NonNegativeNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  torch::set_num_threads(threads);
  measure(cells().at(cell), batch_size, seconds);
}
