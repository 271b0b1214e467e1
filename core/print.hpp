#pragma once

#include "evenkeel/core/array.hpp"

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace evenkeel {

/// How to print numbers; the defaults are PyTorch's.
struct PrintOptions {
  int precision = 4;
  std::int64_t threshold = 1000;  ///< more elements than this are summarised with "..."
  std::int64_t edge_items = 3;
  int line_width = 80;
};

/// The text that PyTorch prints for a tensor of these values: "tensor([[1., 2.],\n        [3., 4.]])". `suffixes` such
/// as "requires_grad=True" follow the values as PyTorch places them. An undefined array prints as "tensor(undefined)".
std::string to_string(const Array& array, const PrintOptions& options = {},
                      const std::vector<std::string>& suffixes = {});
std::ostream& operator<<(std::ostream& out, const Array& array);

}  // namespace evenkeel
