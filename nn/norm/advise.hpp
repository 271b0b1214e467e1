#pragma once

#include "evenkeel/nn/norm/registry.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace evenkeel::nn {

/// What a network is for, as far as the choice of its norms is concerned.
enum class NormTask { classification, detection, segmentation };
/// The task of that name; throws with the list of names for another.
NormTask norm_task(std::string_view name);
std::string to_string(NormTask task);

/// A norm that would do as well, and when.
struct NormAlternative {
  std::string what, when;
};

/// Which norm to take. Printed: the name, the reason and the alternatives, a line each.
struct NormAdvice {
  std::string name;          ///< what make_norm and --norm take
  NormOptions options = {};  ///< what it is best given
  std::string reason;
  std::vector<NormAlternative> alternatives;
};
std::string to_string(const NormAdvice& advice);

/// The norm for training on one machine with `batch` samples per step; `pretrained`: fine-tuning a network whose
/// BatchNorms have good statistics.
///   pretrained, unless it classifies in batches of 16 or more:    frozen_bn, else gn after convert_bn_to_gn
///   new, to detect or segment, or batches below 16:               gn, with weight standardization if wanted
///   batches of 16 or more to classify, pretrained or new:         bn
/// That is the table of the project's note on small batches (new detector or segmenter: GroupNorm; fine-tuning: frozen
/// BatchNorm, or GroupNorm; batches of 1: never a BatchNorm that is not frozen), with the batch from which BatchNorm is
/// ahead in classification taken from table 2 of Wu & He 2018, arXiv:1803.08494 (per batch of 32, 16, 8, 4, 2 BatchNorm
/// errs in 23.6, 23.7, 24.8, 27.3, 34.7 % of the cases, GroupNorm in 24.1, 24.2, 24.0, 24.2, 24.1 %).
/// Throws for a batch below 1.
NormAdvice advise_norm(std::int64_t batch, NormTask task, bool pretrained);

}  // namespace evenkeel::nn
