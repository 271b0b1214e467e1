#include "examples/support/trainer.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/reduce.hpp"

#include <cmath>
#include <csignal>
#include <limits>

namespace evenkeel::examples {

namespace {

volatile std::sig_atomic_t interrupted = 0;

void on_signal(int) { interrupted = 1; }

std::int64_t count_right(const Tensor& logits, const Tensor& labels) {
  const Array predictions = argmax(logits.array(), 1);
  const std::int64_t* predicted = predictions.data<std::int64_t>();
  const std::int64_t* expected = labels.array().data<std::int64_t>();
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    right += predicted[i] == expected[i] ? 1 : 0;
  }
  return right;
}

DType dtype_of_model(const nn::Layer& model) { return model.parameters().at(0).dtype(); }

/// Adds up to `batches` batches of epoch 0 to a tally, without recording, in the mode that the model has.
Score score_batches(nn::Layer& model, data::DataLoader& loader, std::int64_t batches) {
  const NoGradGuard no_grad;
  const DType dtype = dtype_of_model(model);
  Tally tally;
  loader.start_epoch(0);
  for (std::int64_t i = 0; i < batches; ++i) {
    const std::optional<data::Batch> batch = loader.next();
    if (!batch) {
      break;
    }
    const Tensor logits = model(batch->images.to(dtype));
    tally.add(cross_entropy(logits, batch->labels), logits, batch->labels);
    if (interrupted != 0) {
      throw Interrupted();
    }
  }
  return tally.score();
}

}  // namespace

Tally::Tally(const std::vector<double>& sums) {
  require(sums.size() == 3, "Tally", "there must be 3 sums, got ", sums.size());
  constexpr double kMost = 0x1p53;
  require(sums[0] >= 0 && sums[0] <= kMost && sums[1] >= 0 && sums[1] <= sums[0], "Tally",
          "images and right answers must be counts, got ", sums[0], " and ", sums[1]);
  images_ = static_cast<std::int64_t>(sums[0]);
  right_ = static_cast<std::int64_t>(sums[1]);
  loss_ = sums[2];
}

void Tally::add(const Tensor& loss, const Tensor& logits, const Tensor& labels) {
  images_ += labels.numel();
  loss_ += loss.item() * static_cast<double>(labels.numel());
  right_ += count_right(logits, labels);
}

Score Tally::score() const {
  const auto n = static_cast<double>(images_);
  const double loss = std::isnan(loss_) ? std::numeric_limits<double>::quiet_NaN() : loss_ / n;  // never "-nan"
  return images_ == 0 ? Score{} : Score{loss, static_cast<double>(right_) / n};
}

std::vector<double> Tally::sums() const { return {static_cast<double>(images_), static_cast<double>(right_), loss_}; }

void stop_on_interrupt() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

Score train_epoch(nn::Layer& model, optim::Optimizer& optimizer, data::DataLoader& loader, std::int64_t epoch,
                  const StepCallback& on_step, Tally* tally) {
  const DType dtype = dtype_of_model(model);
  model.train();
  Tally of_this_call;
  Tally& sums = tally != nullptr ? *tally : of_this_call;
  for (const data::Batch& batch : loader.epoch(epoch)) {
    optimizer.zero_grad();
    const Tensor logits = model(batch.images.to(dtype));
    const Tensor loss = cross_entropy(logits, batch.labels);
    loss.backward();
    optimizer.step();
    sums.add(loss, logits, batch.labels);
    if (on_step) {
      const data::LoaderPosition next = loader.position();
      on_step(next.epoch == epoch ? next.batch : loader.size(), sums.score(), sums.images());
    }
    if (interrupted != 0) {
      throw Interrupted();
    }
  }
  return sums.score();
}

Score evaluate(nn::Layer& model, data::DataLoader& loader) {
  const nn::EvalGuard eval(model);
  return score_batches(model, loader, loader.size());
}

double train_eval_gap(nn::Layer& model, data::DataLoader& loader, std::int64_t batches) {
  nn::StateDict before = model.state_dict();
  for (auto& [name, value] : before) {
    value = value.clone();
  }
  model.train();
  const double in_training = score_batches(model, loader, batches).loss;
  model.load_state_dict(before);
  const nn::EvalGuard eval(model);
  return score_batches(model, loader, batches).loss - in_training;
}

Tensor accumulated_gradients(nn::Layer& model, const Tensor& x, const Tensor& labels, std::int64_t parts) {
  model.zero_grad();
  const std::int64_t n = x.size(0) / parts;
  for (std::int64_t i = 0; i < parts; ++i) {
    const Tensor loss = cross_entropy(model(slice(x, 0, i * n, (i + 1) * n)), slice(labels, 0, i * n, (i + 1) * n));
    (loss / static_cast<double>(parts)).backward();
  }
  std::vector<Tensor> all;
  for (const Tensor& p : model.parameters()) {
    all.push_back(flatten(p.grad()));
  }
  return cat(all);
}

}  // namespace evenkeel::examples
