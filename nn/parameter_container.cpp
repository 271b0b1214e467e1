#include "evenkeel/nn/parameter_container.hpp"

#include <algorithm>

namespace evenkeel::nn {

namespace {

const Array& defined(const char* container, const Array& value) {
  require(value.defined(), container, "the value must be defined");
  return value;
}

/// "  (name): Parameter containing: [torch.float32 of size 2x3]", a line of PyTorch's text.
std::string line(const std::string& name, const std::string& type, const Tensor& parameter) {
  std::string sizes;
  for (const std::int64_t size : parameter.shape()) {
    sizes += (sizes.empty() ? "" : "x") + std::to_string(size);
  }
  return concat("  (", name, "): Parameter containing: [torch.", type, " of size ", sizes, "]");
}

}  // namespace

std::unique_ptr<Module> ParameterList::clone_structure() const {
  auto copy = std::make_unique<ParameterList>();
  for (const Tensor& parameter : all_) {
    copy->append(parameter.defined() ? parameter.array() : Array::zeros({}));  // a parametrized one is elsewhere
  }
  return copy;
}

ParameterList& ParameterList::append(const Array& value) { return extend({value}); }

ParameterList& ParameterList::extend(const std::vector<Array>& values) {
  for (const Array& value : values) {
    defined("ParameterList", value);
  }
  for (const Array& value : values) {
    all_.emplace_back(parameter(std::to_string(size()), value));
  }
  return *this;
}

Tensor& ParameterList::operator[](std::int64_t index) {
  const std::int64_t position = index < 0 ? index + size() : index;
  require<IndexError>(position >= 0 && position < size(), "ParameterList", "index ", index,
                      " is out of range; there are ", size(), " parameters");
  return all_[static_cast<std::size_t>(position)];
}

std::string ParameterList::extra_repr() const {
  std::string text;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const Tensor& parameter = all_[i];
    if (!parameter.defined()) {  // parametrized: it stands below
      continue;
    }
    text += (text.empty() ? "" : "\n") + line(std::to_string(i), concat(parameter.dtype()), parameter);
  }
  return text;
}

std::unique_ptr<Module> ParameterDict::clone_structure() const {
  auto copy = std::make_unique<ParameterDict>();
  for (const auto& [key, parameter] : all_) {
    copy->add(key, parameter.get().defined() ? parameter.get().array() : Array::zeros({}));
  }
  return copy;
}

Tensor& ParameterDict::add(const std::string& key, const Array& value) {
  Tensor& made = parameter(key, defined("ParameterDict", value));
  all_.emplace_back(key, made);
  return made;
}

bool ParameterDict::contains(const std::string& key) const {
  return std::any_of(all_.begin(), all_.end(), [&](const auto& entry) { return entry.first == key; });
}

std::vector<std::string> ParameterDict::keys() const {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : all_) {
    names.push_back(name);
  }
  return names;
}

std::string ParameterDict::extra_repr() const {
  std::string text;
  for (const auto& [name, place] : all_) {
    const Tensor& parameter = place;
    if (!parameter.defined()) {  // parametrized: it stands below
      continue;
    }
    const std::string type = parameter.dtype() == DType::float64 ? "DoubleTensor" : "FloatTensor";
    text += (text.empty() ? "" : "\n") + line(name, type, parameter);
  }
  return text;
}

}  // namespace evenkeel::nn
