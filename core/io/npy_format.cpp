#include "evenkeel/core/io/npy_format.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/io/converted.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <string>
#include <string_view>

namespace evenkeel::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are written as they lie in memory");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeader = 1 << 20;  // far more than any plain array's header needs
constexpr std::size_t kDataAlignment = 64;   // of the data in the file, as NumPy writes it

struct Encoding {
  std::string_view descr;
  std::string_view type;
  DType dtype;        ///< of the array
  std::size_t bytes;  ///< per element in the file
};
/// Those that arrays are written in come first.
constexpr std::array<Encoding, 7> kEncodings{{{"<f4", "float32", DType::float32, 4},
                                              {"<f8", "float64", DType::float64, 8},
                                              {"<i8", "int64", DType::int64, 8},
                                              {"|u1", "uint8", DType::uint8, 1},
                                              {"|b1", "bool", DType::boolean, 1},
                                              {"<f2", "float16", DType::float32, 2},
                                              {"<i4", "int32", DType::int64, 4}}};

struct Header {
  const Encoding* encoding = nullptr;
  bool fortran_order = false;
  Shape shape;
};

// Reads the header's Python dict: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view op, std::string_view where)
      : text_(text), op_(op), where_(where) {}

  Header parse() {
    const Encoding* encoding = nullptr;
    std::optional<bool> fortran_order;
    std::optional<Shape> shape;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr" && encoding == nullptr) {
        encoding = &encoding_of(string());
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = boolean();
      } else if (key == "shape" && !shape) {
        shape = tuple();
      } else {
        fail<FileError>(op_, where_, "unexpected or repeated key '", key, "' in the header");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    require<FileError>(text_.empty(), op_, where_, "unexpected text after the header's dict");
    require<FileError>(encoding != nullptr && fortran_order && shape, op_, where_,
                       "the header lacks 'descr', 'fortran_order' or 'shape'");
    return {encoding, *fortran_order, *shape};
  }

 private:
  void skip_spaces() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n"), text_.size())); }

  bool accept(char c) {
    skip_spaces();
    if (text_.empty() || text_.front() != c) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    require<FileError>(accept(c), op_, where_, "expected '", c, "' in the header before \"", text_.substr(0, 20), "\"");
  }

  std::string_view string() {
    const char quote = accept('\'') ? '\'' : '"';
    if (quote == '"') {
      expect('"');
    }
    const std::size_t end = text_.find(quote);
    require<FileError>(end != std::string_view::npos, op_, where_, "a string in the header does not end");
    const std::string_view result = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return result;
  }

  bool boolean() {
    skip_spaces();
    const bool value = text_.starts_with("True");
    require<FileError>(value || text_.starts_with("False"), op_, where_, "expected True or False for 'fortran_order'");
    text_.remove_prefix(value ? 4 : 5);
    return value;
  }

  std::int64_t number() {
    skip_spaces();
    std::int64_t value = 0;
    std::size_t digits = 0;
    for (; digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9'; ++digits) {
      require<FileError>(
          !__builtin_mul_overflow(value, 10, &value) && !__builtin_add_overflow(value, text_[digits] - '0', &value),
          op_, where_, "a size in the header is too large");
    }
    require<FileError>(digits > 0, op_, where_, "expected a size in the header before \"", text_.substr(0, 20), "\"");
    text_.remove_prefix(digits);
    return value;
  }

  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      require<FileError>(shape.rank() < Shape::kMaxRank, op_, where_, "more than ", Shape::kMaxRank, " dims");
      shape.push_back(number());
      if (!accept(',')) {
        require<FileError>(shape.rank() > 1, op_, where_, "'shape' is not a tuple");
        expect(')');
        break;
      }
    }
    return shape;
  }

  const Encoding& encoding_of(std::string_view descr) const {
    for (const Encoding& known : kEncodings) {
      if (known.descr == descr) {
        return known;
      }
    }
    fail<FileError>(op_, where_, "unsupported dtype '", descr,
                    "', expected '<f4', '<f8', '<f2', '<i8', '<i4', '|u1' or "
                    "'|b1'");
  }

  std::string_view text_, op_, where_;
};

/// The header, and the bytes behind it.
struct Located {
  Header header;
  std::uint64_t data = 0;
};

Located read_header(const NpySource& source) {
  const auto refuse_unless = [&](bool ok, const auto&... what) {
    require<FileError>(ok, source.op, source.where, what...);
  };
  std::array<unsigned char, 12> start{};
  constexpr std::size_t kShortest = 10;
  refuse_unless(source.size >= kShortest, "not a .npy file (", source.size, " bytes)");
  source.read(start.data(), kShortest);
  refuse_unless(std::equal(kMagic.begin(), kMagic.end(), start.begin(),
                           [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; }),
                "not a .npy file (it does not start with \\x93NUMPY)");
  const int version = start[6];
  refuse_unless((version == 1 || version == 2) && start[7] == 0, "format version ", version, ".", int{start[7]},
                " is not supported, expected 1.0 or 2.0");
  const std::size_t prefix = version == 1 ? 10 : 12;
  refuse_unless(source.size >= prefix, "truncated header");
  source.read(start.data() + kShortest, prefix - kShortest);
  std::size_t length = 0;
  for (std::size_t i = prefix; i > 8; --i) {
    length = length * 256 + start[i - 1];
  }
  refuse_unless(length <= kMaxHeader, "the header has ", length, " bytes, at most ", kMaxHeader, " are expected");
  refuse_unless(source.size - prefix >= length, "truncated header");
  std::string text(length, '\0');
  source.read(text.data(), length);
  return {HeaderParser(text, source.op, source.where).parse(), source.size - prefix - length};
}

std::uint64_t element_count(const Shape& shape, const NpySource& source) {
  try {
    return static_cast<std::uint64_t>(numel(shape));
  } catch (const ShapeError&) {
    fail<FileError>(source.op, source.where, "shape ", shape, " has more elements than 64-bit integers can count");
  }
}

Shape reversed(const Shape& shape) {
  Shape result = shape;
  std::reverse(result.begin(), result.end());
  return result;
}

void read_elements(const NpySource& source, const Encoding& encoding, Array& array) {
  if (encoding.type == "float16") {
    read_converted<std::uint16_t, float>(source.read, array.mutable_span<float>(), from_float16);
    return;
  }
  if (encoding.type == "int32") {
    read_converted<std::int32_t, std::int64_t>(source.read, array.mutable_span<std::int64_t>(),
                                               [](std::int32_t v) -> std::int64_t { return v; });
    return;
  }
  std::byte* data = array.mutable_raw();
  const std::size_t bytes = static_cast<std::size_t>(array.numel()) * encoding.bytes;
  source.read(data, bytes);
  if (encoding.dtype == DType::boolean) {
    require<FileError>(std::all_of(data, data + bytes, [](std::byte b) { return b <= std::byte{1}; }), source.op,
                       source.where, "a bool is neither 0 nor 1");
  }
}

}  // namespace

Array read_npy(const NpySource& source) {
  const auto [header, available] = read_header(source);
  const Encoding& encoding = *header.encoding;
  const auto count = element_count(header.shape, source);
  require<FileError>(available % encoding.bytes == 0 && available / encoding.bytes == count, source.op, source.where,
                     "shape ", header.shape, " of ", encoding.type, " needs ", count, " elements, but the file holds ",
                     available, " bytes of data");
  Array result = Array::empty(header.fortran_order ? reversed(header.shape) : header.shape, encoding.dtype);
  read_elements(source, encoding, result);
  if (!header.fortran_order) {
    return result;
  }
  Dims backwards;
  for (int d = result.rank() - 1; d >= 0; --d) {
    backwards.push_back(d);
  }
  return result.permute(backwards).contiguous();
}

std::string npy_header(const Array& array) {
  const auto known = std::find_if(kEncodings.begin(), kEncodings.end(),
                                  [&](const Encoding& encoding) { return encoding.dtype == array.dtype(); });
  std::string sizes;
  for (std::int64_t size : array.shape()) {
    sizes += sizes.empty() ? concat(size, ",") : concat(sizes.back() == ',' ? " " : ", ", size);
  }
  std::string text = concat("{'descr': '", known->descr, "', 'fortran_order': False, 'shape': (", sizes, "), }");
  constexpr std::size_t kPrefix = 10;
  text.append(kDataAlignment - 1 - (kPrefix + text.size()) % kDataAlignment, ' ');
  text += '\n';
  std::string header(kMagic);
  header += {'\x01', '\x00', static_cast<char>(text.size() % 256), static_cast<char>(text.size() / 256)};
  return header + text;
}

}  // namespace evenkeel::detail
