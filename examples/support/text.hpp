#pragma once

#include <system_error>

#include <algorithm>
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

/// The names of a registry's entries and, in a column behind them, their descriptions.
template <class Entries>
void list(const Entries& entries) {
  std::size_t width = 0;
  for (const auto& entry : entries) {
    width = std::max(width, entry.name.size());
  }
  for (const auto& entry : entries) {
    say("%-*s  %s\n", static_cast<int>(width), entry.name.c_str(), entry.description.c_str());
  }
}

}  // namespace evenkeel::examples
