#pragma once

#include <cstddef>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// One class per kind of mistake, each a standard exception and an evenkeel::Error:
//
//   ShapeError    std::invalid_argument   tensors whose shapes do not fit the call
//   DtypeError    std::invalid_argument   tensors whose dtypes do not
//   ValueError    std::invalid_argument   any other argument: options, names, undefined tensors
//   IndexError    std::out_of_range       a dim, an index or a name that is not there
//   StateError    std::logic_error        a call at the wrong time: a graph already freed, a leaf changed in place
//   FileError     std::runtime_error      a file whose content is wrong; IoError: one that the system refuses
//
// Others of their own stand where they are thrown: OutOfMemory, CommunicationError, AnomalyError, GradcheckError.

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
      : value_(text),
        append_(
            [](std::string& to, const void* value) { append(to, std::string_view(static_cast<const char*>(value))); }),
        literal_(true) {}
  template <class T>
  Part(const T& value)
      : value_(&value), append_([](std::string& to, const void* v) { append(to, *static_cast<const T*>(v)); }) {}
  void append_to(std::string& text) const { append_(text, value_); }
  /// Whether these are words of the message, not what a caller gave.
  bool literal() const { return literal_; }

 private:
  const void* value_;
  void (*append_)(std::string&, const void*);
  bool literal_ = false;
};

std::string join(std::initializer_list<Part> parts);

}  // namespace detail

/// What every error of the library says, beside its standard exception: catch either.
///   try { net(x); } catch (const ShapeError& e) { e.op() == "conv2d"; e.path() == "features.0"; e.what(); }
/// The text is "<op>: <message>", and "<layer> (<path>): <op>: <message>" of what a module called. The message's own
/// words divide it into the other fields: "<argument> must <expected>, got <actual>; <hint>" or "<argument> expected
/// <expected>, got <actual>", in any order. A message without these words is all `actual`.
class Error {
 public:
  Error(std::string op, const std::string& message);
  Error(std::string op, std::initializer_list<detail::Part> message);

  /// The function, op or class that refused: "conv2d", "BatchNorm2d".
  const std::string& op() const { return op_; }
  /// The class of the module that called it, the innermost one: "Conv2d"; empty outside of any.
  const std::string& layer() const { return layer_; }
  /// Where that module stands, from the outermost one that ran: "features.0".
  const std::string& path() const { return path_; }
  const std::string& argument() const { return argument_; }
  const std::string& expected() const { return expected_; }
  const std::string& actual() const { return actual_; }
  /// All of it: what() of the standard exception.
  const std::string& text() const { return text_; }
  /// Called as the error passes a module's call; the innermost one, which comes first, stays.
  void set_layer(std::string layer);
  /// Called as it passes the call of a child; the innermost one knows the whole path.
  void set_path(std::string path);

 protected:
  ~Error() = default;

 private:
  /// Fills argument, expected and actual from where the words for the latter two stand in the message.
  void split(std::size_t wanted, std::size_t wanted_end, std::size_t came, std::size_t came_end);

  void write_text();

  std::string op_, layer_, path_, argument_, expected_, actual_, message_, text_;
};

/// An Error that is a Standard exception.
template <class Standard>
class ErrorOf : public Standard, public Error {
 public:
  ErrorOf(std::string op, const std::string& message) : Standard(base()), Error(std::move(op), message) {}
  ErrorOf(std::string op, std::initializer_list<detail::Part> message)
      : Standard(base()), Error(std::move(op), message) {}
  const char* what() const noexcept override { return text().c_str(); }

 private:
  static Standard base() {
    if constexpr (std::is_default_constructible_v<Standard>) {
      return Standard();
    } else {
      return Standard("");
    }
  }
};

class ShapeError : public ErrorOf<std::invalid_argument> {
  using ErrorOf::ErrorOf;
};
class DtypeError : public ErrorOf<std::invalid_argument> {
  using ErrorOf::ErrorOf;
};
class ValueError : public ErrorOf<std::invalid_argument> {
  using ErrorOf::ErrorOf;
};
class IndexError : public ErrorOf<std::out_of_range> {
  using ErrorOf::ErrorOf;
};
class StateError : public ErrorOf<std::logic_error> {
  using ErrorOf::ErrorOf;
};
class FileError : public ErrorOf<std::runtime_error> {
  using ErrorOf::ErrorOf;
};
/// The system refused to open, read or write a file; the text names the operation, the path and the reason.
class IoError : public FileError {
  using FileError::FileError;
};

namespace detail {

/// Throws an E; as a pointer, so that a check's code is no longer for its type.
template <class E>
[[noreturn]] void raise(std::string op, std::initializer_list<Part> message) {
  throw E(std::move(op), message);
}
using Raise = void (*)(std::string, std::initializer_list<Part>);
[[noreturn]] void throw_error(Raise raise, std::string_view op, std::initializer_list<Part> parts);

}  // namespace detail

/// The parts one after the other: texts, numbers (floating-point ones with six digits, as printf's %g; never with
/// thousands separators) and whatever has a to_string beside its class.
template <class... Parts>
std::string concat(const Parts&... parts) {
  return detail::join({detail::Part(parts)...});
}

/// Throws an E with the text "<op>: <parts...>". Say what came (with shapes) and what was expected, in the words of
/// Error: "momentum must lie in [0, 1], got ".
template <class E = ValueError, class... Parts>
[[noreturn]] void fail(std::string_view op, const Parts&... parts) {
  detail::throw_error(detail::raise<E>, op, {detail::Part(parts)...});
}

/// Calls fail<E>(op, parts...) unless `ok`. The parts are only formatted on failure.
///   require<ShapeError>(c == wanted, "conv2d", "the input must have ", wanted, " channels, got ", c, " of ", shape);
template <class E = ValueError, class... Parts>
void require(bool ok, std::string_view op, const Parts&... parts) {
  if (!ok) [[unlikely]] {
    detail::throw_error(detail::raise<E>, op, {detail::Part(parts)...});
  }
}

/// For two that must be alike: a DtypeError unless `dtypes` are, else a ShapeError unless `shapes` are, of one text.
template <class... Parts>
void require_alike(bool dtypes, bool shapes, std::string_view op, const Parts&... parts) {
  require<DtypeError>(dtypes, op, parts...);
  require<ShapeError>(shapes, op, parts...);
}

}  // namespace evenkeel
