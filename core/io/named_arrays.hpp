#pragma once

#include "evenkeel/core/array.hpp"

#include <string>
#include <utility>
#include <vector>

namespace evenkeel {

/// Arrays with their names: what a file holds, and what optimizers and schedules write there. A module's values are an
/// nn::StateDict, of the same type, whose names follow PyTorch's rules.
using NamedArrays = std::vector<std::pair<std::string, Array>>;

}  // namespace evenkeel
