#pragma once

// What each norm of the registry is and does, for the tests that ask all of them: one row per name, beside the rows of
// its layer in tests/nn/cases_<family>.cpp. A family file holds one object:
//   const NormTraitsFile traits{{{.name = "bn", .momentum = true, ...}, ...}};

#include "evenkeel/nn/norm/registry.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evenkeel::test {

/// What comes of (1, C, 1, 1), where a statistic over space, or over batch and space, has a single value.
enum class SingleValue { fine, refused_in_training, refused };

/// What the output in training does not depend on, without eps: the input's scale, and a constant added to it.
enum class Ignores { nothing, scale, shift, scale_and_shift };

struct NormTraits {
  std::string_view name;  ///< in the registry
  // Which of NormOptions reach its layer.
  bool eps = true;
  bool momentum = false;
  bool num_groups = false;
  // Which input it takes.
  bool any_channels = false;  ///< made for no particular number of channels
  bool images_only = false;   ///< (N, C, H, W) and no other rank
  SingleValue single_value = SingleValue::fine;
  // What it computes.
  bool of_batch = false;  ///< batch mates change a sample's output in training
  Ignores ignores = Ignores::nothing;
  bool fuses = false;       ///< runs the activation behind it in its own pass
  bool is_function = true;  ///< in training too: else its gradient is none that differences find
  double far_off = 1e-5;    ///< how far float32 is from float64 on data of mean 1e4 and deviation 0.1
  bool central = false;     ///< checked most: second derivatives of all shapes, gradients far off
};

/// Registers the rows of one file.
class NormTraitsFile {
 public:
  explicit NormTraitsFile(const std::vector<NormTraits>& rows) { all().insert(all().end(), rows.begin(), rows.end()); }
  static std::vector<NormTraits>& all() {
    static std::vector<NormTraits> rows;
    return rows;
  }
};

/// The row of that name.
inline const NormTraits& traits_of(std::string_view name) {
  for (const NormTraits& row : NormTraitsFile::all()) {
    if (row.name == name) {
      return row;
    }
  }
  FAIL("the norm '", std::string(name), "' has no row of traits: add one in tests/nn/cases_*.cpp");
  std::abort();
}

/// Calls check(name, traits) for every norm of the registry, "none" included.
template <class Check>
void for_each_norm(const Check& check) {
  for (const nn::NormEntry& entry : nn::norms()) {
    const std::string name(entry.name);
    CAPTURE(name);
    check(name, traits_of(name));
  }
}

}  // namespace evenkeel::test
