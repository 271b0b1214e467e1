// The recipe of the FrozenBatchNorm note: train with BatchNorm, convert to FrozenBatchNorm2d, fine-tune the head and
// the upper layers.
//
// 1. The note's staged network (squeeze-and-excitation bottlenecks, small here) learns the digits 0 to 4 at batch 64.
//    Its running statistics are meaningful then: close to those of the activations, and nothing works without them.
// 2. convert_bn_to_frozen: training and eval output are, to the bit, what eval gave; gamma and beta are no parameters.
// 3. The upper stage, head norm and a new classifier learn the digits 5 to 9 at batch 2. Statistics and lower layers
//    stay, to the bit. For comparison: the same with BatchNorm left in training, with freeze_batchnorm_stats (gamma and
//    beta learn, statistics do not) and with BatchNorm converted to GroupNorm.
//
// Expect: frozen statistics better than statistics that batches of 2 move: Mask R-CNN lost 6 points of AP so (Wu & He
// 2018, arXiv:1803.08494, section 4.2). y = (x - running_mean) / sqrt(running_var + eps) * weight + bias, always.
// Exits with 1 if not.

#include "evenkeel/models/frozen_se_resnet.hpp"
#include "evenkeel/nn/norm/convert.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "examples/support/checks.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/selection.hpp"
#include "examples/support/task.hpp"
#include "examples/support/text.hpp"
#include "examples/support/trainer.hpp"

#include <cmath>
#include <cstring>
#include <evenkeel/evenkeel.hpp>

using namespace evenkeel;
using namespace evenkeel::examples;

namespace {

struct Settings {
  std::int64_t train_size = 6000, tune_size = 400;
  int epochs = 4, tune_epochs = 4;
  int threads = num_threads();
  std::uint64_t seed = 0;
};

/// Digits 0 to 4 to learn first, 5 to 9 to fine-tune on.
struct Digits {
  explicit Digits(const Settings& s)
      : task(load_task("synthetic:hard", s.seed)),
        images(data::Subset(*task.train, s.train_size)),
        test(*task.test),
        first(images, with_labels(images, 0, 5)),
        first_test(test, with_labels(test, 0, 5)),
        second_all(images, with_labels(images, 5, 10)),
        second_order(Generator(s.seed)),
        second(second_all, few(second_all.size(), s.tune_size, second_order)),
        second_test(test, with_labels(test, 5, 10)) {}

  static std::vector<std::int64_t> few(std::int64_t size, std::int64_t count, Generator& generator) {
    const Tensor order = randperm(size, generator);
    std::vector<std::int64_t> indices = order.to_vector<std::int64_t>();
    indices.resize(static_cast<std::size_t>(std::min(size, count)));
    return indices;
  }
  data::DataLoaderOptions options(std::int64_t batch, std::uint64_t seed) const {
    data::DataLoaderOptions result{.batch_size = batch, .shuffle = true, .seed = seed};
    result.last_batch = data::LastBatch::drop;
    result.mean = task.mean;
    result.std = task.std;
    return result;
  }

  Task task;
  data::ArrayDataset images, test;
  Selection first, first_test, second_all;
  Generator second_order;
  Selection second, second_test;
};

using Net = models::FrozenSEResNet;

std::unique_ptr<Net> make_net(const Settings& s) {
  Generator generator(s.seed);
  models::FrozenSEResNetOptions options;
  options.stem_width = 16;
  options.widths = {16, 32};
  options.blocks = {1, 1};
  return std::make_unique<Net>(generator, options);
}

double test_accuracy(nn::Layer& net, const Digits& digits, const data::Dataset& images) {
  data::DataLoaderOptions options = digits.options(250, 0);
  options.last_batch = data::LastBatch::keep;
  data::DataLoader loader(images, options);
  return 100 * evaluate(net, loader).accuracy;
}

void train(nn::Layer& net, optim::Optimizer& optimizer, data::DataLoader& loader, int epochs) {
  optim::CosineAnnealingLR schedule(optimizer, epochs);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    train_epoch(net, optimizer, loader, epoch);
    schedule.step();
  }
}

/// Copies of all entries whose names contain `part`.
nn::StateDict copies(const nn::Module& net, const std::string& part) {
  nn::StateDict result;
  for (const auto& [name, value] : net.state_dict()) {
    if (name.find(part) != std::string::npos) {
      result.emplace_back(name, value.clone());
    }
  }
  return result;
}

/// Both float32.
bool same_bits(const Array& a, const Array& b) {
  const std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  return a.shape() == b.shape() && std::memcmp(x.data(), y.data(), sizeof(float) * x.size()) == 0;
}

/// How many of the entries have changed in `net`, names being the same.
int changed(const nn::StateDict& before, const nn::Module& net) {
  int count = 0;
  for (const auto& [name, value] : net.state_dict()) {
    for (const auto& [old_name, old_value] : before) {
      count += name == old_name && !same_bits(value, old_value) ? 1 : 0;
    }
  }
  return count;
}

/// Running statistics against those of the activations that come in on 512 images: the mean distance of the means, in
/// deviations, and the mean ratio of the deviations, over all channels of all BatchNorms.
struct Meaning {
  double distance = 0, ratio = 0, channels = 0;
};

Meaning compare_statistics(Net& net, const Tensor& images) {
  Meaning meaning;
  std::vector<std::pair<nn::Layer*, std::size_t>> hooks;
  for (const auto& [name, module] : net.named_modules()) {
    if (auto* norm = dynamic_cast<nn::BatchNorm2d*>(module)) {
      const auto compare = [norm, &meaning](const nn::Module&, const std::vector<Tensor>& inputs,
                                            const std::vector<Tensor>&) {
        const Tensor& x = inputs[0];
        const Tensor deviation = sqrt(norm->running_var + 1e-5);
        meaning.distance += sum(abs(mean(x, {0, 2, 3}) - norm->running_mean) / deviation).item();
        meaning.ratio += sum(evenkeel::std(x, {0, 2, 3}) / deviation).item();
        meaning.channels += static_cast<double>(norm->num_features);
      };
      hooks.emplace_back(norm, norm->register_forward_hook(compare));
    }
  }
  const NoGradGuard no_grad;
  const nn::EvalGuard eval(net);
  net(images);
  for (const auto& [norm, id] : hooks) {
    norm->remove_forward_hook(id);
  }
  return {meaning.distance / meaning.channels, meaning.ratio / meaning.channels, meaning.channels};
}

void print_meaning(const char* when, const Meaning& m, double accuracy) {
  say("  %-28s %9.2f %20.2f %15.1f %%\n", when, m.distance, m.ratio, accuracy);
}

std::unique_ptr<Net> stage_one(const Settings& s, const Digits& digits, const Tensor& images, Checks& checks) {
  say("Stage 1: BatchNorm learns the digits 0 to 4 (%d images, batch 64)\n", static_cast<int>(digits.first.size()));
  say("  running statistics           mean is off  true / running dev.  test accuracy\n");
  auto net = make_net(s);
  const Meaning fresh = compare_statistics(*net, images);
  print_meaning("fresh (0, 1)", fresh, test_accuracy(*net, digits, digits.first_test));
  optim::SGD optimizer(net->parameters(), {.lr = 0.05, .momentum = 0.9});
  data::DataLoader loader(digits.first, digits.options(64, s.seed));
  train(*net, optimizer, loader, s.epochs);
  const Meaning trained = compare_statistics(*net, images);
  const double accuracy = test_accuracy(*net, digits, digits.first_test);
  print_meaning("after training", trained, accuracy);
  const auto without = make_net(s);
  without->load_state_dict(net->state_dict());
  for (const auto& [name, module] : without->named_modules()) {
    if (auto* norm = dynamic_cast<nn::BatchNormBase*>(module)) {
      norm->reset_running_stats();
    }
  }
  const double accuracy_without = test_accuracy(*without, digits, digits.first_test);
  print_meaning("trained net, fresh ones", compare_statistics(*without, images), accuracy_without);
  checks.expect(trained.distance < 0.2 && std::abs(trained.ratio - 1) < 0.2,
                "after training they are those of the activations, up to 0.2 deviations");
  checks.expect(accuracy > 85 && accuracy_without < accuracy - 30, "and the network depends on them");
  return net;
}

std::unique_ptr<Net> copy_of(const Settings& s, const Net& net) {
  auto copy = make_net(s);
  copy->load_state_dict(net.state_dict());
  return copy;
}

void stage_two(const Settings& s, const Net& trained, const Tensor& images, Checks& checks) {
  say("\nStage 2: convert_bn_to_frozen\n");
  const NoGradGuard no_grad;
  const auto net = copy_of(s, trained);
  net->eval();
  const Tensor before = (*net)(images);
  const auto parameters_before = net->num_parameters();
  const nn::StateDict statistics = copies(*net, "running_");
  const nn::Conversions conversions = nn::convert_bn_to_frozen(*net);
  say("  %d layers, the first: %s, %s -> %s\n", static_cast<int>(conversions.size()), conversions.front().name.c_str(),
      conversions.front().from.c_str(), conversions.front().to.c_str());
  say("  parameters %d -> %d (gamma and beta are buffers now)\n", static_cast<int>(parameters_before),
      static_cast<int>(net->num_parameters()));
  net->train();
  const Tensor in_training = (*net)(images);
  net->eval();
  const Tensor in_eval = (*net)(images);
  checks.expect(2 * conversions.size() == statistics.size(), "every BatchNorm was converted");
  checks.expect(same_bits(before.array(), in_training.array()) && same_bits(before.array(), in_eval.array()),
                "training and eval give, to the bit, what BatchNorm gave in eval");
  checks.expect(changed(statistics, *net) == 0, "the statistics were copied, and a training forward leaves them");
}

struct Variant {
  const char* description;
  void (*prepare)(Net& net);
};

constexpr Variant kVariants[] = {
    {"BatchNorm, training on", [](Net&) {}},
    {"statistics frozen, affine learns", [](Net& net) { nn::freeze_batchnorm_stats(net); }},
    {"FrozenBatchNorm2d", [](Net& net) { nn::convert_bn_to_frozen(net); }},
    {"GroupNorm (new statistics)", [](Net& net) { nn::convert_bn_to_gn(net); }},
};

/// The parameters that stage 3 trains; the others stop taking gradients.
std::vector<Tensor> head_and_upper_layers(Net& net) {
  std::vector<Tensor> chosen;
  for (auto& [name, parameter] : net.named_parameters()) {
    const bool upper = name.starts_with("stages.1.") || name.starts_with("head_norm.") || name.starts_with("fc.");
    if (upper) {
      chosen.push_back(parameter);
    } else {
      parameter.requires_grad_(false);
    }
  }
  return chosen;
}

void stage_three(const Settings& s, const Digits& digits, const Net& trained, Checks& checks) {
  say("\nStage 3: head and upper layers learn the digits 5 to 9 (%d images, %d epochs, batch 2)\n",
      static_cast<int>(digits.second.size()), s.tune_epochs);
  say("  %-32s %10s %11s %9s %10s\n", "norms", "trained", "statistics", "lower", "test");
  say("  %-32s %10s %11s %9s %10s\n", "", "parameters", "changed", "changed", "accuracy");
  std::vector<double> accuracies;
  for (const Variant& variant : kVariants) {
    const auto net = copy_of(s, trained);
    variant.prepare(*net);
    const std::vector<std::string> remarks = nn::remark_counts(*net);
    Generator generator(s.seed + 1);
    net->fc.slot().replace(std::make_unique<nn::Linear>(128, 10, generator));
    optim::SGD optimizer(head_and_upper_layers(*net), {.lr = 0.002, .momentum = 0.9});
    const nn::StateDict statistics = copies(*net, "running_");
    nn::StateDict lower = copies(*net, "conv.weight");
    std::erase_if(lower, [](const auto& entry) { return entry.first.starts_with("stages.1."); });
    data::DataLoader loader(digits.second, digits.options(2, s.seed));
    train(*net, optimizer, loader, s.tune_epochs);  // calls net->train() every epoch
    accuracies.push_back(test_accuracy(*net, digits, digits.second_test));
    const int moved = changed(statistics, *net), lower_moved = changed(lower, *net);
    say("  %-32s %10d %5d of %2d %4d of %d %8.1f %%\n", variant.description,
        static_cast<int>(net->num_parameters(true)), moved, static_cast<int>(statistics.size()), lower_moved,
        static_cast<int>(lower.size()), accuracies.back());
    for (const std::string& remark : remarks) {
      say("    %s\n", remark.c_str());
    }
    std::fflush(stdout);
    const bool moves = &variant == &kVariants[0];
    checks.expect(lower_moved == 0 && (moves ? moved == static_cast<int>(statistics.size()) : moved == 0),
                  moves ? "lower weights untouched, all statistics moved" : "lower weights and statistics untouched");
  }
  checks.expect(accuracies[1] > accuracies[0] && accuracies[2] > accuracies[0],
                "frozen statistics are better than statistics of batches of 2");
}

int run(int argc, char** argv) {
  CommandLine line("Trains with BatchNorm, converts to FrozenBatchNorm2d and fine-tunes: the note's three stages.");
  Settings s;
  line.add("--train-size", s.train_size, "images of stage 1, half of which show 0 to 4").between(640, 20000);
  line.add("--epochs", s.epochs, "of stage 1").positive();
  line.add("--tune-size", s.tune_size, "images of stage 3").between(2, 10000);
  line.add("--tune-epochs", s.tune_epochs, "of stage 3").positive();
  line.add("--threads", s.threads).positive();
  line.add("--seed", s.seed, "of images, weights and order");
  line.example("frozen_batch_norm_demo --tune-size 1000");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  set_num_threads(s.threads);
  Checks checks;
  const Digits digits(s);
  data::DataLoader loader(digits.first_test, digits.options(512, 0));
  loader.start_epoch(0);
  const Tensor images = loader.next()->images;
  const auto trained = stage_one(s, digits, images, checks);
  stage_two(s, *trained, images, checks);
  stage_three(s, digits, *trained, checks);
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) { return run_program("frozen_batch_norm_demo", run, argc, argv); }
