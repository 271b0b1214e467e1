#include "evenkeel/core/error.hpp"

#include <array>
#include <charconv>

namespace evenkeel::detail {

namespace {

template <class... Format>
void append_number(std::string& text, Format... format) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), format...);
  static_cast<void>(error);  // 32 characters hold any of them
  text.append(digits.data(), end);
}

}  // namespace

void append(std::string& text, std::string_view value) { text.append(value); }
void append(std::string& text, char value) { text.push_back(value); }
void append(std::string& text, long long value) { append_number(text, value); }
void append(std::string& text, unsigned long long value) { append_number(text, value); }
void append(std::string& text, double value) { append_number(text, value, std::chars_format::general, 6); }

std::string join(std::initializer_list<Part> parts) {
  std::string text;
  for (const Part& part : parts) {
    part.append_to(text);
  }
  return text;
}

void throw_error(std::string_view op, std::initializer_list<Part> parts) {
  throw std::invalid_argument(std::string(op) + ": " + join(parts));
}

}  // namespace evenkeel::detail
