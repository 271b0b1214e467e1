#pragma once

#include <system_error>

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>

namespace evenkeel::examples {

/// The columns of a terminal whose width nothing says, and of everything that is printed line by line.
inline constexpr std::size_t kColumns = 80;

/// `text` in lines of at most `width` columns, broken at spaces where it can be; those behind a break begin with
/// `indent` spaces, those before one end with `broken`.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width = kColumns,
                    const std::string& broken = "");

/// All of `text` as a T, a number; nothing if it is none.
template <class T>
std::optional<T> number(const std::string& text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// Without control characters, which a terminal would obey: "\\n", "\\x1b".
std::string printable(const std::string& text);

/// std::printf whose lines are broken at 80 columns; what is broken off stands 2 spaces further in than its line.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);

}  // namespace evenkeel::examples
