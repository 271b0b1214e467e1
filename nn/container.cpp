#include "evenkeel/nn/container.hpp"

#include "evenkeel/nn/identity.hpp"

#include <algorithm>
#include <iterator>

namespace evenkeel::nn {

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  const std::vector<Slot*> layers = children();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer* next = i + 1 < layers.size() ? layers[i + 1]->layer() : nullptr;
    if (next != nullptr && next->fused()) {
      y = (*layers[i])(y, *layers[i + 1]);
      ++i;
    } else {
      y = (*layers[i])(y);
    }
  }
  return y;
}

std::unique_ptr<Module> detail::moved_up(Module& list, std::int64_t first, std::unique_ptr<Module> module) {
  for (auto slot = std::next(list.slots().begin(), first); slot != list.slots().end(); ++slot) {
    module = slot->replace(std::move(module));
  }
  return module;
}

std::unique_ptr<Module> detail::moved_down(Module& list, const Slot& place) {
  std::unique_ptr<Module> module = std::make_unique<Identity>();
  for (auto slot = list.slots().rbegin(); slot != list.slots().rend(); ++slot) {
    module = slot->replace(std::move(module));
    if (&*slot == &place) {
      break;
    }
  }
  return module;
}

void ModuleDict::set(const std::string& key, std::unique_ptr<Module> module) {
  if (contains(key)) {
    child(key).replace(std::move(module));
  } else {
    add(key, std::move(module));
  }
}

std::unique_ptr<Module> ModuleDict::pop(const std::string& key) {
  require<IndexError>(contains(key), "pop", type_name(), " has no child named '", key, "'");
  std::unique_ptr<Module> taken = child(key).replace(std::make_unique<Identity>());
  remove_child(key);
  return taken;
}

void ModuleDict::clear() {
  for (const std::string& key : keys()) {
    remove_child(key);
  }
}

bool ModuleDict::contains(const std::string& key) const {
  const std::vector<const Slot*> all = children();
  return std::any_of(all.begin(), all.end(), [&](const Slot* slot) { return slot->name() == key; });
}

std::vector<std::string> ModuleDict::keys() const {
  std::vector<std::string> names;
  for (const Slot* slot : children()) {
    names.push_back(slot->name());
  }
  return names;
}

}  // namespace evenkeel::nn
