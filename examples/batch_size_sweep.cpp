// Test accuracy against batch size for BatchNorm, GroupNorm and BatchRenorm: the GroupNorm paper's Table 2 in small.
//
// Every cell trains the same network (examples/support/strided_net.hpp: its last norm sees 4 values per image and
// channel) from the same weights on the same images in the same order. The optimizer steps once per 64 images, whatever
// the batch: gradients of the batches in between add up. So cells of a row differ in nothing but the images that a
// norm's statistics are taken over, and accumulation is shown to be no cure for BatchNorm. With --optimizer-batch 0 it
// steps after each batch, with a rate proportional to the batch, as the paper does.
// "bn*" is the trained "bn" with its running statistics estimated anew as averages over batches of 256: what is better
// there was lost in the statistics, the rest in the training (Wu & Johnson 2021, arXiv:2105.07576, section 3).
// Wu & He 2018, arXiv:1803.08494, Table 2; BatchRenorm: Ioffe 2017, arXiv:1702.03275.
//
// Expect: gn the same at every batch size, bn best at the large ones and worst at the smallest. Exits with 1 if not.

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/data/array_dataset.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/summary.hpp"
#include "evenkeel/optim/lr_scheduler.hpp"
#include "evenkeel/optim/sgd.hpp"
#include "examples/support/checks.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/progress.hpp"
#include "examples/support/strided_net.hpp"
#include "examples/support/task.hpp"
#include "examples/support/text.hpp"
#include "examples/support/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

using namespace evenkeel;
using namespace evenkeel::examples;

namespace {

struct Settings {
  std::vector<std::int64_t> batches = {64, 32, 16, 8, 4, 2};
  std::vector<std::string> norms = {"bn", "gn", "brn"};
  std::int64_t train_size = 4000, optimizer_batch = 64;
  int epochs = 6, seeds = 1, threads = num_threads();
  double lr = 0.2;
  std::uint64_t seed = 0;
  std::string data = "synthetic:hard";
  bool quick = false;
};

/// Accuracies in percent of a row, one per seed, by batch size.
using Row = std::map<std::int64_t, std::vector<double>>;

struct Cell {
  std::string norm;
  std::int64_t batch;
  std::uint64_t seed;
};

/// The network of a cell. BatchRenorm warms up in the first epoch; `averages`: running statistics are plain averages.
std::unique_ptr<nn::Sequential> make_net(const Settings& s, const Cell& cell, std::int64_t channels,
                                         bool averages = false) {
  Generator generator(cell.seed);
  const auto make_norm = [&](std::int64_t width) -> std::unique_ptr<nn::Layer> {
    if (cell.norm == "brn") {
      const nn::BatchRenormOptions options{.momentum = std::min(0.1, static_cast<double>(cell.batch) / 640),
                                           .warmup_steps = s.train_size / cell.batch};
      return std::make_unique<nn::BatchRenorm2d>(width, options);
    }
    nn::NormOptions options;
    if (averages) {
      options.momentum = std::nullopt;
    }
    return nn::make_norm(cell.norm, width, options);
  };
  return strided_net(generator, make_norm, channels);
}

/// Accuracy of a network with BatchNorm, its running statistics replaced by averages over `images`.
double with_new_statistics(const Settings& s, const Cell& cell, const nn::Layer& trained, const data::Dataset& images,
                           const Task& task, data::DataLoader& test) {
  const auto net = make_net(s, cell, images.image_shape()[0], true);
  net->load_state_dict(trained.state_dict());
  for (const auto& [name, module] : net->named_modules()) {
    if (auto* norm = dynamic_cast<nn::BatchNormBase*>(module)) {
      norm->reset_running_stats();
    }
  }
  const NoGradGuard no_grad;
  data::DataLoader loader(images, {.batch_size = 256, .mean = task.mean, .std = task.std});
  for (const data::Batch& batch : loader.epoch(0)) {
    (*net)(batch.images);
  }
  return evaluate(*net, test).accuracy;
}

/// One epoch with a step of the optimizer per `parts` batches; returns the mean loss.
double train_accumulating(nn::Layer& net, optim::Optimizer& optimizer, data::DataLoader& loader, int epoch,
                          std::int64_t parts) {
  net.train();
  optimizer.zero_grad();
  std::int64_t part = 0;
  double total = 0;
  for (const data::Batch& batch : loader.epoch(epoch)) {
    const Tensor loss = cross_entropy(net(batch.images), batch.labels);
    (loss / static_cast<double>(parts)).backward();
    total += loss.item();
    if (++part % parts == 0) {
      optimizer.step();
      optimizer.zero_grad();
    }
  }
  return total / static_cast<double>(loader.size());
}

void run_cell(const Settings& s, const Task& task, const data::Dataset& images, const Cell& cell,
              std::map<std::string, Row>& rows, Progress& progress) {
  data::DataLoaderOptions options{.batch_size = cell.batch, .shuffle = true, .seed = cell.seed};
  options.last_batch = data::LastBatch::drop;
  options.mean = task.mean;
  options.std = task.std;
  data::DataLoader train(images, options);
  data::DataLoader test(*task.test, {.batch_size = 250, .mean = task.mean, .std = task.std});
  const auto net = make_net(s, cell, images.image_shape()[0]);
  const std::int64_t step_size = s.optimizer_batch == 0 ? cell.batch : s.optimizer_batch;
  optim::SGD optimizer(net->parameters(), {.lr = s.lr * static_cast<double>(step_size) / 64, .momentum = 0.9});
  optim::CosineAnnealingLR schedule(optimizer, s.epochs);
  for (int epoch = 0; epoch < s.epochs; ++epoch) {
    const double loss = train_accumulating(*net, optimizer, train, epoch, step_size / cell.batch);
    schedule.step();
    progress.update(epoch + 1, loss, NAN, (epoch + 1) * images.size());
  }
  rows[cell.norm][cell.batch].push_back(100 * evaluate(*net, test).accuracy);
  if (cell.norm == "bn") {
    rows["bn*"][cell.batch].push_back(100 * with_new_statistics(s, cell, *net, images, task, test));
  }
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  return sum / static_cast<double>(values.size());
}

/// Largest minus smallest mean of a row.
double range_of(const Row& row) {
  double low = 100, high = 0;
  for (const auto& [batch, values] : row) {
    low = std::min(low, mean_of(values));
    high = std::max(high, mean_of(values));
  }
  return high - low;
}

void print_row(const std::string& name, const Row& row, const Settings& s) {
  say("  %-12s", name.c_str());
  for (const std::int64_t batch : s.batches) {
    say(" %7.2f", mean_of(row.at(batch)));
  }
  say("   range %.2f\n", range_of(row));
}

void print_comparison(const std::map<std::string, Row>& rows, const Settings& s) {
  const Row &bn = rows.at("bn"), &gn = rows.at("gn");
  say("  %-12s", "bn - gn");
  std::int64_t crossover = 0;
  for (const std::int64_t batch : s.batches) {
    const double difference = mean_of(bn.at(batch)) - mean_of(gn.at(batch));
    say(" %+7.2f", difference);
    crossover = difference < 0 ? std::max(crossover, batch) : crossover;
  }
  say("\n  the paper     +0.5 at batch 32, +0.5 at 16, -0.8 at 8, -3.1 at 4, -10.6 at 2 (ImageNet, ResNet-50)\n");
  if (crossover > 0) {
    say("  GroupNorm is ahead at batch %d; in the paper from 8 down\n", static_cast<int>(crossover));
  } else {
    say("  BatchNorm is ahead everywhere here\n");
  }
}

void check(const std::map<std::string, Row>& rows, const Settings& s, Checks& checks) {
  const Row &bn = rows.at("bn"), &gn = rows.at("gn");
  const auto [small, large] = std::minmax_element(s.batches.begin(), s.batches.end());
  const auto worse = [](const auto& a, const auto& b) { return mean_of(a.second) < mean_of(b.second); };
  checks.expect(3 * range_of(gn) < range_of(bn), "the batch size moves gn by less than a third of what it moves bn");
  checks.expect(std::min_element(bn.begin(), bn.end(), worse)->first == *small, "bn is worst at the smallest batch");
  checks.expect(mean_of(bn.at(*large)) > mean_of(gn.at(*large)), "bn is ahead of gn at the largest batch");
  if (!s.quick) {
    checks.expect(mean_of(bn.at(*small)) < mean_of(gn.at(*small)), "gn is ahead of bn at the smallest");
  }
}

void sweep(const Settings& s, Checks& checks) {
  const Task task = load_task(s.data, s.seed);
  const data::ArrayDataset images{data::Subset(*task.train, s.train_size)};
  const std::string steps = s.optimizer_batch == 0 ? "batch" : concat(s.optimizer_batch, " images");
  say("Test accuracy in %%, %d images of '%s', %d epochs, %d seed(s), a step per %s\n", static_cast<int>(images.size()),
      s.data.c_str(), s.epochs, s.seeds, steps.c_str());
  say("  %-12s", "batch size");
  for (const std::int64_t batch : s.batches) {
    say(" %7d", static_cast<int>(batch));
  }
  say("\n");
  std::map<std::string, Row> rows;
  for (const std::string& norm : s.norms) {
    for (const std::int64_t batch : s.batches) {
      for (int i = 0; i < s.seeds; ++i) {
        Progress progress(concat(norm, ", batch ", batch, ", seed ", i), s.epochs);
        run_cell(s, task, images, {norm, batch, s.seed + static_cast<std::uint64_t>(i)}, rows, progress);
        progress.finish();
      }
    }
    print_row(norm, rows[norm], s);
    for (const std::string& remark : nn::remark_counts(*make_net(s, {norm, 64, s.seed}, images.image_shape()[0]))) {
      say("    %s\n", remark.c_str());
    }
    if (norm == "bn") {
      print_row("bn*", rows["bn*"], s);
    }
    std::fflush(stdout);
  }
  if (rows.contains("bn") && rows.contains("gn")) {
    print_comparison(rows, s);
    if (s.optimizer_batch > 0 && s.batches.size() > 1) {
      check(rows, s, checks);
    }
  }
}

void add_options(CommandLine& line, Settings& s) {
  line.add("--batches", s.batches, "batch sizes").between(2, 4096);
  line.add("--norms", s.norms, "rows; any names that --norm of train takes");
  line.add("--train-size", s.train_size, "training images").between(64, 20000);
  line.add("--optimizer-batch", s.optimizer_batch, "images per step, a multiple of the batches; 0: the batch")
      .non_negative();
  line.add("--epochs", s.epochs).positive();
  line.add("--seeds", s.seeds, "runs per cell, averaged").positive();
  line.add("--lr", s.lr, "learning rate for 64 images per step").non_negative();
  line.add("--seed", s.seed, "of images, and of the first run's weights and order");
  line.add("--threads", s.threads).positive();
  line.add("--data", s.data, "synthetic, synthetic:hard, mnist:DIR or cifar10:DIR");
  line.add_flag("--quick", s.quick, "bn and gn at batch 64 and 2, 2000 images, 3 epochs");
  line.example("batch_size_sweep --norms bn,gn,ln,in --batches 32,2 --seeds 3");
}

int run(int argc, char** argv) {
  CommandLine line("Test accuracy against batch size for several norms: the GroupNorm paper's Table 2 in small.");
  Settings s;
  add_options(line, s);
  if (!line.parse(argc, argv)) {
    return 0;
  }
  if (s.quick) {
    s.batches = {64, 2};
    s.norms = {"bn", "gn"};
    s.train_size = 2000;
    s.epochs = 3;
  }
  for (const std::int64_t batch : s.batches) {
    require(s.optimizer_batch % batch == 0 && batch <= s.train_size, "--batches", batch,
            " must divide --optimizer-batch ", s.optimizer_batch, " and be at most --train-size ", s.train_size);
  }
  for (const std::string& norm : s.norms) {
    nn::make_norm(norm, 16);
  }
  set_num_threads(s.threads);
  Checks checks;
  sweep(s, checks);
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) { return run_program("batch_size_sweep", run, argc, argv); }
