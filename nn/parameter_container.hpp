#pragma once

#include "evenkeel/nn/module.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel::nn {

/// Parameters by number: "0", "1", ... in a state_dict ("params.0" as a child "params").
///   Child<ParameterList> scales = add<ParameterList>("scales");
///   scales->append(Array::ones({8}));    x * (*scales)[0]    for (Tensor& p : *scales)
class ParameterList : public Module {
 public:
  /// A parameter around `value`, which is shared, not copied.
  ParameterList& append(const Array& value);
  ParameterList& extend(const std::vector<Array>& values);

  std::int64_t size() const { return static_cast<std::int64_t>(all_.size()); }
  /// Negative counts from the back; throws "index 5 is out of range".
  Tensor& operator[](std::int64_t index);
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override;

 private:
  std::vector<std::reference_wrapper<Tensor>> all_;
};

/// Parameters by names, in the order in which they were added (PyTorch sorts those of a plain dict).
///   scales->add("left", Array::ones({8}));    x * (*scales)["left"]    for (auto& [name, p] : *scales)
class ParameterDict : public Module {
 public:
  /// A parameter around `value`, which is shared, not copied. Throws for a key that is there already.
  Tensor& add(const std::string& key, const Array& value);

  std::int64_t size() const { return static_cast<std::int64_t>(all_.size()); }
  /// Throws if there is none.
  Tensor& operator[](const std::string& key) { return get_parameter(key); }
  bool contains(const std::string& key) const;
  std::vector<std::string> keys() const;
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override;

 private:
  std::vector<std::pair<std::string, std::reference_wrapper<Tensor>>> all_;
};

}  // namespace evenkeel::nn
