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
        } else {
          state.emplace_back(prefix + field.name, Array::scalar(*value));
        }
      },
      field.value);
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

void StateLoader::field(const std::string& prefix, const StateField& field) {
  std::visit(
      [&](auto* value) {
        using T = std::remove_cvref_t<decltype(*value)>;
        if constexpr (IsList<T>::value) {
          using Item = typename T::value_type;
          const Shape shape{static_cast<std::int64_t>(value->size())};
          if (const Array* array = find(prefix + field.name, shape, dtype_of<Item>)) {
            on_success([value, list = array->to_vector<Item>()] { *value = list; });
          }
        } else if (const Array* array = find(prefix + field.name, {}, dtype_of<T>)) {
          on_success([value, number = *array->data<T>()] { *value = number; });
        }
      },
      field.value);
}

void StateLoader::array(const std::string& name, const Shape& shape, DType dtype, Array& target) {
  if (const Array* found = find(name, shape, dtype)) {
    on_success([&target, copy = found->clone()] { target = copy; });
  }
}

void StateLoader::finish() {
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
  for (const auto& change : changes_) {
    change();
  }
}

}  // namespace evenkeel::optim
