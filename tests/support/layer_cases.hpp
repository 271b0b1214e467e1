#pragma once

// The table of layers: one row or more per Layer class in nn/, in tests/nn/cases_<family>.cpp; layer_table_test.cpp
// runs all its checks over every row. A family file holds one object:
//   const LayerCaseFile rows{[]() -> LayerCases { return {{.layer = "Linear", ...}, ...}; }};

#include "evenkeel/nn/module.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace evenkeel::test {

struct LayerCase {
  std::string layer;         ///< its type_name()
  std::string variant = "";  ///< tells rows of one layer apart
  std::function<std::unique_ptr<nn::Layer>(Generator&)> make;
  Shape input;                          ///< small, sizes pairwise different
  Shape output = {};                    ///< what it must give for `input`; by default its shape
  std::string printed = "";             ///< what PyTorch prints; not checked if empty
  std::vector<std::string> state = {};  ///< the keys of its state_dict, in order
  std::int64_t macs = 0;                ///< for `input`, counted by hand
  double range = 2;                     ///< inputs are pairwise different values in [-range, range], never 0
  DType dtype = DType::float32;         ///< of the input; int64 ones are indices in [0, range)
  bool twice_differentiable = true;
  bool empty_batch = true;  ///< an input with size(0) = 0 is no error in training

  /// The input's dtype where a floating one is `floating`.
  DType dtype_or(DType floating) const { return is_floating(dtype) ? floating : dtype; }
};
using LayerCases = std::vector<LayerCase>;

/// LayerCase::make of a layer that draws no random numbers.
template <class T, class... Args>
std::function<std::unique_ptr<nn::Layer>(Generator&)> plain(Args... args) {
  return [args...](Generator&) { return std::make_unique<T>(args...); };
}

/// Registers the rows of one file.
class LayerCaseFile {
 public:
  explicit LayerCaseFile(LayerCases (*rows)()) { all().push_back(rows); }
  static std::vector<LayerCases (*)()>& all() {
    static std::vector<LayerCases (*)()> files;
    return files;
  }
};

}  // namespace evenkeel::test
