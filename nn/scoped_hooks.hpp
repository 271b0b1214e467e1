#pragma once

#include "evenkeel/nn/module.hpp"

#include <utility>
#include <vector>

namespace evenkeel::nn {

/// Forward hooks that are there for a scope. The modules must outlive it.
class ScopedHooks {
 public:
  ScopedHooks() = default;
  ~ScopedHooks() {
    for (const auto& [module, hook] : hooks_) {
      module->remove_hook(hook);
    }
  }
  ScopedHooks(const ScopedHooks&) = delete;
  ScopedHooks& operator=(const ScopedHooks&) = delete;

  void add(Module& module, ForwardHook hook) {
    hooks_.emplace_back(&module, module.register_forward_hook(std::move(hook)));
  }

 private:
  std::vector<std::pair<Module*, std::size_t>> hooks_;
};

}  // namespace evenkeel::nn
