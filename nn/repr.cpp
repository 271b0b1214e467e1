#include "evenkeel/nn/repr.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace evenkeel::nn {

std::string repr(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value > 0 ? "inf" : "-inf";
  }
  std::array<char, 400> buffer{};
  auto print = [&](std::chars_format format) {
    const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
    return std::string(buffer.data(), result.ptr);
  };
  std::string scientific = print(std::chars_format::scientific);
  const int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
  if (exponent < -4 || exponent >= 16) {
    return scientific;
  }
  const std::string fixed = print(std::chars_format::fixed);
  return fixed.find('.') == std::string::npos ? fixed + ".0" : fixed;
}

std::string repr(const std::optional<double>& value) { return value ? repr(*value) : "None"; }

std::string repr(bool value) { return value ? "True" : "False"; }

std::string repr(const Shape& shape) {
  std::string text;
  for (const std::int64_t size : shape) {
    text += (text.empty() ? "" : ", ") + std::to_string(size);
  }
  return concat("(", text, shape.rank() == 1 ? ",)" : ")");
}

std::string repr_number(double value) {
  const std::string text = repr(value);
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

}  // namespace evenkeel::nn
