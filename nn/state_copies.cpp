#include "evenkeel/nn/state_copies.hpp"

#include "evenkeel/core/parallel.hpp"

#include <cstring>
#include <map>
#include <set>

namespace evenkeel::nn::detail {
namespace {

bool same_bits(const Array& a, const Array& b) {
  const Array x = a.contiguous(), y = b.contiguous();
  return x.numel() == 0 ||
         std::memcmp(x.raw(), y.raw(), static_cast<std::size_t>(x.numel()) * item_size(x.dtype())) == 0;
}

}  // namespace

std::string misfit(const std::string& name, const Array& value, const Array& present) {
  if (!value.defined()) {
    return concat("undefined value for ", name, ".");
  }
  if (value.shape() != present.shape()) {
    return concat("size mismatch for ", name, ": copying a param with shape ", value.shape(),
                  " from checkpoint, the shape in current model is ", present.shape(), ".");
  }
  if (value.dtype() != present.dtype()) {
    return concat("dtype mismatch for ", name, ": copying a param of ", value.dtype(),
                  " from checkpoint, the dtype in current model is ", present.dtype(),
                  " (convert one of them with to()).");
  }
  return "";
}

std::vector<std::string> conflicts(const std::vector<StateCopy>& copies) {
  std::map<const Storage*, std::vector<const StateCopy*>> sharing;
  for (const StateCopy& copy : copies) {
    sharing[copy.target.array().storage().get()].push_back(&copy);
  }
  std::vector<std::string> errors;
  for (const auto& [storage, group] : sharing) {
    if (group.size() < 2) {
      continue;
    }
    // The copies are tried on memory of their own.
    const DType dtype = group.front()->target.dtype();
    const Array memory = Array::empty({static_cast<std::int64_t>(storage->bytes() / item_size(dtype))}, dtype);
    std::vector<Array> written;
    for (const StateCopy* copy : group) {
      const Array& target = copy->target.array();
      written.push_back(memory.as_strided(target.shape(), target.strides(), target.offset()));
      written.back().copy_(*copy->value);
      for (std::size_t i = 0; i + 1 < written.size(); ++i) {
        if (!same_bits(written[i], *group[i]->value)) {
          errors.push_back(concat("conflicting values for ", group[i]->name, " and ", copy->name,
                                  ", which share memory in the current model."));
        }
      }
    }
  }
  return errors;
}

LoadPlan plan_copies(const std::vector<StateCopy>& copies) {
  std::set<const Storage*> written;
  for (const StateCopy& copy : copies) {
    written.insert(copy.target.array().storage().get());
  }
  LoadPlan plan;
  for (const StateCopy& copy : copies) {
    const bool overwritten = written.contains(copy.value->storage().get());
    plan.add([target = copy.target, value = overwritten ? copy.value->clone() : *copy.value]() mutable {
      const ThreadsGuard alone(1);  // the helpers of a team could be missing
      target.mutable_array().copy_(value);
    });
  }
  return plan;
}

}  // namespace evenkeel::nn::detail
