#include "examples/support/train_program.hpp"

#include "evenkeel/core/io/safetensors.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/summary.hpp"
#include "evenkeel/optim/sgd.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/progress.hpp"
#include "examples/support/run_folder.hpp"
#include "examples/support/task.hpp"
#include "examples/support/text.hpp"
#include "examples/support/train_run.hpp"
#include "examples/support/trainer.hpp"

#include <system_error>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <stdexcept>

namespace evenkeel::examples {

namespace {

struct Settings {
  std::string program = "train";
  std::string model = "small_cnn", norm, data = "synthetic", dtype = "float32";
  std::int64_t batch_size = 16, limit_train = 0, limit_test = 0, save_every = 0;
  int epochs = 1, threads = num_threads();
  double lr = 0.01, momentum = 0.9, weight_decay = 0;
  bool nesterov = false, augment = false, no_stop_on_nan = false;
  std::uint64_t seed = 0;
  std::filesystem::path out, resume;
};

/// The options that belong to a run: saved in its checkpoint and taken from there when it is resumed, where some may
/// change.
struct RunOption {
  CommandLine::Option option;
  bool may_change = false;
};
using RunOptions = std::vector<RunOption>;

/// The loss or a weight is no finite number any more: ends the run, whose last checkpoint stays.
class Diverged : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class Entries>
std::string names(const Entries& entries) {
  std::string text;
  for (const auto& entry : entries) {
    text += (text.empty() ? "" : ", ") + std::string(entry.name);
  }
  return text;
}

RunOptions add_options(CommandLine& line, Settings& s) {
  RunOptions run;
  run.push_back({line.add("--model", s.model, "network: " + names(models::models()))});
  run.push_back({line.add("--norm", s.norm, "normalization (default: the model's own): " + names(nn::norms()))});
  run.push_back({line.add("--data", s.data, "synthetic, synthetic:hard, mnist:DIR or cifar10:DIR"), true});
  run.push_back({line.add("--batch-size", s.batch_size).positive()});
  run.push_back({line.add("--lr", s.lr, "learning rate").non_negative(), true});
  run.push_back({line.add("--momentum", s.momentum, "of SGD").non_negative()});
  run.push_back({line.add("--weight-decay", s.weight_decay).non_negative()});
  run.push_back({line.add_flag("--nesterov", s.nesterov, "Nesterov momentum")});
  run.push_back({line.add_flag("--augment", s.augment, "random crops (4 pixels) and flips of the training images")});
  run.push_back({line.add("--seed", s.seed, "of weights, order and augmentation")});
  run.push_back({line.add("--dtype", s.dtype).one_of({"float32", "float64"})});
  run.push_back(
      {line.add("--limit-train", s.limit_train, "use only the first N training images (0: all)").non_negative()});
  run.push_back({line.add("--limit-test", s.limit_test, "use only the first N test images (0: all)").non_negative()});
  line.add("--epochs", s.epochs, "to train in this call (0 with --resume: only puts the folder's files right)")
      .non_negative();
  line.add("--threads", s.threads).positive();
  line.add("--out", s.out, "folder for the results (default: the resumed checkpoint's, else runs/MODEL-NORM)");
  line.add("--resume", s.resume,
           "continue from this checkpoint.safetensors, bit for bit; --lr and --data may be others than before");
  line.add("--save-every", s.save_every, "save after so many steps of an epoch, too (0: at its end only)")
      .non_negative();
  line.add_flag("--no-stop-on-nan", s.no_stop_on_nan, "train on when the loss is no finite number any more");
  line.example(s.program + " --model small_cnn --norm gn --data synthetic --batch-size 16 --epochs 3 --out runs/gn");
  return run;
}

std::map<std::string, std::string> to_map(const RunOptions& options) {
  std::map<std::string, std::string> result;
  for (const auto& [option, _] : options) {
    result[option.name()] = option.text();
  }
  return result;
}

/// --norm, if this call did not give it, gets the model's own.
void adopt_models_norm(const RunOptions& options, const Settings& s) {
  const auto norm =
      std::find_if(options.begin(), options.end(), [](const auto& o) { return o.option.name() == "--norm"; });
  if (!norm->option.given()) {
    norm->option.set(std::string(models::model_entry(s.model).norm));
  }
}

/// Whether two settings mean the same: as numbers where both are some ("1e-2" and "0.01"), else as texts. A double does
/// not tell all seeds apart.
bool same_setting(const std::string& a, const std::string& b) {
  if (const auto x = number<std::uint64_t>(a), y = number<std::uint64_t>(b); x && y) {
    return *x == *y;
  }
  const auto x = number<double>(a), y = number<double>(b);
  return x && y ? *x == *y : a == b;
}

/// Options that this call did not give get the checkpoint's values; those that it gave must agree with them, or may
/// change, which is said.
void adopt_settings(const RunOptions& options, const training::Checkpoint& checkpoint) {
  const std::string path = checkpoint.path.string();
  for (const auto& [option, may_change] : options) {
    const std::string name = option.name();
    const auto found = checkpoint.entries.texts.find(name);
    require(found != checkpoint.entries.texts.end(), "resume", "'", path, "' lacks the setting ", name);
    const std::string& saved = found->second;
    if (!option.given()) {
      option.set(saved);
    } else if (!same_setting(option.text(), saved)) {
      require(may_change, "resume", "'", path, "' was made with ", name, " ", saved, ", this call says ",
              option.text());
      std::printf("%s is %s from now on, it was %s\n", name.c_str(), option.text().c_str(), saved.c_str());
    }
  }
}

/// Where the results go.
std::filesystem::path output_folder(const Settings& s) {
  std::filesystem::path before = s.resume.has_parent_path() ? s.resume.parent_path() : ".";
  std::filesystem::path folder = !s.out.empty()      ? s.out
                                 : !s.resume.empty() ? before
                                                     : std::filesystem::path("runs") / (s.model + "-" + s.norm);
  std::error_code missing;
  if (!s.resume.empty() && !std::filesystem::equivalent(folder, before, missing)) {
    std::printf("--out is %s from now on, it was %s\n", folder.c_str(), before.c_str());
  }
  return folder;
}

std::unique_ptr<nn::Layer> build_model(const Settings& s, const data::Dataset& dataset) {
  Generator generator(s.seed);
  const Shape image = dataset.image_shape();
  models::ModelOptions options{.in_channels = image[0], .num_classes = dataset.num_classes(), .norm = s.norm};
  options.input_size = Size2(image[1], image[2]);
  auto model = models::make_model(s.model, generator, options);
  model->to(dtype_from_name(s.dtype));
  return model;
}

data::DataLoaderOptions loader_options(const Settings& s, const Task& task, bool training) {
  data::DataLoaderOptions options{.batch_size = training ? s.batch_size : 256, .shuffle = training, .seed = s.seed};
  options.last_batch = training ? data::LastBatch::merge : data::LastBatch::keep;
  options.mean = task.mean;
  options.std = task.std;
  if (training && s.augment) {
    options.augmentation = {.crop_padding = 4, .horizontal_flip = true};
  }
  return options;
}

/// The parts of a run that its epochs share.
struct Run {
  const Settings& settings;
  const std::map<std::string, std::string> saved_settings;
  nn::Layer& model;
  optim::Optimizer& optimizer;
  data::DataLoader &train, &test;
  TrainRun& state;
};

/// What a checkpoint is about to hold must be of use.
void check_weights(const Run& run, int epoch, std::int64_t step) {
  const std::string name = run.settings.no_stop_on_nan ? "" : first_not_finite(run.model);
  if (!name.empty()) {
    throw Diverged(concat(name, " is not finite after step ", step, " of epoch ", epoch, ", the loss is ",
                          run.state.tally().score().loss));
  }
}

/// The rest of an epoch of training, from where the loader is, and one pass over the test images.
EpochMetrics run_epoch(const Run& run, int epoch, int last_epoch) {
  Progress progress("epoch " + std::to_string(epoch) + "/" + std::to_string(last_epoch), run.train.size());
  const std::int64_t images_before = run.state.tally().images();
  const auto on_step = [&](std::int64_t step, const Score& score, std::int64_t images) {
    if (!run.settings.no_stop_on_nan && !std::isfinite(score.loss)) {
      progress.finish();
      throw Diverged(concat("the loss is ", score.loss, " at step ", step, " of epoch ", epoch));
    }
    progress.update(step, score.loss, score.accuracy, images - images_before);
    if (run.settings.save_every > 0 && step % run.settings.save_every == 0 && step < run.train.size()) {
      check_weights(run, epoch, step);
      run.state.save_inside(run.saved_settings);
    }
  };
  const Score trained = train_epoch(run.model, run.optimizer, run.train, epoch - 1, on_step, &run.state.tally());
  const double seconds = progress.seconds();
  check_weights(run, epoch, run.train.size());
  const Score tested = evaluate(run.model, run.test);
  progress.finish();
  if (!run.settings.no_stop_on_nan && !std::isfinite(tested.loss)) {
    throw Diverged(concat("the test loss is ", tested.loss, " after epoch ", epoch));
  }
  const double images_per_second = static_cast<double>(run.state.tally().images() - images_before) / seconds;
  std::printf("epoch %d/%d  train loss %.4f  acc %.2f%%  |  test loss %.4f  acc %.2f%%  |  %.0f img/s, %s\n", epoch,
              last_epoch, trained.loss, 100 * trained.accuracy, tested.loss, 100 * tested.accuracy, images_per_second,
              format_duration(seconds).c_str());
  std::fflush(stdout);
  return {.run = "",
          .epoch = epoch,
          .train_loss = trained.loss,
          .train_accuracy = trained.accuracy,
          .test_loss = tested.loss,
          .test_accuracy = tested.accuracy,
          .images_per_second = images_per_second,
          .seconds = seconds,
          .learning_rate = run.optimizer.lr()};
}

/// The epochs of this call; the curves are drawn whatever ends them.
void run_epochs(const Run& run, RunFolder& folder, const std::string& title) {
  const std::int64_t finished = run.train.position().epoch;
  const int first_epoch = static_cast<int>(finished) + 1, last_epoch = static_cast<int>(finished) + run.settings.epochs;
  if (!folder.metrics().empty() && first_epoch <= last_epoch) {
    folder.draw_curves_now_and_then(title);  // a killed run's may be older than its checkpoint
  }
  try {
    for (int epoch = first_epoch; epoch <= last_epoch; ++epoch) {
      run.state.finish_epoch(run_epoch(run, epoch, last_epoch), run.saved_settings);
      if (epoch < last_epoch) {
        folder.draw_curves_now_and_then(title);
      }
    }
  } catch (...) {
    if (!folder.metrics().empty()) {
      folder.draw_curves(title);
    }
    throw;
  }
  if (!folder.metrics().empty()) {
    folder.draw_curves(title);
  }
}

/// Trains and says what is in the folder then; returns the program's exit code.
int run_to_the_end(const Run& run, RunFolder& folder, const std::string& title) {
  try {
    run_epochs(run, folder, title);
  } catch (const Interrupted&) {
    const bool saved = std::filesystem::exists(folder.file("checkpoint.safetensors"));
    const bool inside = run.settings.save_every > 0 || run.state.inside_epoch();
    std::printf("\ninterrupted; %s\n", !saved   ? "no checkpoint was saved"
                                       : inside ? "--resume goes on from the last save"
                                                : "the last finished epoch is saved");
    return 130;
  } catch (const Diverged& diverged) {
    std::fprintf(stderr, "%s: %s; %s (--no-stop-on-nan trains on)\n", run.settings.program.c_str(), diverged.what(),
                 run.state.undo_saves().c_str());
    return 3;
  }
  std::printf("results in %s\n", folder.path().c_str());
  return 0;
}

int train(const Settings& s, const RunOptions& run_options, const training::Checkpoint* checkpoint) {
  const Task task = load_task(s.data, s.seed);
  const data::Subset images(*task.train, s.limit_train > 0 ? s.limit_train : task.train->size());
  const data::Subset test_images(*task.test, s.limit_test > 0 ? s.limit_test : task.test->size());
  const auto model = build_model(s, images);
  optim::SGD optimizer(model->named_parameters(),
                       {.lr = s.lr, .momentum = s.momentum, .weight_decay = s.weight_decay, .nesterov = s.nesterov});
  data::DataLoader train_loader(images, loader_options(s, task, true));
  data::DataLoader test_loader(test_images, loader_options(s, task, false));
  require(images.size() > 0 && test_images.size() > 0, "train", s.data, " has ", images.size(), " training and ",
          test_images.size(), " test images, at least one of each is needed");
  RunFolder folder(output_folder(s));
  check_free(folder.path(), s.resume);  // now that nobody else writes there
  TrainRun state(*model, optimizer, train_loader, folder, s.model + " " + s.norm);
  if (checkpoint != nullptr) {
    const training::Checkpoint latest = training::read_checkpoint(s.resume);
    require<StateError>(latest.entries.texts == checkpoint->entries.texts, "resume", "'", s.resume.string(),
                        "' was replaced by another training just now; try again");
    state.restore(latest);
    const std::int64_t finished = train_loader.position().epoch;
    require(finished <= std::numeric_limits<int>::max() - s.epochs, "train", "--epochs ", s.epochs, " after epoch ",
            finished, " is more than can be counted");
    state.rewrite_files(latest);
    optimizer.set_lr(0, s.lr);
  }
  std::printf("%s, %s: %lld parameters; %lld training images, %lld test images; %d threads\n", s.model.c_str(),
              s.norm.c_str(), static_cast<long long>(model->num_parameters()), static_cast<long long>(images.size()),
              static_cast<long long>(test_images.size()), num_threads());
  for (const std::string& remark : nn::remark_counts(*model)) {
    say("%s\n", remark.c_str());
  }
  const Run run{s, to_map(run_options), *model, optimizer, train_loader, test_loader, state};
  return run_to_the_end(run, folder, s.model + " with " + s.norm + " on " + s.data);
}

/// The name by which it was called.
std::string program_name(int argc, char** argv) {
  return argc > 0 ? std::filesystem::path(argv[0]).filename().string() : Settings().program;
}

int run(int argc, char** argv) {
  CommandLine line("Trains a network on images and writes metrics, curves and checkpoints to a folder.");
  Settings settings;
  settings.program = program_name(argc, argv);
  const RunOptions run_options = add_options(line, settings);
  if (!line.parse(argc, argv)) {
    return 0;
  }
  require(settings.epochs > 0 || !settings.resume.empty(), "train", "--epochs must be above 0 in a new run, got 0");
  std::optional<training::Checkpoint> checkpoint;
  if (settings.resume.empty()) {
    adopt_models_norm(run_options, settings);
  } else {
    checkpoint = training::read_checkpoint(settings.resume);
    adopt_settings(run_options, *checkpoint);
    checkpoint->arrays.clear();  // read again when the folder is ours
    checkpoint->entries.arrays.clear();
  }
  set_num_threads(settings.threads);
  stop_on_interrupt();
  return train(settings, run_options, checkpoint ? &*checkpoint : nullptr);
}

}  // namespace

int train_program(int argc, char** argv) { return run_program(program_name(argc, argv).c_str(), run, argc, argv); }

}  // namespace evenkeel::examples
