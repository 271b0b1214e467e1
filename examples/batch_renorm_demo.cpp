// BatchRenorm as its note describes it: the clamps during the warm-up, what training then has to do with eval, and what
// that is worth when batches are small or no fair sample.
//
// y = ((x - m) / sqrt(v + eps) * r + d) * weight + bias with the batch's m and v; r and d (constants for the gradient)
// carry the result over to the running statistics, as far as the clamps let them:
//   rmax_t = 1 + a (rmax - 1),  dmax_t = a dmax,  a = min(1, t / warmup_steps)
// Ioffe 2017, arXiv:1702.03275; the experiments follow its figures 1 and 2.
//
// Expect: r and d exactly at the clamps at first, and training output equal to eval's to 1e-12 once they are inside; a
// train-eval gap of 0 where BatchNorm's grows as the batch shrinks; with one label per batch BatchNorm is near chance
// in eval and recovers by the batch's own statistics, while BatchRenorm is the same in both. With drawn batches, down
// to micro-batch 4, BatchRenorm does not beat BatchNorm on this small task. GroupNorm is there to show what few labels
// per batch cost without any statistics of the batch. Exits with 1 if not. About a minute; --quick: a second.

#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "examples/support/checks.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/selection.hpp"
#include "examples/support/strided_net.hpp"
#include "examples/support/task.hpp"
#include "examples/support/text.hpp"
#include "examples/support/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <evenkeel/evenkeel.hpp>

using namespace evenkeel;
using namespace evenkeel::examples;

namespace {

constexpr TensorOptions kDouble{.dtype = DType::float64};
double largest(const Tensor& x) { return max(abs(x)).item(); }
double root_mean_square(const Tensor& x) { return std::sqrt(mean(square(x)).item()); }

void warm_up(Generator& generator, Checks& checks) {
  constexpr std::int64_t kWarmup = 10;
  say("Warm-up: one feature with mean 10 and deviation 4, batches of 64, running statistics from 0 and 1; "
      "rmax 3, dmax 5, warmup_steps %d (the note: 2k to 10k), momentum 0.1\n",
      static_cast<int>(kWarmup));
  say("  call  rmax   dmax |       r  wanted |       d  wanted |  y - bn's y - eval's\n");
  nn::BatchRenorm1d norm(1, {.affine = false, .warmup_steps = kWarmup});
  norm.to(DType::float64);
  double worst = 0, worst_inside = 0;
  int at_rmax = 0, at_dmax = 0, inside = 0;
  for (int t = 1; t <= 60; ++t) {
    const Tensor x = randn({64, 1}, generator, kDouble) * 4 + 10;
    const double m = mean(x).item(), s = std::sqrt(var(x, {}, 0).item() + 1e-5);
    const double m_run = norm.running_mean.item(), s_run = std::sqrt(norm.running_var.item() + 1e-5);
    const double a = std::min(1.0, t / static_cast<double>(kWarmup)), rmax = 1 + a * 2, dmax = a * 5;
    const double wanted_r = s / s_run, wanted_d = (m - m_run) / s_run;
    const Tensor y = norm(x), x_hat = (x - m) / s, y_eval = (x - m_run) / s_run;
    const double d = mean(y).item(), r = evenkeel::std(y).item() / evenkeel::std(x_hat).item();
    const double expected_r = std::clamp(wanted_r, 1 / rmax, rmax), expected_d = std::clamp(wanted_d, -dmax, dmax);
    worst = std::max({worst, std::abs(r - expected_r), std::abs(d - expected_d)});
    at_rmax += wanted_r > rmax ? 1 : 0;
    at_dmax += wanted_d > dmax ? 1 : 0;
    if (expected_r == wanted_r && expected_d == wanted_d) {
      ++inside;
      worst_inside = std::max(worst_inside, largest(y - y_eval));
    }
    if (t <= 4 || t == 6 || t == 10 || t % 20 == 0) {
      say("  %4d %5.2f %6.2f | %7.3f %7.3f | %7.3f %7.3f | %9.3f %10.3g\n", t, rmax, dmax, r, wanted_r, d, wanted_d,
          largest(y - x_hat), largest(y - y_eval));
    }
  }
  checks.expect(worst < 1e-12, "r and d are what the batch wants, limited to the clamps of that call");
  checks.expect(at_rmax > 0 && at_dmax > 0, "both clamps were reached while the running statistics were far off");
  checks.expect(inside > 30 && worst_inside < 1e-12, "inside the clamps, training gives what eval would have given");
}

void state(Generator& generator, Checks& checks) {
  say("\nState\n");
  const nn::BatchRenormOptions options{.warmup_steps = 20};
  nn::BatchRenorm1d norm(6, options), resumed(6, options);
  for (int i = 0; i < 10; ++i) {
    norm(randn({8, 6}, generator) + 3);
  }
  norm.eval();
  norm(randn({8, 6}, generator));
  norm.train();
  const auto calls = norm.num_batches_tracked.array().item_int64();
  checks.expect(calls == 10, "10 training calls and one in eval count as 10");
  resumed.load_state_dict(norm.state_dict());
  const Tensor x = randn({8, 6}, generator) + 3;
  checks.expect(largest(norm(x) - resumed(x)) == 0, "a layer made from its state_dict goes on with the warm-up");
  nn::BatchRenorm1d untracked(6, {.track_running_stats = false});
  std::string text;
  try {
    untracked.eval();
    untracked(x);
  } catch (const StateError& e) {
    text = e.what();
  }
  say("  track_running_stats = false, eval: %s\n", text.c_str());
  checks.expect(!text.empty(), "which throws");
}

/// Activations as images give them: a channel's values in one image resemble each other.
Tensor activations(std::int64_t batch, Generator& generator) {
  return randn({batch, 8, 1, 1}, generator) + randn({batch, 8, 4, 4}, generator) * 0.7;
}

/// Root mean square of training output minus what eval gives for the same batch and statistics, over 50 batches that
/// follow 200 others.
double output_gap(nn::BatchNormBase& norm, std::int64_t batch, Generator& generator) {
  for (int i = 0; i < 200; ++i) {
    norm(activations(batch, generator));
  }
  double sum = 0;
  for (int i = 0; i < 50; ++i) {
    const Tensor x = activations(batch, generator);
    norm.eval();
    const Tensor y_eval = norm(x);
    norm.train();
    sum += root_mean_square(norm(x) - y_eval);
  }
  return sum / 50;
}

void gaps(Generator& generator, Checks& checks) {
  say("\nTraining output minus eval output of the same batch (root mean square), statistics settled\n");
  say("  batch    BatchNorm  BatchRenorm\n");
  std::vector<double> bn, brn;
  for (const std::int64_t batch : {2, 4, 8, 16, 32}) {
    const NoGradGuard no_grad;
    nn::BatchNorm2d batch_norm(8);
    nn::BatchRenorm2d batch_renorm(8, {.warmup_steps = 100});
    bn.push_back(output_gap(batch_norm, batch, generator));
    brn.push_back(output_gap(batch_renorm, batch, generator));
    say("  %5d %12.4f %12.2e\n", static_cast<int>(batch), bn.back(), brn.back());
  }
  checks.expect(bn[1] > 0.3 && bn[1] > 2 * bn[4], "BatchNorm's gap grows as the batch shrinks; large at micro-batch 4");
  checks.expect(*std::max_element(brn.begin() + 1, brn.end()) < 1e-5, "BatchRenorm has none from micro-batch 4 on");
}

struct Settings {
  std::int64_t train_size = 8000;
  int epochs = 4;
  int threads = num_threads();
  std::uint64_t seed = 0;
  bool quick = false;
};

/// How the batches of a run are made: of `labels` labels with `copies` images each, or drawn from the whole set.
struct Batches {
  const char* description;
  std::int64_t size, labels, copies;
};

data::DataLoaderOptions loader_options(const Task& task, std::int64_t batch, bool shuffle, std::uint64_t seed) {
  data::DataLoaderOptions options{.batch_size = batch, .shuffle = shuffle, .seed = seed};
  options.last_batch = data::LastBatch::drop;
  options.mean = task.mean;
  options.std = task.std;
  return options;
}

std::vector<std::int64_t> order(const data::Dataset& images, const Batches& batches, Generator& generator) {
  return batches.labels > 0 ? few_labels_at_a_time(images, batches.labels, batches.copies, generator)
                            : with_labels(images, 0, images.num_classes());
}

/// Accuracy in percent where each test batch, made like the training batches, is normalized by its own statistics.
double with_own_statistics(nn::Layer& net, const Task& task, const data::Dataset& images, const Batches& batches) {
  Generator generator(1);
  const Selection selection(images, order(images, batches, generator));
  data::DataLoader loader(selection, loader_options(task, batches.size, batches.labels == 0, 0));
  const NoGradGuard no_grad;
  net.train();
  std::int64_t right = 0, seen = 0;
  for (const data::Batch& batch : loader.epoch(0)) {
    const Tensor hits = eq(argmax(net(batch.images), 1), batch.labels);
    right += static_cast<std::int64_t>(sum(to(hits, DType::float64)).item());
    seen += batch.labels.numel();
  }
  return 100 * static_cast<double>(right) / static_cast<double>(seen);
}

struct Outcome {
  double train, eval, own;  ///< accuracies in percent: last epoch, test in eval, test by the batch's own statistics
};

constexpr const char* kNorms[] = {"BatchNorm", "BatchRenorm", "GroupNorm"};

/// The running statistics gather as many images at every batch size: momentum 0.1 at batch 64. BatchRenorm warms up in
/// the first epoch.
std::unique_ptr<nn::Layer> make_norm(const std::string& name, std::int64_t channels, std::int64_t batch,
                                     std::int64_t steps) {
  const double momentum = static_cast<double>(batch) / 640;
  if (name == "GroupNorm") {
    return std::make_unique<nn::GroupNorm>(nn::choose_gn_groups(channels), channels);
  }
  if (name == "BatchNorm") {
    return std::make_unique<nn::BatchNorm2d>(channels, nn::BatchNormOptions{.momentum = momentum});
  }
  const nn::BatchRenormOptions options{.momentum = momentum, .warmup_steps = steps};
  return std::make_unique<nn::BatchRenorm2d>(channels, options);
}

Outcome train(const Settings& s, const Task& task, const data::Dataset& images, const data::Dataset& test,
              const std::string& norm, const Batches& batches) {
  Generator generator(s.seed);
  const std::int64_t steps = s.train_size / batches.size;
  const auto net =
      strided_net(generator, [&](std::int64_t channels) { return make_norm(norm, channels, batches.size, steps); });
  optim::SGD optimizer(net->parameters(), {.lr = 0.1 * static_cast<double>(batches.size) / 64, .momentum = 0.9});
  optim::CosineAnnealingLR schedule(optimizer, s.epochs);
  Outcome outcome{};
  for (int epoch = 0; epoch < s.epochs; ++epoch) {
    const Selection selection(images, order(images, batches, generator));
    data::DataLoader loader(selection, loader_options(task, batches.size, batches.labels == 0, s.seed));
    outcome.train = 100 * train_epoch(*net, optimizer, loader, epoch).accuracy;
    schedule.step();
  }
  data::DataLoader test_loader(test, loader_options(task, 200, false, 0));
  outcome.eval = 100 * evaluate(*net, test_loader).accuracy;
  outcome.own = with_own_statistics(*net, task, test, batches);
  return outcome;
}

void training(const Settings& s, Checks& checks) {
  const Task task = load_task("synthetic:hard", s.seed);
  const data::ArrayDataset images{data::Subset(*task.train, s.train_size)};
  const data::ArrayDataset test(*task.test);
  say("\nTraining a small network on %d hard digits, %d epochs; accuracy in %%\n", static_cast<int>(s.train_size),
      s.epochs);
  say("  batches               norm         training   test, eval  test, batch's own\n");
  Generator generator(s.seed);
  const auto grouped =
      strided_net(generator, [](std::int64_t channels) { return make_norm("GroupNorm", channels, 1, 1); });
  for (const std::string& remark : nn::remark_counts(*grouped)) {
    say("  %s\n", remark.c_str());
  }
  std::vector<Outcome> outcomes;
  for (const Batches& batches : {Batches{"64, drawn", 64, 0, 0}, Batches{"4, drawn", 4, 0, 0},
                                 Batches{"32 = 2 labels x 16", 32, 2, 16}, Batches{"8 = 1 label x 8", 8, 1, 8}}) {
    for (const char* norm : kNorms) {
      const Outcome o = outcomes.emplace_back(train(s, task, images, test, norm, batches));
      say("  %-20s  %-11s %9.1f %12.1f %17.1f\n", batches.description, norm, o.train, o.eval, o.own);
      std::fflush(stdout);
    }
  }
  double gap = 0;
  for (std::size_t i = 1; i < outcomes.size(); i += 3) {
    gap = std::max(gap, std::abs(outcomes[i].eval - outcomes[i].own));
  }
  const Outcome& bn = outcomes[9];
  checks.expect(bn.eval < 30 && bn.own > bn.eval + 15, "one label per batch: BatchNorm fails in eval, not by its own");
  checks.expect(gap < 5, "BatchRenorm's accuracy is the same either way, whatever the batches");
  checks.expect(outcomes[7].eval > outcomes[6].eval, "two labels per batch: BatchRenorm is ahead of BatchNorm in eval");
}

int run(int argc, char** argv) {
  CommandLine line("Shows what BatchRenorm's note says, in numbers.");
  Settings s;
  line.add("--train-size", s.train_size, "training images").positive();
  line.add("--epochs", s.epochs).positive();
  line.add("--threads", s.threads).positive();
  line.add("--seed", s.seed, "of inputs, images, weights and order");
  line.add_flag("--quick", s.quick, "leave out the training runs");
  line.example("batch_renorm_demo --epochs 2");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  set_num_threads(s.threads);
  Checks checks;
  Generator generator(s.seed);
  warm_up(generator, checks);
  state(generator, checks);
  gaps(generator, checks);
  if (!s.quick) {
    training(s, checks);
  }
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) { return run_program("batch_renorm_demo", run, argc, argv); }
