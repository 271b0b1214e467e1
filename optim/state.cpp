#include "evenkeel/optim/state.hpp"

#include <algorithm>
#include <type_traits>

namespace evenkeel::optim {
namespace {

template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};

}  // namespace

void save_field(NamedArrays& state, const std::string& prefix, const StateField& field) {
  std::visit(
      [&](const auto* value) {
        using T = std::remove_cvref_t<decltype(*value)>;
        if constexpr (IsList<T>::value) {
          state.emplace_back(prefix + field.name, Array::from(*value, {static_cast<std::int64_t>(value->size())}));
        } else if (!field.optional || *value != 0) {
          state.emplace_back(prefix + field.name, Array::scalar(*value));
        }
      },
      field.value);
}

NamedArrays split_off(NamedArrays& state, std::string_view prefix) {
  NamedArrays part, rest;
  for (const auto& [name, array] : state) {
    if (name.starts_with(prefix)) {
      part.emplace_back(name.substr(prefix.size()), array);
    } else {
      rest.emplace_back(name, array);
    }
  }
  state = std::move(rest);
  return part;
}

StateLoader::StateLoader(std::string op, const NamedArrays& state) : op_(std::move(op)) {
  for (const auto& [name, array] : state) {
    require(array.defined(), op_, "'", name, "' is an undefined array");
    require(entries_.emplace(name, Entry{array}).second, op_, "duplicate key '", name, "'");
  }
}

const Array* StateLoader::find(const std::string& name, const Shape& shape, DType dtype) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    problem(concat("missing key '", name, "'"));
    return nullptr;
  }
  Entry& entry = found->second;
  entry.used = true;
  if (entry.array.dtype() != dtype || entry.array.shape() != shape) {
    problem(concat("'", name, "' is ", entry.array.dtype(), " of shape ", entry.array.shape(), ", expected ", dtype,
                   " of shape ", shape));
    return nullptr;
  }
  return &entry.array;
}

template <class T>
void StateLoader::list(const std::string& name, std::vector<T>& target, std::size_t shortest, std::size_t longest) {
  const auto saved = entries_.find(name);
  const bool is_list = saved != entries_.end() && saved->second.array.rank() == 1;
  const std::size_t length =
      is_list ? std::clamp(static_cast<std::size_t>(saved->second.array.numel()), shortest, longest) : shortest;
  if (const Array* array = find(name, {static_cast<std::int64_t>(length)}, dtype_of<T>)) {
    on_success([&target, values = array->to_vector<T>()]() mutable { target.swap(values); });
  }
}

void StateLoader::field(const std::string& prefix, const StateField& field, std::size_t num_groups) {
  std::visit(
      [&](auto* value) {
        using T = std::remove_cvref_t<decltype(*value)>;
        if constexpr (IsList<T>::value) {
          list(prefix + field.name, *value, field.per_group ? 1 : value->size(),
               field.per_group ? num_groups : value->size());
        } else if (field.optional && !has(prefix + field.name)) {
          on_success([value] { *value = 0; });
        } else if (const Array* array = find(prefix + field.name, {}, dtype_of<T>)) {
          on_success([value, number = *array->data<T>()] { *value = number; });
        }
      },
      field.value);
}

void StateLoader::array(const std::string& name, const Shape& shape, DType dtype, Array& target) {
  if (const Array* found = find(name, shape, dtype)) {
    on_success([&target, copy = found->clone()]() mutable { target = std::move(copy); });
  }
}

LoadPlan StateLoader::plan() {
  std::vector<std::string> unexpected;
  for (const auto& [name, entry] : entries_) {
    if (!entry.used) {
      unexpected.push_back(concat("unexpected key '", name, "'"));
    }
  }
  std::ranges::sort(unexpected);
  problems_.insert(problems_.end(), unexpected.begin(), unexpected.end());
  if (!problems_.empty()) {
    std::string text = problems_.front();
    for (std::size_t i = 1; i < problems_.size(); ++i) {
      text += "; " + problems_[i];
    }
    fail(op_, text);
  }
  return std::move(changes_);
}

}  // namespace evenkeel::optim
