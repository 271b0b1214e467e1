#pragma once

#include "evenkeel/data/data_loader.hpp"
#include "evenkeel/nn/module.hpp"
#include "evenkeel/optim/optimizer.hpp"

#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace evenkeel::examples {

/// Mean loss per image (each batch weighs as many images as it has) and the fraction of right answers.
struct Score {
  double loss = 0, accuracy = 0;
};

/// Ctrl-C was pressed: thrown between two steps, after which nothing of the unfinished epoch may be saved.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

/// From now on SIGINT and SIGTERM make train_epoch and evaluate throw Interrupted at the next step.
void stop_on_interrupt();

/// Sums over the batches of a pass.
class Tally {
 public:
  Tally() = default;
  /// What sums() gave.
  explicit Tally(const std::vector<double>& sums);
  void add(const Tensor& loss, const Tensor& logits, const Tensor& labels);
  std::int64_t images() const { return images_; }
  Score score() const;
  /// All that it holds: images, right answers, the losses of all images together.
  std::vector<double> sums() const;

 private:
  std::int64_t images_ = 0, right_ = 0;
  double loss_ = 0;
};

/// Called after each step of an epoch: steps done, score so far, images so far.
using StepCallback = std::function<void(std::int64_t step, const Score& so_far, std::int64_t images)>;

/// One epoch in training mode: zero_grad, forward, cross entropy, backward, step for every batch. Images are converted
/// to the dtype of the model's parameters. A loader that was restored inside the epoch goes on there; `tally`, where
/// the score is kept if it is given, has to hold what it held then.
Score train_epoch(nn::Layer& model, optim::Optimizer& optimizer, data::DataLoader& loader, std::int64_t epoch,
                  const StepCallback& on_step = {}, Tally* tally = nullptr);

/// The score over one pass, in eval mode and without recording.
Score evaluate(nn::Layer& model, data::DataLoader& loader);

/// Loss in eval mode minus loss in training mode on the first `batches` batches of `loader`, with the same weights: 0
/// for norms that take their statistics from each sample, else what the running statistics miss. Weights and statistics
/// stay as they were; the model is in training mode afterwards.
double train_eval_gap(nn::Layer& model, data::DataLoader& loader, std::int64_t batches);

/// All gradients of the parameters in one row, after one backward for each of `parts` equal parts of the batch.
Tensor accumulated_gradients(nn::Layer& model, const Tensor& x, const Tensor& labels, std::int64_t parts);

}  // namespace evenkeel::examples
