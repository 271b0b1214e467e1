#include "evenkeel/core/io/safetensors_header.hpp"

#include "evenkeel/core/error.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

namespace evenkeel::detail {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kLoad = "load_safetensors";
constexpr std::string_view kSave = "save_safetensors";

constexpr std::array kTypes = {
    SafetensorsType{"I64", DType::int64, 8, 0},    SafetensorsType{"F64", DType::float64, 8, 1},
    SafetensorsType{"F32", DType::float32, 4, 2},  SafetensorsType{"BF16", DType::float32, 2, 3},
    SafetensorsType{"F16", DType::float32, 2, 4},  SafetensorsType{"U8", DType::uint8, 1, 5},
    SafetensorsType{"BOOL", DType::boolean, 1, 6},
};

/// One tensor as its JSON has it, complete or not.
struct Declared {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

struct Header {
  std::vector<Declared> entries;
  std::map<std::string, std::string> metadata;
};

/// Builds a Header from the events of the JSON parser. Nothing deeper than the format's three levels is accepted, so
/// hostile nesting ends at once, and lists are bounded while they are read.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(std::string where) : where_(std::move(where)) {}

  Header take() { return std::move(header_); }

  bool start_object(std::size_t /*elements*/) override {
    check(list_ == nullptr, "an object inside a list");
    check(depth_ < 2, "an object nested too deep, at '", key_, "'");
    if (depth_ == 1 && !in_metadata_) {
      header_.entries.emplace_back().name = name_;
    }
    ++depth_;
    return true;
  }

  bool end_object() override {
    if (--depth_ == 1) {
      in_metadata_ = false;
    }
    return true;
  }

  bool key(std::string& key) override {
    key_ = key;
    if (depth_ == 1) {
      check(names_.insert(key).second, "duplicate key '", key, "'");
      name_ = key;
      in_metadata_ = key == kSafetensorsMetadata;
    }
    return true;
  }

  bool start_array(std::size_t /*elements*/) override {
    check(depth_ == 2 && !in_metadata_ && list_ == nullptr, "a list where none belongs, at '", key_, "'");
    Declared& entry = header_.entries.back();
    check(key_ == "shape" || key_ == "data_offsets", "tensor '", name_, "' has an unknown key '", key_, "'");
    auto& list = key_ == "shape" ? entry.shape : entry.offsets;
    check(!list.has_value(), "tensor '", name_, "' has a duplicate key '", key_, "'");
    list_ = &list.emplace();
    return true;
  }

  bool end_array() override {
    list_ = nullptr;
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    check(list_ != nullptr, "a number where none belongs, at '", key_, "'");
    check(list_->size() < static_cast<std::size_t>(Shape::kMaxRank), "tensor '", name_, "': '", key_,
          "' has more than ", Shape::kMaxRank, " values");
    list_->push_back(value);
    return true;
  }

  bool string(std::string& value) override {
    check(depth_ == 2 && list_ == nullptr, "a string where none belongs, at '", key_, "'");
    if (in_metadata_) {
      check(header_.metadata.emplace(key_, value).second, "duplicate key '", key_, "' in ", kSafetensorsMetadata);
      return true;
    }
    Declared& entry = header_.entries.back();
    check(key_ == "dtype", "tensor '", name_, "' has an unknown key '", key_, "'");
    check(!entry.dtype.has_value(), "tensor '", name_, "' has a duplicate key 'dtype'");
    entry.dtype = value;
    return true;
  }

  bool null() override { return refuse("null"); }
  bool boolean(bool /*value*/) override { return refuse("a boolean"); }
  bool number_integer(std::int64_t value) override { return refuse(concat("the number ", value)); }
  bool number_float(double /*value*/, const std::string& text) override { return refuse(concat("the number ", text)); }
  bool binary(Json::binary_t& /*value*/) override { return refuse("binary data"); }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    fail<FileError>(kLoad, where_, "the header is not valid JSON at byte ", position);
  }

 private:
  template <class... Parts>
  void check(bool ok, const Parts&... parts) const {
    require<FileError>(ok, kLoad, where_, "the header has ", parts...);
  }
  bool refuse(const std::string& what) const {
    fail<FileError>(kLoad, where_, "the header has ", what, " at '", key_, "'");
  }

  std::string where_;
  Header header_;
  std::unordered_set<std::string> names_;
  std::string name_, key_;
  int depth_ = 0;
  bool in_metadata_ = false;
  std::vector<std::uint64_t>* list_ = nullptr;
};

/// Bytes of an array of this shape; the product counts sizes of 0 as 1, as numel() does, so strides fit as well.
std::uint64_t declared_bytes(const Shape& shape, const SafetensorsType& type, std::string_view name,
                             const std::string& where) {
  std::uint64_t bytes = type.bytes;
  bool none = false;
  for (const std::int64_t size : shape) {
    none = none || size == 0;
    const bool overflow =
        __builtin_mul_overflow(bytes, std::max<std::uint64_t>(static_cast<std::uint64_t>(size), 1), &bytes);
    require<FileError>(!overflow && bytes <= INT64_MAX, kLoad, where, "the shape of tensor '", name, "' overflows");
  }
  return none ? 0 : bytes;
}

SafetensorsEntry check_entry(Declared& declared, const std::string& where) {
  const std::string& name = declared.name;
  require<FileError>(declared.dtype && declared.shape && declared.offsets, kLoad, where, "tensor '", name,
                     "' lacks dtype, shape or data_offsets");
  const auto* type = std::ranges::find(kTypes, *declared.dtype, &SafetensorsType::name);
  require<FileError>(type != kTypes.end(), kLoad, where, "tensor '", name, "' has the dtype '", *declared.dtype,
                     "', expected F64, F32, F16, BF16, I64, U8 or BOOL");
  require<FileError>(declared.offsets->size() == 2, kLoad, where, "tensor '", name, "' has ", declared.offsets->size(),
                     " data_offsets, expected 2");
  const std::uint64_t begin = declared.offsets->front(), end = declared.offsets->back();
  require<FileError>(begin <= end, kLoad, where, "tensor '", name, "' has reversed data_offsets [", begin, ", ", end,
                     "]");
  Shape shape;
  for (const std::uint64_t size : *declared.shape) {
    require<FileError>(size <= INT64_MAX, kLoad, where, "the shape of tensor '", name, "' overflows");
    shape.push_back(static_cast<std::int64_t>(size));
  }
  const std::uint64_t bytes = declared_bytes(shape, *type, name, where);
  require<FileError>(end - begin == bytes, kLoad, where, "tensor '", name, "' has data_offsets [", begin, ", ", end,
                     "], but its dtype and shape make ", bytes, " bytes");
  return {std::move(declared.name), type, shape, begin, end};
}

/// The entries in the order of their data, which they must cover without holes and overlaps.
void check_layout(std::vector<SafetensorsEntry>& entries, std::uint64_t data_bytes, const std::string& where) {
  std::ranges::stable_sort(entries, {}, [](const SafetensorsEntry& e) { return std::pair(e.begin, e.end); });
  std::uint64_t position = 0;
  for (const SafetensorsEntry& entry : entries) {
    require<FileError>(entry.begin >= position, kLoad, where, "the data of tensor '", entry.name,
                       "' overlaps another's");
    require<FileError>(entry.begin == position, kLoad, where, "a hole of ", entry.begin - position,
                       " bytes before the data of tensor '", entry.name, "'");
    position = entry.end;
    require<FileError>(position <= data_bytes, kLoad, where, "the data of tensor '", entry.name, "' ends at byte ",
                       position, ", but there are ", data_bytes, " bytes of data (is the file truncated?)");
  }
  require<FileError>(position == data_bytes, kLoad, where, data_bytes - position, " bytes after the last tensor");
}

/// Bytes of the UTF-8 character in front, 0 if there is none: no overlong forms, no surrogates, at most U+10FFFF.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  if (first < 0xc2 || first > 0xf4) {
    return 0;
  }
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  bool valid = byte(1) >= low && byte(1) <= high;
  for (std::size_t i = 2; i < length; ++i) {
    valid = valid && (byte(i) & 0xc0) == 0x80;
  }
  return valid ? length : 0;
}

/// Appends a JSON string. Written here since a JSON library's tree of values allocates when it is destroyed, too, and
/// ends the process if that fails.
void append_string(std::string& json, std::string_view text) {
  constexpr std::string_view kSpecial = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt", kDigits = "0123456789abcdef";
  json += '"';
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    require(length > 0, kSave, "a name or metadata text is not valid UTF-8");
    const char c = text.front();
    if (const std::size_t special = kSpecial.find(c); special != std::string_view::npos) {
      json += {'\\', kLetters[special]};
    } else if (length == 1 && static_cast<unsigned char>(c) < 0x20) {
      json += {'\\',
               'u',
               '0',
               '0',
               kDigits[static_cast<unsigned char>(c) / 16],
               kDigits[static_cast<unsigned char>(c) % 16]};
    } else {
      json += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  json += '"';
}

void append_entry(std::string& json, const SafetensorsEntry& entry) {
  append_string(json, entry.name);
  json += concat(":{\"dtype\":\"", entry.type->name, "\",\"shape\":[");
  for (int d = 0; d < entry.shape.rank(); ++d) {
    json += concat(d == 0 ? "" : ",", entry.shape[d]);
  }
  json += concat("],\"data_offsets\":[", entry.begin, ",", entry.end, "]}");
}

}  // namespace

const SafetensorsType& safetensors_type(DType dtype) {
  return *std::ranges::find(kTypes, dtype, &SafetensorsType::dtype);
}

SafetensorsHeader parse_safetensors_header(const std::string& text, std::uint64_t data_bytes,
                                           const std::string& where) {
  // The parser takes a NUL for the end and skips a byte order mark; neither may hide anything.
  require<FileError>(text.starts_with('{') && text.find('\0') == std::string::npos, kLoad, where,
                     "the header is not a JSON object");
  HeaderReader reader(where);
  Json::sax_parse(text, &reader);
  Header declared = reader.take();
  SafetensorsHeader header{{}, std::move(declared.metadata)};
  for (Declared& entry : declared.entries) {
    header.entries.push_back(check_entry(entry, where));
  }
  check_layout(header.entries, data_bytes, where);
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  std::string json = "{";
  if (!header.metadata.empty()) {
    append_string(json, kSafetensorsMetadata);
    json += ":";
    for (const auto& [key, value] : header.metadata) {
      json += json.back() == ':' ? '{' : ',';
      append_string(json, key);
      json += ':';
      append_string(json, value);
    }
    json += '}';
  }
  for (const SafetensorsEntry& entry : header.entries) {
    json += json.size() > 1 ? "," : "";
    append_entry(json, entry);
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');  // the data starts at a multiple of 8
  require(json.size() <= kMaxSafetensorsHeader, kSave, "the header would have ", json.size(), " bytes, more than ",
          kMaxSafetensorsHeader);
  return json;
}

}  // namespace evenkeel::detail
