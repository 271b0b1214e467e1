#include "examples/support/text.hpp"

#include "evenkeel/core/error.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <vector>

namespace evenkeel::examples {

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width, const std::string& broken) {
  std::string result;
  std::size_t begin = 0, margin = 0;  // of the line's rest in `text`; spaces in front of it
  while (text.size() - begin > width - margin) {
    const std::size_t room = width - margin - broken.size();
    const std::size_t word = text.find_first_not_of(' ', begin);
    std::size_t end = text.rfind(' ', begin + room);
    end = end == std::string::npos || end < word ? text.find(' ', word) : end;  // a word longer than the line stays
    if (end == std::string::npos) {
      break;
    }
    const std::size_t last = text.find_last_not_of(' ', end);
    result.append(margin, ' ').append(text, begin, last + 1 - begin).append(broken).append("\n");
    begin = std::min(text.find_first_not_of(' ', end), text.size());
    margin = indent;
  }
  return begin == text.size() ? result : result.append(margin, ' ').append(text, begin, std::string::npos);
}

std::string printable(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      result += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      result += concat("\\x", "0123456789abcdef"[byte / 16], "0123456789abcdef"[byte % 16]);
    } else {
      result += c;
    }
  }
  return result;
}

void say(const char* format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  std::vector<char> text(static_cast<std::size_t>(std::max(size, 0)) + 1);
  std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  const std::string all(text.data());
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find('\n', begin), all.size());
    const std::string line = all.substr(begin, end - begin);
    const std::size_t margin = std::min(line.find_first_not_of(' '), line.size());
    std::fputs((wrapped(line, margin + 2) + (end < all.size() ? "\n" : "")).c_str(), stdout);
    begin = end + 1;
  }
}

}  // namespace evenkeel::examples
