#include "evenkeel/nn/clone.hpp"

#include "evenkeel/nn/parametrize.hpp"

#include <algorithm>
#include <map>
#include <typeinfo>

namespace evenkeel::nn {

/// One clone(): knows what is copied already, so that ties stay.
class detail::Cloner {
 public:
  std::unique_ptr<Module> copy(const Module& from, const std::string& path) {
    std::unique_ptr<Module> to = structure(from, path);
    fill(from, *to, path);
    return to;
  }

 private:
  static std::unique_ptr<Module> structure(const Module& from, const std::string& path) {
    std::unique_ptr<Module> to = from.clone_structure();
    const Module* made = to.get();
    if (made == nullptr || typeid(*made) != typeid(from)) {
      ValueError error("clone", concat(from.type_name(), " must override clone_structure(), got ",
                                       made == nullptr ? "none" : concat("that of ", made->type_name()),
                                       "; write: std::unique_ptr<nn::Module> clone_structure() const override { return "
                                       "std::make_unique<",
                                       from.type_name(), ">(arguments of its constructor); }"));
      error.set_path(path);
      throw error;
    }
    return to;
  }

  /// The entry of the copy for `from`; a new one if its constructor makes none.
  static Module::Entry& entry_of(Module& to, const Module::Entry& from) {
    for (Module::Entry& entry : to.entries_) {
      if (entry.name == from.name) {
        return entry;
      }
    }
    to.entries_.push_back({from.name, Tensor(), from.kind});
    return to.entries_.back();
  }

  void copy_entries(const Module& from, Module& to) {
    for (const Module::Entry& entry : from.entries_) {
      Module::Entry& own = entry_of(to, entry);
      own.kind = entry.kind;
      own.tensor = entry.kind == Module::Kind::computed ? Tensor() : copy(entry.tensor, entry.name);
    }
  }

  /// Makes `to`, as its constructor has left it, like `from`.
  void fill(const Module& from, Module& to, const std::string& path) {
    to.computed_.clear();  // those of its constructor
    copy_entries(from, to);
    copy_generators(from, to);
    copy_children(from, to, path);
    for (const Module::Computed& one : from.computed_) {
      Module::Entry& entry = entry_of(to, *one.entry);
      auto& list = dynamic_cast<ParametrizationList&>(*to.child(concat("parametrizations.", entry.name)));
      to.computed_.push_back({&entry, &list});
    }
    to.training_ = from.training_;
    to.on_clone(from);
  }

  static void copy_generators(const Module& from, Module& to) {
    for (const auto& [name, generator] : from.generators_) {
      const auto own = std::find_if(to.generators_.begin(), to.generators_.end(),
                                    [&name = name](const auto& other) { return other.first == name; });
      Generator& target =
          own == to.generators_.end() ? to.generators_.emplace_back(name, Generator(0)).second : own->second;
      target.set_state(generator.state());
    }
  }

  /// A child that the constructor makes, and that nothing has replaced in the original since, is the same in both but
  /// for its state; others are cloned into their places.
  void copy_children(const Module& from, Module& to, const std::string& path) {
    std::list<Slot> made;
    made.swap(to.slots_);
    for (const Slot& slot : from.slots_) {
      const std::string name = path.empty() ? slot.name() : concat(path, ".", slot.name());
      const Module& child = *slot;
      const auto own =
          std::find_if(made.begin(), made.end(), [&](const Slot& other) { return other.name() == slot.name(); });
      if (own == made.end()) {
        to.slots_.emplace_back(slot.name(), copy(child, name), to);
        continue;
      }
      Module& there = **own;
      if (!slot.replaced() && typeid(there) == typeid(child)) {
        fill(child, there, name);
      } else {
        own->replace(copy(child, name));
      }
      to.slots_.splice(to.slots_.end(), made, own);
    }
  }

  Tensor copy(const Tensor& from, const std::string& name) {
    if (!from.defined()) {
      return {};
    }
    require<StateError>(from.is_leaf(), "clone",
                        "Only Tensors created explicitly by the user (graph leaves) can be cloned, '", name,
                        "' is the result of '", from.op_name(), "'");
    Tensor& to = handles_[&from.array()];
    if (!to.defined()) {
      to = Tensor(copy(from.array()), from.requires_grad());
    }
    return to;
  }

  /// In a storage of the same layout.
  Array copy(const Array& from) {
    Array& memory = storages_[from.storage().get()];
    if (!memory.defined() || memory.dtype() != from.dtype()) {
      const auto size = static_cast<std::int64_t>(from.storage()->bytes() / item_size(from.dtype()));
      memory = Array::empty({size}, from.dtype());
    }
    Array to = memory.as_strided(from.shape(), from.strides(), from.offset());
    if (from.has_overlap()) {
      to = from.clone();
    } else {
      to.copy_(from);
    }
    return to;
  }

  std::map<const Array*, Tensor> handles_;  ///< copies, by the array in the handle
  std::map<const Storage*, Array> storages_;
};

std::unique_ptr<Module> detail::clone_module(const Module& module) { return Cloner().copy(module, ""); }

}  // namespace evenkeel::nn
