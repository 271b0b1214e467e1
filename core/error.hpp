#pragma once

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace evenkeel {

/// Concatenates `parts` with operator<<, in the classic locale, so numbers never get thousands separators.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (out << ... << parts);
  return out.str();
}

/// Throws std::invalid_argument with the text "<op>: <parts...>". Say what came (with shapes) and what was expected.
template <class... Parts>
[[noreturn]] void fail(std::string_view op, const Parts&... parts) {
  throw std::invalid_argument(concat(op, ": ", parts...));
}

/// Calls fail(op, parts...) unless `ok`. The parts are only formatted on failure.
///   require(c == expected, "conv2d", "input has ", c, " channels (shape ", x.shape(), "), weight expects ", expected);
template <class... Parts>
void require(bool ok, std::string_view op, const Parts&... parts) {
  if (!ok) [[unlikely]] {
    fail(op, parts...);
  }
}

}  // namespace evenkeel
