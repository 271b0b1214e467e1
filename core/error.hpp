#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace evenkeel {

namespace detail {

void append(std::string& text, std::string_view value);
void append(std::string& text, char value);
void append(std::string& text, long long value);
void append(std::string& text, unsigned long long value);
void append(std::string& text, double value);
template <class T>
void append(std::string& text, const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    append(text, std::string_view(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    append(text, static_cast<double>(value));
  } else if constexpr (std::is_unsigned_v<T>) {
    append(text, static_cast<unsigned long long>(value));
  } else if constexpr (std::is_integral_v<T>) {
    append(text, static_cast<long long>(value));
  } else {
    append(text, std::string_view(to_string(value)));
  }
}

/// One part of a message, which is only written when the message is: the value stays where it is.
class Part {
 public:
  Part(const char* text)
      : value_(text), append_([](std::string& to, const void* value) {
          append(to, std::string_view(static_cast<const char*>(value)));
        }) {}
  template <class T>
  Part(const T& value)
      : value_(&value), append_([](std::string& to, const void* v) { append(to, *static_cast<const T*>(v)); }) {}
  void append_to(std::string& text) const { append_(text, value_); }

 private:
  const void* value_;
  void (*append_)(std::string&, const void*);
};

std::string join(std::initializer_list<Part> parts);
[[noreturn]] void throw_error(std::string_view op, std::initializer_list<Part> parts);

}  // namespace detail

/// The system refused to open, read or write a file; the text names the operation, the path and the reason.
class IoError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The parts one after the other: texts, numbers (floating-point ones with six digits, as printf's %g; never with
/// thousands separators) and whatever has a to_string beside its class.
template <class... Parts>
std::string concat(const Parts&... parts) {
  return detail::join({detail::Part(parts)...});
}

/// Throws std::invalid_argument with the text "<op>: <parts...>". Say what came (with shapes) and what was expected.
template <class... Parts>
[[noreturn]] void fail(std::string_view op, const Parts&... parts) {
  detail::throw_error(op, {detail::Part(parts)...});
}

/// Calls fail(op, parts...) unless `ok`. The parts are only formatted on failure.
///   require(c == expected, "conv2d", "input has ", c, " channels (shape ", x.shape(), "), weight expects ", expected);
template <class... Parts>
void require(bool ok, std::string_view op, const Parts&... parts) {
  if (!ok) [[unlikely]] {
    detail::throw_error(op, {detail::Part(parts)...});
  }
}

}  // namespace evenkeel
