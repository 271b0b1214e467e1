#include "examples/support/train_run.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/core/io/safetensors.hpp"
#include "evenkeel/optim/state.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>
#include <utility>

namespace evenkeel::examples {

namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kTally = "tally";
constexpr const char* kBest = "best.";

/// The columns of metrics.csv that an equal run has again.
training::Metrics no_rows() {
  return {.columns = {"epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate"},
          .rows = {}};
}

std::vector<double> to_row(const EpochMetrics& m) {
  return {static_cast<double>(m.epoch), m.train_loss, m.train_accuracy, m.test_loss, m.test_accuracy, m.learning_rate};
}

EpochMetrics from_row(const std::vector<double>& row, const std::string& run) {
  require<FileError>(row[0] >= 1 && row[0] <= std::numeric_limits<int>::max(), "resume",
                     "an epoch of the checkpoint's metrics must be a number from 1, got ", row[0]);
  return {.run = run,
          .epoch = static_cast<int>(row[0]),
          .train_loss = row[1],
          .train_accuracy = row[2],
          .test_loss = row[3],
          .test_accuracy = row[4],
          .images_per_second = kUnknown,
          .seconds = kUnknown,
          .learning_rate = row[5]};
}

/// The test accuracy of an epoch; below all others where it is not there.
double test_accuracy(const training::Metrics& metrics, int epoch) {
  for (const std::vector<double>& row : metrics.rows) {
    if (row[0] == epoch) {
      return row[4];
    }
  }
  return -1;
}

nn::StateDict cloned(nn::StateDict state) {
  for (auto& [name, value] : state) {
    value = value.clone();
  }
  return state;
}

}  // namespace

std::string first_not_finite(const nn::Module& model) {
  const NoGradGuard no_grad;
  for (const auto& [name, value] : model.state_dict()) {
    if (is_floating(value.dtype()) && sum(Tensor(value) * 0.0).item() != 0) {  // inf and NaN give NaN
      return name;
    }
  }
  return "";
}

TrainRun::TrainRun(nn::Layer& model, optim::Optimizer& optimizer, data::DataLoader& loader, RunFolder& folder,
                   std::string name)
    : model_(model),
      optimizer_(optimizer),
      loader_(loader),
      folder_(folder),
      name_(std::move(name)),
      metrics_(no_rows()) {}

training::TrainingState TrainRun::state() {
  return {.model = model_,
          .optimizer = optimizer_,
          .schedulers = {},
          .loader = &loader_,
          .generators = {},
          .entries = &entries_,
          .metrics = &metrics_};
}

void TrainRun::restore(const training::Checkpoint& checkpoint) {
  training::load_checkpoint(checkpoint, state());
  inside_epoch_ = loader_.position().batch > 0;
  for (const auto& [name, value] : entries_.arrays) {
    if (name == kTally) {
      tally_ = Tally(value.to_vector<double>());
    }
  }
  best_ = optim::split_off(entries_.arrays, kBest);
  const std::string& epoch = entries_.texts["best_epoch"];
  std::from_chars(epoch.data(), epoch.data() + epoch.size(), best_epoch_);  // 0 of version 1, which kept none
}

void TrainRun::rewrite_files(const training::Checkpoint& checkpoint) {
  take_rows(checkpoint);
  write_weights(true);
}

void TrainRun::take_rows(const training::Checkpoint& checkpoint) {
  const std::filesystem::path csv = checkpoint.path.parent_path() / "metrics.csv";
  const MetricsFile before = read_metrics(csv);
  if (checkpoint.version == 1) {
    require<FileError>(before.bad_line.empty(), "resume", csv.string(), " has a bad line: ", before.bad_line);
    for (const EpochMetrics& row : before.rows) {
      if (row.epoch <= loader_.position().epoch) {
        metrics_.rows.push_back(to_row(row));
      }
    }
  }
  std::vector<EpochMetrics> rows;
  int untimed = 0;
  for (const std::vector<double>& row : metrics_.rows) {
    EpochMetrics metrics = from_row(row, name_);
    const auto timed =
        std::ranges::find_if(before.rows, [&](const EpochMetrics& m) { return same_but_for_timing(m, metrics); });
    if (timed != before.rows.end()) {
      metrics.seconds = timed->seconds;
      metrics.images_per_second = timed->images_per_second;
    } else {
      ++untimed;
    }
    rows.push_back(metrics);
  }
  if (untimed > 0) {
    std::printf("%s does not tell the timing of %d of the %d epochs: it is nan\n", csv.c_str(), untimed,
                static_cast<int>(rows.size()));
  }
  folder_.set_metrics(std::move(rows));
}

void TrainRun::finish_epoch(const EpochMetrics& metrics, std::map<std::string, std::string> settings) {
  EpochMetrics row = metrics;
  row.run = name_;
  metrics_.rows.push_back(to_row(row));
  const bool best = best_.empty() || row.test_accuracy > test_accuracy(metrics_, best_epoch_);
  if (best) {
    best_ = cloned(model_.state_dict());
    best_epoch_ = row.epoch;
  }
  tally_ = {};
  folder_.add(row);  // first: rewrite_files() drops rows ahead of the checkpoint, but can't make up timing
  save(std::move(settings));
  if (best) {
    write_weights(true);
  }
  folder_.forget();
  saved_inside_ = false;
}

void TrainRun::save_inside(std::map<std::string, std::string> settings) {
  if (!std::exchange(saved_inside_, true)) {
    folder_.remember();
  }
  save(std::move(settings));
}

std::string TrainRun::undo_saves() {
  if (std::exchange(saved_inside_, false)) {
    return folder_.put_back() ? "the checkpoint from before the saves of this epoch is back"
                              : "only saves of this epoch were there, the last one is kept";
  }
  return std::filesystem::exists(folder_.file("checkpoint.safetensors")) ? "the last checkpoint is kept"
                                                                         : "no checkpoint was saved";
}

void TrainRun::save(std::map<std::string, std::string> settings) {
  entries_.texts = std::move(settings);
  entries_.texts["epoch"] = std::to_string(loader_.position().epoch);
  entries_.texts["best_epoch"] = std::to_string(best_epoch_);
  const std::vector<double> sums = tally_.sums();
  entries_.arrays = {{kTally, Array::from(sums, {std::ssize(sums)})}};
  for (const auto& [name, value] : best_) {
    entries_.arrays.emplace_back(kBest + name, value);
  }
  training::save_checkpoint(folder_.file("checkpoint.safetensors"), state());
  inside_epoch_ = loader_.position().batch > 0;
  write_weights(false);
}

void TrainRun::write_weights(bool best_is_new) const {
  save_safetensors(folder_.file("model.safetensors"), model_.state_dict());
  if (best_is_new && !best_.empty()) {
    save_safetensors(folder_.file("best.safetensors"), best_);
  }
}

}  // namespace evenkeel::examples
