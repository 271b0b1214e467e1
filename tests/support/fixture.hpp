#pragma once

// Files of expected values (tests/fixtures, most of them PyTorch's) and their replay. A file has entries
// "<case>/<key>".

#include "evenkeel/core/io/safetensors.hpp"
#include "tests/support/values.hpp"

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel::test {

/// A file of tests/fixtures.
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

 private:
  std::map<std::string, Array> arrays_;
};

/// One case of a file in one dtype: floating entries are given in it, and compared with what is computed in it.
class FixtureCase {
 public:
  FixtureCase(const Fixture& fixture, std::string name, DType dtype, double tolerance)
      : dtype(dtype), fixture_(fixture), prefix_(std::move(name) + "/"), tolerance_(tolerance) {}

  bool has(const std::string& key) const { return fixture_.has(prefix_ + key); }
  /// An input; undefined if the case has none of that name.
  Tensor input(const std::string& key, bool requires_grad = false) {
    return has(key) ? Tensor(converted(use(key)), requires_grad) : Tensor();
  }
  /// All entries "<folder>/<name>", as (name, array).
  NamedArrays inputs(const std::string& folder) {
    NamedArrays all = fixture_.under(prefix_ + folder + "/");
    for (auto& [name, array] : all) {
      array = converted(use(folder + "/" + name));
    }
    return all;
  }
  void check(const Array& actual, const std::string& key) { check_close(actual, use(key), tolerance_, prefix_ + key); }
  /// Nothing of the case was left out.
  void check_complete() const {
    for (const auto& entry : fixture_.under(prefix_)) {
      CHECK_MESSAGE(used_.contains(entry.first), prefix_ << entry.first << " was not compared");
    }
  }

  const DType dtype;

 private:
  const Array& use(const std::string& key) {
    used_.insert(key);
    return fixture_.at(prefix_ + key);
  }
  Array converted(const Array& array) const { return is_floating(array.dtype()) ? array.to(dtype).clone() : array; }

  const Fixture& fixture_;
  const std::string prefix_;
  const double tolerance_;
  std::set<std::string> used_;
};

/// How near a replay must come.
struct Tolerances {
  double float64 = 1e-10, float32 = 1e-5;
};

/// Runs check(case, row) for each (case's name, row), in float64 and in float32. The rows must name every case of the
/// file that begins with `prefix` (but those in `others`) and no other, and the check must use every entry.
template <class Row, class Check>
void replay(const std::string& file, const std::vector<std::pair<std::string, Row>>& rows, Tolerances tolerances,
            const Check& check, const std::string& prefix = "", const std::set<std::string>& others = {}) {
  const Fixture fixture(file);
  std::set<std::string> names = others;
  for (const auto& [key, row] : rows) {
    const std::string name = key;
    CAPTURE(name);
    names.insert(name);
    for (const auto& [dtype, tolerance] :
         {std::pair(DType::float64, tolerances.float64), std::pair(DType::float32, tolerances.float32)}) {
      const DType type = dtype;
      CAPTURE(type);
      FixtureCase one(fixture, name, dtype, tolerance);
      check(one, row);
      one.check_complete();
    }
  }
  CHECK(fixture.cases(prefix) == names);
}

}  // namespace evenkeel::test
