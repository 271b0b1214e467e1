#include "evenkeel/core/io/npy.hpp"

#include "evenkeel/core/io/file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <string>
#include <string_view>

namespace evenkeel {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are written as they lie in memory");

constexpr std::string_view kLoadNpy = "load_npy";
constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeader = 1 << 20;  // far more than any plain array's header needs
constexpr std::size_t kAlignment = 64;       // of the data in the file, as NumPy writes it

struct Encoding {
  std::string_view descr;
  DType dtype;
};
constexpr std::array<Encoding, 5> kEncodings{{{"<f4", DType::float32},
                                              {"<f8", DType::float64},
                                              {"<i8", DType::int64},
                                              {"|u1", DType::uint8},
                                              {"|b1", DType::boolean}}};

struct Header {
  DType dtype = DType::float32;
  bool fortran_order = false;
  Shape shape;
};

// Reads the header's Python dict: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  Header parse() {
    std::optional<DType> dtype;
    std::optional<bool> fortran_order;
    std::optional<Shape> shape;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr" && !dtype) {
        dtype = encoding(string());
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = boolean();
      } else if (key == "shape" && !shape) {
        shape = tuple();
      } else {
        fail<FileError>(kLoadNpy, where_, "unexpected or repeated key '", key, "' in the header");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    require<FileError>(text_.empty(), kLoadNpy, where_, "unexpected text after the header's dict");
    require<FileError>(dtype && fortran_order && shape, kLoadNpy, where_,
                       "the header lacks 'descr', 'fortran_order' or 'shape'");
    return {*dtype, *fortran_order, *shape};
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
    require<FileError>(accept(c), kLoadNpy, where_, "expected '", c, "' in the header before \"", text_.substr(0, 20),
                       "\"");
  }

  std::string_view string() {
    const char quote = accept('\'') ? '\'' : '"';
    if (quote == '"') {
      expect('"');
    }
    const std::size_t end = text_.find(quote);
    require<FileError>(end != std::string_view::npos, kLoadNpy, where_, "a string in the header does not end");
    const std::string_view result = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return result;
  }

  bool boolean() {
    skip_spaces();
    const bool value = text_.starts_with("True");
    require<FileError>(value || text_.starts_with("False"), kLoadNpy, where_,
                       "expected True or False for 'fortran_order'");
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
          kLoadNpy, where_, "a size in the header is too large");
    }
    require<FileError>(digits > 0, kLoadNpy, where_, "expected a size in the header before \"", text_.substr(0, 20),
                       "\"");
    text_.remove_prefix(digits);
    return value;
  }

  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      require<FileError>(shape.rank() < Shape::kMaxRank, kLoadNpy, where_, "more than ", Shape::kMaxRank, " dims");
      shape.push_back(number());
      if (!accept(',')) {
        require<FileError>(shape.rank() > 1, kLoadNpy, where_, "'shape' is not a tuple");
        expect(')');
        break;
      }
    }
    return shape;
  }

  DType encoding(std::string_view descr) const {
    for (const Encoding& known : kEncodings) {
      if (known.descr == descr) {
        return known.dtype;
      }
    }
    fail<FileError>(kLoadNpy, where_, "unsupported dtype '", descr, "', expected '<f4', '<f8', '<i8', '|u1' or '|b1'");
  }

  std::string_view text_;
  std::string where_;
};

struct Located {
  Header header;
  std::uint64_t data_offset = 0;
};

Located read_header(const InputFile& file, const std::string& where) {
  std::array<unsigned char, 12> start{};
  constexpr std::size_t kShortest = 10;
  require<FileError>(file.size() >= kShortest, kLoadNpy, where, "not a .npy file (", file.size(), " bytes)");
  file.read(0, start.data(), kShortest);
  require<FileError>(std::equal(kMagic.begin(), kMagic.end(), start.begin(),
                                [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; }),
                     kLoadNpy, where, "not a .npy file (it does not start with \\x93NUMPY)");
  const int version = start[6];
  require<FileError>((version == 1 || version == 2) && start[7] == 0, kLoadNpy, where, "format version ", version, ".",
                     int{start[7]}, " is not supported, expected 1.0 or 2.0");
  const std::size_t prefix = version == 1 ? 10 : 12;
  require<FileError>(file.size() >= prefix, kLoadNpy, where, "truncated header");
  file.read(0, start.data(), prefix);
  std::size_t length = 0;
  for (std::size_t i = prefix; i > 8; --i) {
    length = length * 256 + start[i - 1];
  }
  require<FileError>(length <= kMaxHeader, kLoadNpy, where, "the header has ", length, " bytes, at most ", kMaxHeader,
                     " are expected");
  require<FileError>(file.size() - prefix >= length, kLoadNpy, where, "truncated header");
  std::string text(length, '\0');
  file.read(prefix, text.data(), length);
  return {HeaderParser(text, where).parse(), prefix + length};
}

std::uint64_t element_count(const Shape& shape, const std::string& where) {
  try {
    return static_cast<std::uint64_t>(numel(shape));
  } catch (const ShapeError&) {
    fail<FileError>(kLoadNpy, where, "shape ", shape, " has more elements than 64-bit integers can count");
  }
}

Shape reversed(const Shape& shape) {
  Shape result = shape;
  std::reverse(result.begin(), result.end());
  return result;
}

std::string make_header(const Array& array) {
  const auto known = std::find_if(kEncodings.begin(), kEncodings.end(),
                                  [&](const Encoding& encoding) { return encoding.dtype == array.dtype(); });
  std::string sizes;
  for (std::int64_t size : array.shape()) {
    sizes += sizes.empty() ? concat(size, ",") : concat(sizes.back() == ',' ? " " : ", ", size);
  }
  std::string text = concat("{'descr': '", known->descr, "', 'fortran_order': False, 'shape': (", sizes, "), }");
  constexpr std::size_t kPrefix = 10;
  text.append(kAlignment - 1 - (kPrefix + text.size()) % kAlignment, ' ');
  text += '\n';
  std::string header(kMagic);
  header += {'\x01', '\x00', static_cast<char>(text.size() % 256), static_cast<char>(text.size() / 256)};
  return header + text;
}

}  // namespace

Array load_npy(const std::string& path) {
  const std::string where = concat(path, ": ");
  const InputFile file(path, kLoadNpy);
  const auto [header, offset] = read_header(file, where);
  const auto count = element_count(header.shape, where);
  const std::uint64_t available = file.size() - offset;
  require<FileError>(available % item_size(header.dtype) == 0 && available / item_size(header.dtype) == count, kLoadNpy,
                     where, "shape ", header.shape, " of ", header.dtype, " needs ", count,
                     " elements, but the file holds ", available, " bytes of data");
  Array result = Array::empty(header.fortran_order ? reversed(header.shape) : header.shape, header.dtype);
  std::byte* data = result.mutable_raw();
  file.read(offset, data, available);
  if (header.dtype == DType::boolean) {
    require<FileError>(std::all_of(data, data + available, [](std::byte b) { return b <= std::byte{1}; }), kLoadNpy,
                       where, "a bool is neither 0 nor 1");
  }
  if (!header.fortran_order) {
    return result;
  }
  Dims backwards;
  for (int d = result.rank() - 1; d >= 0; --d) {
    backwards.push_back(d);
  }
  return result.permute(backwards).contiguous();
}

void save_npy(const std::string& path, const Array& array) {
  const Array values = array.contiguous();
  AtomicFile file(path, "save_npy");
  file.write(make_header(values));
  file.write(values.raw(), static_cast<std::size_t>(values.numel()) * item_size(values.dtype()));
  file.commit();
}

}  // namespace evenkeel
