#include "evenkeel/nn/norm/advise.hpp"

#include <array>
#include <utility>

namespace evenkeel::nn {
namespace {

constexpr std::array<std::pair<std::string_view, NormTask>, 3> kTasks = {{{"classification", NormTask::classification},
                                                                          {"detection", NormTask::detection},
                                                                          {"segmentation", NormTask::segmentation}}};
constexpr std::int64_t kLargeBatch = 16;

const NormAlternative kStandardized = {"weight standardization in front of gn (WSConv2d)",
                                       "the scale of the activations drifts in a deep network"};

NormAdvice fine_tuning(std::int64_t batch) {
  return {
      .name = "frozen_bn",
      .reason = concat("The pretrained statistics are good, and batches of ", batch,
                       " would mix noise into them and shift the scale of the network; frozen they stay, and "
                       "training equals evaluation. convert_bn_to_frozen does it, and freeze_batchnorm_stats where "
                       "weight and bias are to go on learning."),
      .alternatives = {{"gn (convert_bn_to_gn)", "nothing needs BatchNorm's state and there is time to train longer"},
                       kStandardized}};
}

NormAdvice without_batch(std::int64_t batch, NormTask task) {
  const std::string why =
      batch == 1 ? "Statistics of a single sample are none of the batch: BatchNorm would train on one function and be "
                   "evaluated as another."
      : batch < kLargeBatch
          ? concat("Means and variances of ", batch,
                   " samples are noisy, so that BatchNorm's training and evaluation drift apart.")
          : concat("In ", to_string(task), " the large images seldom leave room for batches of this size for good.");
  NormAdvice advice{.name = "gn",
                    .reason = why +
                              " GroupNorm takes its statistics from each sample: the same in any batch, and in "
                              "training as in evaluation.",
                    .alternatives = {kStandardized}};
  if (batch > 1) {
    advice.alternatives.push_back(
        {"brn", "it must stay close to BatchNorm; a compromise that GroupNorm mostly makes unnecessary"});
  }
  return advice;
}

NormAdvice of_batch(std::int64_t batch, bool pretrained) {
  return {.name = "bn",
          .reason = concat("Batches of ", batch, " give good statistics, and there BatchNorm classifies best",
                           pretrained ? "; what it learned before goes on to learn." : "."),
          .alternatives = {{"gn", "the batch is to become smaller later, or differs between machines"}}};
}

}  // namespace

NormTask norm_task(std::string_view name) {
  std::string known;
  for (const auto& [text, task] : kTasks) {
    if (text == name) {
      return task;
    }
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  fail("norm_task", "the task must be one of ", known, ", got '", name, "'");
}

std::string to_string(NormTask task) {
  for (const auto& [text, known] : kTasks) {
    if (known == task) {
      return std::string(text);
    }
  }
  fail("to_string", "this is no NormTask");
}

std::string to_string(const NormAdvice& advice) {
  std::string text = concat(advice.name, "\n", advice.reason, "\n");
  for (const auto& [what, when] : advice.alternatives) {
    text += concat("or ", what, ": ", when, "\n");
  }
  return text;
}

NormAdvice advise_norm(std::int64_t batch, NormTask task, bool pretrained) {
  require(batch > 0, "advise_norm", "batch must be positive, got ", batch);
  if (task == NormTask::classification && batch >= kLargeBatch) {
    return of_batch(batch, pretrained);
  }
  return pretrained ? fine_tuning(batch) : without_batch(batch, task);
}

}  // namespace evenkeel::nn
