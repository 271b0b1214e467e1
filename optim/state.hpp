#pragma once

#include "evenkeel/core/io/safetensors.hpp"
#include "evenkeel/core/load_plan.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace evenkeel::optim {

/// A named member that belongs to an object's saved state: a number, a flag or a list of numbers.
struct StateField {
  std::string name;
  std::variant<double*, std::int64_t*, bool*, std::vector<double>*, std::vector<std::int64_t>*> value;
  bool per_group = false;  ///< a list with a value for each parameter group that its object has met
  bool optional = false;   ///< a flag that is saved only where it is true, so that older states fit
};

/// Appends the field's value as an array (rank 0, lists rank 1) under prefix + name.
void save_field(NamedArrays& state, const std::string& prefix, const StateField& field);

/// Takes the entries whose names start with `prefix` out of `state`, and returns them without it.
NamedArrays split_off(NamedArrays& state, std::string_view prefix);

/// Checks saved state: calls gather what shall change and every problem; plan() throws one error that lists all
/// problems, also keys that nobody asked for, or else returns all changes.
class StateLoader {
 public:
  StateLoader(std::string op, const NamedArrays& state);

  bool has(const std::string& name) const { return entries_.contains(name); }
  /// The array of that name, or null (a problem) if missing or of another shape or dtype.
  const Array* find(const std::string& name, const Shape& shape, DType dtype);
  /// A list has the length that it has now; one per group has at least one value and at most `num_groups`.
  void field(const std::string& prefix, const StateField& field, std::size_t num_groups = 0);
  /// `target` becomes a copy of the array of that name.
  void array(const std::string& name, const Shape& shape, DType dtype, Array& target);
  void problem(std::string text) { problems_.push_back(std::move(text)); }
  /// `change` can't throw, see LoadPlan.
  void on_success(std::function<void()> change) { changes_.add(std::move(change)); }
  LoadPlan plan();

 private:
  struct Entry {
    Array array;
    bool used = false;
  };
  template <class T>
  void list(const std::string& name, std::vector<T>& target, std::size_t shortest, std::size_t longest);

  std::string op_;
  std::unordered_map<std::string, Entry> entries_;
  std::vector<std::string> problems_;
  LoadPlan changes_;
};

}  // namespace evenkeel::optim
