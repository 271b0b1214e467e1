#pragma once

#include <cstddef>
#include <type_traits>

namespace evenkeel::kernels {

/// A compile-time list of functors; a functor's place in it is its index in the kernels' function tables.
template <class... F>
struct OpList {
  static constexpr std::size_t size = sizeof...(F);

  template <class G>
  static constexpr std::size_t index_of() {
    static_assert((std::is_same_v<F, G> + ... + 0) == 1, "the functor is missing in the type list of its family");
    std::size_t index = 0;
    static_cast<void>(((std::is_same_v<F, G> || (++index, false)) || ...));
    return index;
  }
};

namespace detail {
template <class... F, class... G>
OpList<F..., G...> joined(OpList<F...>, OpList<G...>);
}  // namespace detail
template <class A, class B>
using JoinedOps = decltype(detail::joined(A{}, B{}));

}  // namespace evenkeel::kernels
