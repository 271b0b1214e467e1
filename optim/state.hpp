#pragma once

#include "evenkeel/core/io/safetensors.hpp"

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
};

/// Appends the field's value as an array (rank 0, lists rank 1) under prefix + name.
void save_field(NamedArrays& state, const std::string& prefix, const StateField& field);

/// Loads saved state all or nothing: calls gather what shall change and every problem; finish() throws one error that
/// lists all problems, also keys that nobody asked for, or else makes all changes.
class StateLoader {
 public:
  StateLoader(std::string op, const NamedArrays& state);

  bool has(const std::string& name) const { return entries_.contains(name); }
  /// The array of that name, or null (a problem) if missing or of another shape or dtype.
  const Array* find(const std::string& name, const Shape& shape, DType dtype);
  void field(const std::string& prefix, const StateField& field);
  /// `target` becomes a copy of the array of that name.
  void array(const std::string& name, const Shape& shape, DType dtype, Array& target);
  void problem(std::string text) { problems_.push_back(std::move(text)); }
  void on_success(std::function<void()> change) { changes_.push_back(std::move(change)); }
  void finish();

 private:
  struct Entry {
    Array array;
    bool used = false;
  };
  std::string op_;
  std::unordered_map<std::string, Entry> entries_;
  std::vector<std::string> problems_;
  std::vector<std::function<void()>> changes_;
};

}  // namespace evenkeel::optim
