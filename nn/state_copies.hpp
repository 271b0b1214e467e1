#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/load_plan.hpp"

#include <string>
#include <vector>

namespace evenkeel::nn::detail {

/// A value on its way into a parameter or buffer.
struct StateCopy {
  std::string name;
  Tensor target;
  const Array* value;
};

/// Empty if `value` can be copied into `present`, else PyTorch's sentence.
std::string misfit(const std::string& name, const Array& value, const Array& present);

/// A sentence for each two copies to the same memory (tied parameters) whose values differ: made one after the other,
/// the last would win unnoticed. Each fits its target. Nothing is written.
std::vector<std::string> conflicts(const std::vector<StateCopy>& copies);

/// What makes the copies, with nothing left that could throw. A value that another copy overwrites is read before.
LoadPlan plan_copies(const std::vector<StateCopy>& copies);

}  // namespace evenkeel::nn::detail
