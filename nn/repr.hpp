#pragma once

#include "evenkeel/core/shape.hpp"
#include "evenkeel/core/size_nd.hpp"

#include <optional>
#include <string>

namespace evenkeel::nn {

// How Python prints values, for Module::extra_repr().

/// "1e-05", "0.1", "1.0": the shortest digits that read back as the same number.
std::string repr(double value);
/// "None" for nothing.
std::string repr(const std::optional<double>& value);
/// "True" or "False".
std::string repr(bool value);
/// "(3, 5)", "(3,)".
template <int D>
std::string repr(const SizeND<D>& size) {
  return to_string(size);
}
/// "(3, 5)", "(5,)".
std::string repr(const Shape& shape);
/// A whole number without its ".0": "1", "2.5".
std::string repr_number(double value);
/// One number if all are equal, as most users wrote it: "2", "(3, 5)".
template <int D>
std::string repr_short(const SizeND<D>& size) {
  return size == SizeND<D>(size[0]) ? std::to_string(size[0]) : to_string(size);
}

}  // namespace evenkeel::nn
