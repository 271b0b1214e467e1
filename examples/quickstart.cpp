// BatchNorm against GroupNorm at batch size 2 and 16, on the built-in data set: the small experiment of the GroupNorm
// note, with labels that can be learned. Trains SmallCNN four times (about a minute on 2 cores) and ends with a table.
//
// What to look for: GroupNorm takes its statistics from each sample, so its train-eval gap (loss in eval mode minus
// loss in training mode, same weights, same images) is 0 at any batch size; BatchNorm's is not, and it grows as the
// batch shrinks. Wu & He 2018, arXiv:1803.08494, Table 2, has the same comparison on ImageNet.

#include "evenkeel/core/io/safetensors.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/models/small_cnn.hpp"
#include "evenkeel/optim/sgd.hpp"
#include "evenkeel/training/checkpoint.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/progress.hpp"
#include "examples/support/run_folder.hpp"
#include "examples/support/task.hpp"
#include "examples/support/trainer.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

using namespace evenkeel;
using namespace evenkeel::examples;

namespace {

struct Settings {
  std::int64_t train_size = 6000, test_size = 2000;
  int epochs = 5, threads = num_threads();
  double lr = 0.01;
  std::uint64_t seed = 0;
  std::string data = "synthetic";
  std::filesystem::path out = "runs/quickstart";
};

struct Cell {
  std::string norm;
  std::int64_t batch_size;
  std::string label() const { return concat(norm, ", batch ", batch_size); }
};

struct Result {
  Cell cell;
  EpochMetrics last;
  double train_eval_gap = 0;
};

/// The training images of a cell, in the order of its seed.
data::DataLoaderOptions training_options(const Settings& s, const Task& task, const Cell& cell) {
  data::DataLoaderOptions options{.batch_size = cell.batch_size, .shuffle = true, .seed = s.seed};
  options.mean = task.mean;
  options.std = task.std;
  return options;
}

Result run_cell(const Settings& s, const Task& task, const Cell& cell, RunFolder& folder) {
  const data::Subset images(*task.train, s.train_size);
  const data::Subset test_images(*task.test, s.test_size);
  Generator generator(s.seed);
  const models::SmallCNNOptions model_options{.in_channels = images.image_shape()[0], .norm = cell.norm};
  models::SmallCNN model(generator, model_options);
  optim::SGD optimizer(model.named_parameters(), {.lr = s.lr, .momentum = 0.9});
  data::DataLoader train_loader(images, training_options(s, task, cell));
  data::DataLoader test_loader(test_images, {.batch_size = 256, .mean = task.mean, .std = task.std});
  Result result{.cell = cell, .last = {}};
  for (int epoch = 1; epoch <= s.epochs; ++epoch) {
    Progress progress(concat(cell.label(), "  epoch ", epoch, "/", s.epochs), train_loader.size());
    const Score trained = train_epoch(model, optimizer, train_loader, epoch - 1,
                                      [&](std::int64_t step, const Score& score, std::int64_t seen) {
                                        progress.update(step, score.loss, score.accuracy, seen);
                                      });
    const double seconds = progress.seconds();
    const Score tested = evaluate(model, test_loader);
    progress.finish();
    result.last = {.run = cell.label(),
                   .epoch = epoch,
                   .train_loss = trained.loss,
                   .train_accuracy = trained.accuracy,
                   .test_loss = tested.loss,
                   .test_accuracy = tested.accuracy,
                   .images_per_second = static_cast<double>(images.size()) / seconds,
                   .seconds = seconds,
                   .learning_rate = s.lr};
    folder.add(result.last);
    std::printf("%-12s epoch %d/%d  train loss %.4f  acc %5.2f%%  |  test loss %.4f  acc %5.2f%%  |  %.0f img/s\n",
                cell.label().c_str(), epoch, s.epochs, trained.loss, 100 * trained.accuracy, tested.loss,
                100 * tested.accuracy, result.last.images_per_second);
    std::fflush(stdout);
  }
  result.train_eval_gap = train_eval_gap(model, train_loader, 512 / cell.batch_size);
  const std::string name = concat(cell.norm, "-", cell.batch_size, ".safetensors");
  save_safetensors(folder.file("model-" + name), model.state_dict());
  training::Entries entries{.arrays = {}, .texts = {{"norm", cell.norm}, {"epoch", concat(s.epochs)}}};
  training::save_checkpoint(folder.file("checkpoint-" + name),
                            {.model = model, .optimizer = optimizer, .loader = &train_loader, .entries = &entries});
  return result;
}

void print_table(const std::vector<Result>& results) {
  std::printf("\n%-6s %6s %12s %14s %16s %10s\n", "norm", "batch", "train loss", "test accuracy", "train-eval gap",
              "images/s");
  for (const Result& r : results) {
    std::printf("%-6s %6lld %12.4f %13.2f%% %+16.4f %10.0f\n", r.cell.norm.c_str(),
                static_cast<long long>(r.cell.batch_size), r.last.train_loss, 100 * r.last.test_accuracy,
                r.train_eval_gap, r.last.images_per_second);
  }
}

void quickstart(const Settings& s) {
  require(!std::filesystem::exists(s.out / "checkpoint.safetensors"), "quickstart", s.out.string(),
          " holds a run of train; choose another --out");
  const Task task = load_task(s.data, s.seed);
  RunFolder folder(s.out);
  std::printf("SmallCNN on %lld images of '%s', %d epochs per cell, %d threads\n\n",
              static_cast<long long>(std::min(s.train_size, task.train->size())), s.data.c_str(), s.epochs,
              num_threads());
  std::vector<Result> results;
  for (const std::int64_t batch_size : {2, 16}) {
    for (const char* norm : {"bn", "gn"}) {
      results.push_back(run_cell(s, task, {norm, batch_size}, folder));
    }
  }
  print_table(results);
  folder.draw_curves("SmallCNN, BatchNorm and GroupNorm at batch size 2 and 16");
  std::printf("\nmetrics.csv, curves.png, curves.svg, models and checkpoints are in %s\n", folder.path().c_str());
}

int run(int argc, char** argv) {
  CommandLine line("Trains SmallCNN with BatchNorm and GroupNorm at batch size 2 and 16 and compares them.");
  Settings s;
  line.add("--train-size", s.train_size, "training images per epoch").positive();
  line.add("--test-size", s.test_size, "test images").positive();
  line.add("--epochs", s.epochs, "per cell").positive();
  line.add("--lr", s.lr, "learning rate").non_negative();
  line.add("--seed", s.seed, "of images, weights and order");
  line.add("--threads", s.threads).positive();
  line.add("--data", s.data, "synthetic, synthetic:hard, mnist:DIR or cifar10:DIR");
  line.add("--out", s.out, "folder for the results");
  line.example("quickstart --train-size 2000 --epochs 1 --out runs/short");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  set_num_threads(s.threads);
  stop_on_interrupt();
  try {
    quickstart(s);
  } catch (const Interrupted&) {
    std::printf("\ninterrupted; the finished epochs are in %s\n", s.out.c_str());
    return 130;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run_program("quickstart", run, argc, argv); }
