#include "evenkeel/autograd/function.hpp"

#include <utility>

namespace evenkeel::autograd {

void FunctionContext::save_for_backward(std::vector<Tensor> tensors) {
  saved_ = std::move(tensors);
  versions_.clear();
  for (const Tensor& tensor : saved_) {
    versions_.push_back(tensor.defined() ? tensor.array().version() : 0);
  }
}

const std::vector<Tensor>& FunctionContext::saved_tensors() const {
  for (std::size_t i = 0; i < saved_.size(); ++i) {
    const std::uint64_t version = saved_[i].defined() ? saved_[i].array().version() : 0;
    require<StateError>(version == versions_[i], "backward", "'", name_, "' needs its saved tensor ", i,
                        " for backward, but it was changed in place: version ", version, ", expected ", versions_[i]);
  }
  return saved_;
}

namespace detail {

Tensor apply_function(std::string_view name, const std::vector<Tensor>& inputs, bool twice_differentiable,
                      const Forward& forward, Formula backward) {
  auto context = std::make_shared<FunctionContext>();
  context->name_ = name;
  for (const Tensor& input : inputs) {
    context->needs_input_grad.push_back(grad_enabled() && input.requires_grad());
  }
  const Tensor result = no_grad([&] { return forward(*context, inputs); });
  require(result.defined(), name, "forward returned an undefined tensor");

  // The context must not hold handles that user code could attach to this very op later (in-place ops do): that would
  // be a cycle. So tensors are kept under handles of their own; those of the result get their place in the graph late.
  std::vector<std::size_t> of_result;
  for (std::size_t i = 0; i < context->saved_.size(); ++i) {
    Tensor& kept = context->saved_[i];
    if (kept.is(result)) {
      of_result.push_back(i);
    }
    if (kept.defined()) {
      const Tensor original = std::exchange(kept, kept.detach());
      kept.set_meta(original.meta());
    }
  }
  auto formula = [context, of_result, backward = std::move(backward)](const Saved& saved, const Tensor& dy) -> Grads {
    FunctionContext now = *context;
    for (const std::size_t i : of_result) {
      now.saved_[i] = saved.output();
    }
    for (std::size_t i = 0; i < now.needs_input_grad.size(); ++i) {
      now.needs_input_grad[i] = saved.needs(i);
    }
    return backward(now, dy);
  };
  const Keep keep = of_result.empty() ? Keep::nothing() : Keep::output();
  return record({.name = name, .inputs = inputs, .keep = keep, .twice_differentiable = twice_differentiable},
                result.array(), std::move(formula));
}

}  // namespace detail

}  // namespace evenkeel::autograd
