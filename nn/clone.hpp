#pragma once

#include "evenkeel/nn/module.hpp"

#include <concepts>
#include <memory>

namespace evenkeel::nn {

namespace detail {
std::unique_ptr<Module> clone_module(const Module& module);
}  // namespace detail

/// A copy of `module` and everything below it as it stands, conversions and parametrizations included, that shares
/// nothing with it: parameters and buffers with their values, dtypes, requires_grad and strides (what is tied or shares
/// memory within the module does so in the copy), states of generators, modes. As copy.deepcopy of a PyTorch module,
/// but for its hooks, which are not copied; gradients are not copied either.
/// Every layer, loss and network of the library can be cloned. A class of your own overrides
/// Module::clone_structure(); the error for one that does not names it and says what to write. Throws as well for a
/// parameter or buffer that is the result of an op.
template <std::derived_from<Module> T>
std::unique_ptr<T> clone(const T& module) {
  std::unique_ptr<Module> copy = detail::clone_module(module);
  auto& typed = dynamic_cast<T&>(*copy);  // it has the module's class
  static_cast<void>(copy.release());
  return std::unique_ptr<T>(&typed);
}

}  // namespace evenkeel::nn
