#include "evenkeel/core/io/safetensors.hpp"

#include "evenkeel/core/io/file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <unordered_set>

namespace evenkeel {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

using Json = nlohmann::ordered_json;

constexpr std::string_view kLoad = "load_safetensors";
constexpr std::string_view kSave = "save_safetensors";
constexpr std::string_view kMetadata = "__metadata__";
constexpr std::uint64_t kMaxHeader = 100'000'000;

/// Types of the format: the reader's dtype, bytes per element in the file, and the place in the file's layout.
struct FileType {
  std::string_view name;
  DType dtype;
  std::uint64_t bytes;
};

constexpr std::array kFileTypes = {
    FileType{"I64", DType::int64, 8},    FileType{"F64", DType::float64, 8}, FileType{"F32", DType::float32, 4},
    FileType{"BF16", DType::float32, 2}, FileType{"F16", DType::float32, 2}, FileType{"U8", DType::uint8, 1},
    FileType{"BOOL", DType::boolean, 1},
};

const FileType* find_type(std::string_view type_name) {
  const auto* found = std::ranges::find(kFileTypes, type_name, &FileType::name);
  return found == kFileTypes.end() ? nullptr : found;
}

const FileType& type_for(DType dtype) { return *std::ranges::find(kFileTypes, dtype, &FileType::dtype); }

/// One tensor as the header declares it.
struct Entry {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
  const FileType* type = nullptr;
  std::uint64_t begin = 0, end = 0;  ///< the offsets, once checked
};

struct Header {
  std::vector<Entry> entries;
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
      in_metadata_ = key == kMetadata;
    }
    return true;
  }

  bool start_array(std::size_t /*elements*/) override {
    check(depth_ == 2 && !in_metadata_ && list_ == nullptr, "a list where none belongs, at '", key_, "'");
    Entry& entry = header_.entries.back();
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
      check(header_.metadata.emplace(key_, value).second, "duplicate key '", key_, "' in ", kMetadata);
      return true;
    }
    Entry& entry = header_.entries.back();
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
    fail(kLoad, where_, "the header is not valid JSON at byte ", position);
  }

 private:
  template <class... Parts>
  void check(bool ok, const Parts&... parts) const {
    require(ok, kLoad, where_, "the header has ", parts...);
  }
  bool refuse(const std::string& what) const { fail(kLoad, where_, "the header has ", what, " at '", key_, "'"); }

  std::string where_;
  Header header_;
  std::unordered_set<std::string> names_;
  std::string name_, key_;
  int depth_ = 0;
  bool in_metadata_ = false;
  std::vector<std::uint64_t>* list_ = nullptr;
};

std::uint64_t declared_bytes(const Entry& entry, const std::string& where) {
  std::uint64_t bytes = entry.type->bytes;
  for (const std::uint64_t size : *entry.shape) {
    require(size <= INT64_MAX && !__builtin_mul_overflow(bytes, size, &bytes) && bytes <= INT64_MAX, kLoad, where,
            "the shape of tensor '", entry.name, "' overflows");
  }
  return bytes;
}

void check_entry(Entry& entry, const std::string& where) {
  require(entry.dtype && entry.shape && entry.offsets, kLoad, where, "tensor '", entry.name,
          "' lacks dtype, shape or data_offsets");
  entry.type = find_type(*entry.dtype);
  require(entry.type != nullptr, kLoad, where, "tensor '", entry.name, "' has the dtype '", *entry.dtype,
          "', expected F64, F32, F16, BF16, I64, U8 or BOOL");
  require(entry.offsets->size() == 2, kLoad, where, "tensor '", entry.name, "' has ", entry.offsets->size(),
          " data_offsets, expected 2");
  entry.begin = entry.offsets->front();
  entry.end = entry.offsets->back();
  require(entry.begin <= entry.end, kLoad, where, "tensor '", entry.name, "' has reversed data_offsets [", entry.begin,
          ", ", entry.end, "]");
  const std::uint64_t bytes = declared_bytes(entry, where);
  require(entry.end - entry.begin == bytes, kLoad, where, "tensor '", entry.name, "' has data_offsets [", entry.begin,
          ", ", entry.end, "], but its dtype and shape make ", bytes, " bytes");
}

/// The entries in the order of their data, which they must cover without holes and overlaps.
void check_layout(std::vector<Entry>& entries, std::uint64_t data_bytes, const std::string& where) {
  std::ranges::stable_sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  std::uint64_t position = 0;
  for (const Entry& entry : entries) {
    require(entry.begin >= position, kLoad, where, "the data of tensor '", entry.name, "' overlaps another's");
    require(entry.begin == position, kLoad, where, "a hole of ", entry.begin - position,
            " bytes before the data of tensor '", entry.name, "'");
    position = entry.end;
    require(position <= data_bytes, kLoad, where, "the data of tensor '", entry.name, "' ends at byte ", position,
            ", but there are ", data_bytes, " bytes of data (is the file truncated?)");
  }
  require(position == data_bytes, kLoad, where, data_bytes - position, " bytes after the last tensor");
}

std::string read_header_text(const InputFile& file, const std::string& where) {
  std::uint64_t length = 0;
  require(file.size() >= sizeof length, kLoad, where, "the file has ", file.size(),
          " bytes, too few for a header length");
  file.read(0, &length, sizeof length);
  require(length <= kMaxHeader, kLoad, where, "the header length ", length, " exceeds the limit of ", kMaxHeader);
  require(length <= file.size() - sizeof length, kLoad, where, "the header length ", length,
          " goes beyond the end of the file (", file.size(), " bytes)");
  std::string text(length, '\0');
  file.read(sizeof length, text.data(), text.size());
  // The parser takes a NUL for the end and skips a byte order mark; neither may hide anything.
  require(text.starts_with('{') && text.find('\0') == std::string::npos, kLoad, where,
          "the header is not a JSON object");
  return text;
}

float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

float from_float16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = bits >> 10 & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0) {  // zero and subnormal: fraction * 2^-24, exact
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t wide_exponent = exponent == 0x1fu ? 0xffu : exponent + 127 - 15;
  return std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13);
}

void read_halves(const InputFile& file, std::uint64_t offset, std::span<float> out, float (*convert)(std::uint16_t)) {
  constexpr std::size_t kChunk = 8192;
  std::array<std::uint16_t, kChunk> buffer;
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t count = std::min(kChunk, out.size() - done);
    file.read(offset + done * sizeof(std::uint16_t), buffer.data(), count * sizeof(std::uint16_t));
    std::transform(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count),
                   out.begin() + static_cast<std::ptrdiff_t>(done), convert);
    done += count;
  }
}

Array read_entry(const InputFile& file, const Entry& entry, std::uint64_t data_start, const std::string& where) {
  Shape shape;
  for (const std::uint64_t size : *entry.shape) {
    shape.push_back(static_cast<std::int64_t>(size));
  }
  Array array = Array::empty(shape, entry.type->dtype);
  const std::uint64_t offset = data_start + entry.begin;
  if (entry.type->name == "F16") {
    read_halves(file, offset, array.mutable_span<float>(), from_float16);
    return array;
  }
  if (entry.type->name == "BF16") {
    read_halves(file, offset, array.mutable_span<float>(), from_bfloat16);
    return array;
  }
  std::byte* data = array.mutable_raw();
  const std::size_t bytes = entry.end - entry.begin;
  file.read(offset, data, bytes);
  if (array.dtype() == DType::boolean) {
    const bool valid = std::all_of(data, data + bytes, [](std::byte b) { return b <= std::byte{1}; });
    require(valid, kLoad, where, "tensor '", entry.name, "' is BOOL but has bytes other than 0 and 1");
  }
  return array;
}

/// Entries in the file's order: by dtype, then by name.
std::vector<const NamedArrays::value_type*> file_order(const NamedArrays& tensors) {
  std::vector<const NamedArrays::value_type*> order;
  std::set<std::string_view> names;
  for (const auto& entry : tensors) {
    require(entry.second.defined(), kSave, "tensor '", entry.first, "' is undefined");
    require(entry.first != kMetadata, kSave, "a tensor can't have the name '", kMetadata, "'");
    require(names.insert(entry.first).second, kSave, "duplicate name '", entry.first, "'");
    order.push_back(&entry);
  }
  std::ranges::sort(order, {}, [](const auto* entry) {
    return std::pair(&type_for(entry->second.dtype()) - kFileTypes.data(), std::string_view(entry->first));
  });
  return order;
}

std::string header_text(const std::vector<const NamedArrays::value_type*>& order,
                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) {
    header[std::string(kMetadata)] = metadata;
  }
  std::uint64_t position = 0;
  for (const auto* entry : order) {
    const Array& array = entry->second;
    const std::uint64_t end = position + static_cast<std::uint64_t>(array.numel()) * item_size(array.dtype());
    Json& json = header[entry->first];
    json["dtype"] = type_for(array.dtype()).name;
    json["shape"] = std::vector<std::int64_t>(array.shape().begin(), array.shape().end());
    json["data_offsets"] = {position, end};
    position = end;
  }
  try {
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');  // the data starts at a multiple of 8
    require(text.size() <= kMaxHeader, kSave, "the header would have ", text.size(), " bytes, more than ", kMaxHeader);
    return text;
  } catch (const Json::type_error&) {
    fail(kSave, "a name or metadata text is not valid UTF-8");
  }
}

}  // namespace

Safetensors load_safetensors(const std::string& path) {
  const InputFile file(path, kLoad);
  const std::string where = concat("'", path, "': ");
  const std::string text = read_header_text(file, where);
  HeaderReader reader(where);
  Json::sax_parse(text, &reader);
  Header header = reader.take();
  for (Entry& entry : header.entries) {
    check_entry(entry, where);
  }
  const std::uint64_t data_start = sizeof(std::uint64_t) + text.size();
  check_layout(header.entries, file.size() - data_start, where);

  Safetensors result{{}, std::move(header.metadata)};
  result.tensors.reserve(header.entries.size());
  for (Entry& entry : header.entries) {
    Array array = read_entry(file, entry, data_start, where);
    result.tensors.emplace_back(std::move(entry.name), std::move(array));
  }
  return result;
}

void save_safetensors(const std::string& path, const NamedArrays& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const auto order = file_order(tensors);
  const std::string text = header_text(order, metadata);
  const std::uint64_t length = text.size();
  AtomicFile file(path, kSave);
  file.write(&length, sizeof length);
  file.write(text);
  for (const auto* entry : order) {
    const Array values = entry->second.contiguous();
    file.write(values.raw(), static_cast<std::size_t>(values.numel()) * item_size(values.dtype()));
  }
  file.commit();
}

}  // namespace evenkeel
