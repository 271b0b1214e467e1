#pragma once

#include "evenkeel/nn/module.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel::nn {

namespace detail {
/// Puts `module` into the place number `first`, the one that was there into the next and so on; the last one is left.
std::unique_ptr<Module> moved_up(Module& list, std::int64_t first, std::unique_ptr<Module> module);
/// Puts the last module into the place before it and so on to `place`, whose module is left. The last place keeps none
/// that is of use.
std::unique_ptr<Module> moved_down(Module& list, const Slot& place);
}  // namespace detail

/// What Sequential and ModuleList share: children of type Base that are counted, under the names "0", "1", ...
template <class Base>
class ListOf : public Base {
 public:
  /// Builds a T at the end, so layers are made (and draw their initial weights) in the order in which they are read:
  ///   net.append<Linear>(4, 8, generator).append<ReLU>();
  /// As with add, the last argument may be T's Options in braces.
  template <class T, class... Args>
  ListOf& append(Args&&... args) {
    return append(std::make_unique<T>(std::forward<Args>(args)...));
  }
  template <class T>
  ListOf& append(typename T::Options options) {
    return append(std::make_unique<T>(std::move(options)));
  }
  template <class T, class A>
  ListOf& append(A&& a, typename T::Options options) {
    return append(std::make_unique<T>(std::forward<A>(a), std::move(options)));
  }
  template <class T, class A, class B>
  ListOf& append(A&& a, B&& b, typename T::Options options) {
    return append(std::make_unique<T>(std::forward<A>(a), std::forward<B>(b), std::move(options)));
  }
  template <class T, class A, class B, class C>
  ListOf& append(A&& a, B&& b, C&& c, typename T::Options options) {
    return append(std::make_unique<T>(std::forward<A>(a), std::forward<B>(b), std::forward<C>(c), std::move(options)));
  }
  ListOf& append(std::unique_ptr<Base> module) {
    this->add(std::to_string(size()), std::move(module));
    return *this;
  }
  /// All of them at the end, in their order.
  ListOf& extend(std::vector<std::unique_ptr<Base>> modules) {
    for (const std::unique_ptr<Base>& module : modules) {
      require(module != nullptr, this->type_name(), "the module must not be nullptr");
    }
    for (std::unique_ptr<Base>& module : modules) {
      append(std::move(module));
    }
    return *this;
  }
  /// Puts a module before the one at `index`, from -size() to size(). Those behind move on to the next place each; a
  /// Slot or a Child is a place, and has another module then.
  ListOf& insert(std::int64_t index, std::unique_ptr<Base> module) {
    const std::int64_t first = index < 0 ? index + size() : index;
    require<IndexError>(first >= 0 && first <= size(), this->type_name(), "index ", index,
                        " is out of range; there are ", size(), " children");
    require(module != nullptr, this->type_name(), "the module must not be nullptr");
    this->add(std::to_string(size()), detail::moved_up(*this, first, std::move(module)));
    return *this;
  }
  /// Takes the module at `index` (negative: from the back) away; those behind move up by a place each.
  std::unique_ptr<Module> pop(std::int64_t index = -1) {
    std::unique_ptr<Module> taken = detail::moved_down(*this, (*this)[index]);
    this->remove_child(this->slots().back().name());
    return taken;
  }
  // Children with names of their own, as PyTorch's Sequential(OrderedDict(...)).
  using Module::add;

  std::int64_t size() const { return static_cast<std::int64_t>(this->children().size()); }
  /// Negative counts from the back; throws "index 5 is out of range".
  Slot& operator[](std::int64_t index) {
    const std::int64_t position = index < 0 ? index + size() : index;
    require<IndexError>(position >= 0 && position < size(), this->type_name(), "index ", index,
                        " is out of range; there are ", size(), " children");
    return *this->children()[static_cast<std::size_t>(position)];
  }
  auto begin() { return this->slots().begin(); }
  auto end() { return this->slots().end(); }
};

/// Runs its children one after the other; without any it is the identity. A norm and the activation behind it run as
/// one op, norm(x, act).
class Sequential : public ListOf<Layer> {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<Sequential>(); }
  Tensor forward(const Tensor& x) override;
};

/// Holds children of any kind that the owner calls itself; has no forward of its own.
class ModuleList : public ListOf<Module> {
 public:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ModuleList>(); }
};

/// Holds children of any kind by names, in the order in which they were added; has no forward of its own.
///   heads.add<Linear>("age", 64, 1, generator);    heads["age"](x)    heads.child<Linear>("age")->weight
/// The state_dict has "age.weight".
class ModuleDict : public Module {
 public:
  /// add<T>(key, arguments...) and add(key, module) as Module has them: throw for a key that is there already.
  using Module::add;
  /// Adds a module, or puts it into the place that has this key.
  void set(const std::string& key, std::unique_ptr<Module> module);
  /// Takes a module away; throws if there is none.
  std::unique_ptr<Module> pop(const std::string& key);
  void clear();
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ModuleDict>(); }

  /// Throws, naming all keys, if there is none.
  Slot& operator[](const std::string& key) { return child(key); }
  bool contains(const std::string& key) const;
  std::vector<std::string> keys() const;
  std::int64_t size() const { return static_cast<std::int64_t>(children().size()); }
  /// Over the Slots, which have name() and the module.
  auto begin() { return slots().begin(); }
  auto end() { return slots().end(); }
};

}  // namespace evenkeel::nn
