#include "evenkeel/core/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace evenkeel {
namespace {

template <class... Format>
void append_number(std::string& text, Format... format) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), format...);
  static_cast<void>(error);  // 32 characters hold any of them
  text.append(digits.data(), end);
}

using Phrases = std::span<const std::string_view>;
constexpr std::array<std::string_view, 5> kWanted = {" must ", "but expected ", "expected ", "Expected ", "expects "};
constexpr std::array<std::string_view, 4> kCame = {", but got ", ", got ", "(got ", "got "};

/// Where a message says what it wanted, or what came.
struct Mark {
  std::size_t begin = std::string_view::npos, end = std::string_view::npos;
  bool found() const { return begin != std::string_view::npos; }
  /// Takes the first of the words in `part`, which stands at `offset` in the message, unless one was found before.
  void look_for(Phrases words, std::string_view part, std::size_t offset) {
    if (found()) {
      return;
    }
    for (const std::string_view word : words) {
      const std::size_t at = part.find(word);
      if (at != std::string_view::npos && offset + at < begin) {
        *this = {offset + at, offset + at + word.size()};
      }
    }
  }
};

/// Without the spaces and commas that lead to the next field.
std::string trimmed(std::string_view text) {
  constexpr std::string_view kLoose = " ,:;(";
  const std::size_t begin = text.find_first_not_of(kLoose);
  if (begin == std::string_view::npos) {
    return {};
  }
  return std::string(text.substr(begin, text.find_last_not_of(kLoose) + 1 - begin));
}

}  // namespace

namespace detail {

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

void throw_error(Raise raise, std::string_view op, std::initializer_list<Part> parts) {
  raise(std::string(op), parts);
  __builtin_unreachable();
}

}  // namespace detail

Error::Error(std::string op, const std::string& message) : Error(std::move(op), {detail::Part(message)}) {}

Error::Error(std::string op, std::initializer_list<detail::Part> message) : op_(std::move(op)) {
  Mark wanted, came;
  for (const detail::Part& part : message) {
    const std::size_t offset = message_.size();
    part.append_to(message_);
    if (part.literal()) {  // a caller's text may have these words, too
      const std::string_view words = std::string_view(message_).substr(offset);
      wanted.look_for(kWanted, words, offset);
      came.look_for(kCame, words, offset);
    }
  }
  split(wanted.begin, wanted.end, came.begin, came.end);
  write_text();
}

void Error::split(std::size_t wanted, std::size_t wanted_end, std::size_t came, std::size_t came_end) {
  const std::string_view text = message_;
  const std::size_t size = text.size();
  const auto between = [&](std::size_t begin, std::size_t end) {
    return begin < end ? trimmed(text.substr(begin, end - begin)) : std::string();
  };
  if (came < size) {
    const std::size_t hint = text.find("; ", came);
    const bool bracket = text[came] == '(' && text.back() == ')';
    actual_ = between(came_end, std::min({came < wanted ? wanted : size, hint, bracket ? size - 1 : size}));
  }
  if (wanted < size) {
    expected_ = between(wanted_end, wanted < came ? came : size);
  }
  (wanted < size || came < size ? argument_ : actual_) = between(0, std::min({wanted, came, size}));
}

void Error::set_layer(std::string layer) {
  if (layer_.empty()) {
    layer_ = std::move(layer);
    write_text();
  }
}

void Error::set_path(std::string path) {
  if (path_.empty()) {
    path_ = std::move(path);
    write_text();
  }
}

void Error::write_text() {
  const bool apart = !layer_.empty() && layer_ != op_;
  text_ = apart ? layer_ : op_;
  if (!path_.empty()) {
    text_ += " (" + path_ + ")";
  }
  text_ += (apart ? ": " + op_ : "") + ": " + message_;
}

}  // namespace evenkeel
