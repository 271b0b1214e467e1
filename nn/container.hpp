#pragma once

#include "evenkeel/nn/module.hpp"

#include <memory>
#include <string>
#include <utility>

namespace evenkeel::nn {

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

}  // namespace evenkeel::nn
