#pragma once

#include "evenkeel/core/io/safetensors.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace evenkeel::test {

/// A file of tests/fixtures, which has PyTorch's values under "<case>/<name>".
class Fixture {
 public:
  explicit Fixture(const std::string& file) {
    for (auto& [name, array] : load_safetensors(std::filesystem::path(EVENKEEL_FIXTURES) / file).tensors) {
      arrays_.emplace(name, array);
    }
  }
  bool has(const std::string& name) const { return arrays_.contains(name); }
  const Array& at(const std::string& name) const {
    INFO("fixture entry " << name);
    REQUIRE(arrays_.contains(name));
    return arrays_.at(name);
  }
  /// The entries "<prefix><key>", as (key, array).
  NamedArrays under(const std::string& prefix) const {
    NamedArrays result;
    for (const auto& [name, array] : arrays_) {
      if (name.starts_with(prefix)) {
        result.emplace_back(name.substr(prefix.size()), array);
      }
    }
    return result;
  }
  /// The cases that begin with `prefix`.
  std::set<std::string> cases(const std::string& prefix = "") const {
    std::set<std::string> result;
    for (const auto& [name, array] : arrays_) {
      if (name.starts_with(prefix)) {
        result.insert(name.substr(0, name.find('/')));
      }
    }
    return result;
  }
  std::size_t size() const { return arrays_.size(); }

 private:
  std::map<std::string, Array> arrays_;
};

/// |actual - expected| <= tolerance (1 + |expected|) for every element; shapes equal.
inline void check_close(const Array& actual, const Array& expected, double tolerance, const std::string& what) {
  CAPTURE(what);
  REQUIRE_MESSAGE(actual.shape() == expected.shape(), concat("got ", actual.shape(), ", expected ", expected.shape()));
  const std::vector<double> a = actual.to(DType::float64).to_vector<double>();
  const std::vector<double> e = expected.to(DType::float64).to_vector<double>();
  double worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(a[i] - e[i]) / (1 + std::abs(e[i]));
    if (!(error <= worst)) {
      worst = error;
      at = i;
    }
  }
  CHECK_MESSAGE(worst <= tolerance,
                concat("element ", at, ": got ", a.empty() ? 0 : a[at], ", expected ", e.empty() ? 0 : e[at]));
}

}  // namespace evenkeel::test
