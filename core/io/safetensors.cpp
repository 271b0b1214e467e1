#include "evenkeel/core/io/safetensors.hpp"

#include "evenkeel/core/io/converted.hpp"
#include "evenkeel/core/io/file.hpp"
#include "evenkeel/core/io/safetensors_header.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <set>

namespace evenkeel {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

using detail::SafetensorsEntry;
using detail::SafetensorsHeader;

constexpr std::string_view kLoad = "load_safetensors";
constexpr std::string_view kSave = "save_safetensors";
constexpr std::string_view kMetadata = detail::kSafetensorsMetadata;

// ---- Checksum

constexpr std::string_view kChecksumKey = "evenkeel.checksum";
/// What its value begins with. One damaged byte hits either the key or this, so the other tells that there was one.
constexpr std::string_view kChecksumStart = "evenkeel-crc32:";

/// CRC-32 of bytes that come in pieces.
class Crc {
 public:
  void add(const void* data, std::size_t bytes) {
    value_ = ::crc32_z(value_, static_cast<const unsigned char*>(data), bytes);
  }
  void add(std::uint64_t number) { add(&number, sizeof number); }
  /// With its length in front, so that texts one after the other stay apart.
  void add(std::string_view text) {
    add(std::uint64_t{text.size()});
    add(text.data(), text.size());
  }
  std::uint32_t value() const { return static_cast<std::uint32_t>(value_); }

 private:
  uLong value_ = 0;
};

using DataChecksums = std::vector<std::uint32_t>;  ///< of each entry's bytes

/// What stands under kChecksumKey: safetensors.hpp says over what.
std::string checksum_text(const SafetensorsHeader& header, const DataChecksums& data) {
  Crc crc;
  crc.add(std::uint64_t{header.metadata.size()});
  for (const auto& [key, value] : header.metadata) {
    crc.add(key);
    crc.add(value);
  }
  std::vector<std::size_t> by_name(header.entries.size());
  for (std::size_t i = 0; i < by_name.size(); ++i) {
    by_name[i] = i;
  }
  std::ranges::sort(by_name, {}, [&](std::size_t i) { return std::string_view(header.entries[i].name); });
  for (const std::size_t i : by_name) {
    const SafetensorsEntry& entry = header.entries[i];
    crc.add(entry.name);
    crc.add(entry.type->name);
    crc.add(static_cast<std::uint64_t>(entry.shape.rank()));
    for (const std::int64_t size : entry.shape) {
      crc.add(static_cast<std::uint64_t>(size));
    }
    crc.add(std::uint64_t{data[i]});
  }
  std::array<char, 8> digits{};
  for (std::size_t i = 0; i < digits.size(); ++i) {
    digits[i] = "0123456789abcdef"[crc.value() >> (28 - 4 * i) & 0xf];
  }
  return concat(kChecksumStart, std::string_view(digits.data(), digits.size()));
}

/// The file's checksum, taken out of the metadata; none if it has none. Half a one is an error.
std::optional<std::string> take_checksum(std::map<std::string, std::string>& metadata, const std::string& where) {
  std::optional<std::string> checksum;
  for (const auto& [key, value] : metadata) {
    const bool named = key == kChecksumKey;
    require<FileError>(named == value.starts_with(kChecksumStart), kLoad, where, "the file is damaged: the metadata '",
                       key, "' is '", value, "', but a checksum has the key '", kChecksumKey, "' and begins with '",
                       kChecksumStart, "'");
    if (named) {
      checksum = value;
    }
  }
  metadata.erase(std::string(kChecksumKey));
  return checksum;
}

// ---- Reading

std::string read_header_text(const InputFile& file, const std::string& where) {
  std::uint64_t length = 0;
  require<FileError>(file.size() >= sizeof length, kLoad, where, "the file has ", file.size(),
                     " bytes, too few for a header length");
  file.read(0, &length, sizeof length);
  require<FileError>(length <= detail::kMaxSafetensorsHeader, kLoad, where, "the header length ", length,
                     " exceeds the limit of ", detail::kMaxSafetensorsHeader);
  require<FileError>(length <= file.size() - sizeof length, kLoad, where, "the header length ", length,
                     " goes beyond the end of the file (", file.size(), " bytes)");
  std::string text(length, '\0');
  file.read(sizeof length, text.data(), text.size());
  return text;
}

Array read_entry(const InputFile& file, const SafetensorsEntry& entry, std::uint64_t data_start,
                 const std::string& where, Crc& crc) {
  Array array = Array::empty(entry.shape, entry.type->dtype);
  const std::uint64_t offset = data_start + entry.begin;
  if (entry.type->name == "F16" || entry.type->name == "BF16") {
    std::uint64_t position = offset;
    const auto read = [&](void* destination, std::size_t bytes) {
      file.read(position, destination, bytes);
      crc.add(destination, bytes);
      position += bytes;
    };
    detail::read_converted<std::uint16_t, float>(
        read, array.mutable_span<float>(), entry.type->name == "F16" ? detail::from_float16 : detail::from_bfloat16);
    return array;
  }
  std::byte* data = array.mutable_raw();
  const std::size_t bytes = entry.end - entry.begin;
  file.read(offset, data, bytes);
  crc.add(data, bytes);
  if (array.dtype() == DType::boolean) {
    const bool valid = std::all_of(data, data + bytes, [](std::byte b) { return b <= std::byte{1}; });
    require<FileError>(valid, kLoad, where, "tensor '", entry.name, "' is BOOL but has bytes other than 0 and 1");
  }
  return array;
}

/// Moves the pairs {name: name of a tensor} from the metadata to `tied`, and gives those names their tensors.
void restore_tied(Safetensors& file) {
  std::map<std::string_view, const Array*> stored;
  for (const auto& [name, array] : file.tensors) {
    stored.emplace(name, &array);
  }
  std::map<std::string, std::vector<std::string>> names;  // of each tensor that has several
  std::erase_if(file.metadata, [&](const auto& pair) {
    const bool tied = stored.contains(pair.second) && !stored.contains(pair.first);
    if (tied) {
      names[pair.second].push_back(pair.first);
      file.tied.insert(pair);
    }
    return tied;
  });
  if (names.empty()) {
    return;
  }
  NamedArrays all;
  for (const auto& [name, array] : file.tensors) {
    all.emplace_back(name, array);
    for (const std::string& other : names[name]) {
      all.emplace_back(other, array);
    }
  }
  file.tensors = std::move(all);
}

// ---- Writing

using NamedArray = NamedArrays::value_type;

/// All that is written, decided before the file is touched.
struct FilePlan {
  SafetensorsHeader header;
  std::vector<const Array*> arrays;  ///< of the header's entries
};

/// The tensors by type, then by name.
std::vector<const NamedArray*> file_order(const NamedArrays& tensors) {
  std::vector<const NamedArray*> order;
  std::set<std::string_view> names;
  for (const NamedArray& entry : tensors) {
    require(entry.second.defined(), kSave, "tensor '", entry.first, "' is undefined");
    require(entry.first != kMetadata, kSave, "a tensor can't have the name '", kMetadata, "'");
    require(names.insert(entry.first).second, kSave, "duplicate name '", entry.first, "'");
    order.push_back(&entry);
  }
  std::ranges::sort(order, {}, [](const NamedArray* entry) {
    return std::pair(detail::safetensors_type(entry->second.dtype()).rank, std::string_view(entry->first));
  });
  return order;
}

bool same_view(const Array& a, const Array& b) {
  return a.shares_storage(b) && a.dtype() == b.dtype() && a.shape() == b.shape() && a.strides() == b.strides() &&
         a.offset() == b.offset();
}

bool like_a_checksum(std::string_view key, std::string_view value) {
  return key == kChecksumKey || value.starts_with(kChecksumStart);
}

void check_metadata(const std::map<std::string, std::string>& metadata, const NamedArrays& tensors) {
  std::set<std::string_view> names;
  for (const NamedArray& entry : tensors) {
    names.insert(entry.first);
  }
  for (const auto& [key, value] : metadata) {
    require(!like_a_checksum(key, value), kSave, "the metadata '", key, "': '", value,
            "' would be taken for the file's checksum");
    require(!names.contains(value) || names.contains(key), kSave, "the metadata '", key, "': '", value,
            "' would be taken for a second name of the tensor '", value, "'");
  }
}

/// Which tensors are stored and which only named, as another name of a stored one: the first in the file's order is
/// stored. A name that the metadata has for something else is stored as well.
FilePlan make_plan(const NamedArrays& tensors, const std::map<std::string, std::string>& metadata) {
  check_metadata(metadata, tensors);
  FilePlan plan{{{}, metadata}, {}};
  std::map<const Storage*, std::vector<const NamedArray*>> stored;
  std::uint64_t position = 0;
  for (const NamedArray* entry : file_order(tensors)) {
    const std::string& name = entry->first;
    const Array& array = entry->second;
    auto& others = stored[array.storage().get()];
    const auto same = std::ranges::find_if(others, [&](const NamedArray* o) { return same_view(o->second, array); });
    if (same != others.end() && array.numel() > 0 && !metadata.contains(name) &&
        !like_a_checksum(name, (*same)->first)) {
      plan.header.metadata[name] = (*same)->first;
      continue;
    }
    others.push_back(entry);
    const std::uint64_t end = position + static_cast<std::uint64_t>(array.numel()) * item_size(array.dtype());
    plan.header.entries.push_back({name, &detail::safetensors_type(array.dtype()), array.shape(), position, end});
    plan.arrays.push_back(&array);
    position = end;
  }
  return plan;
}

std::size_t bytes_of(const Array& array) { return static_cast<std::size_t>(array.numel()) * item_size(array.dtype()); }

DataChecksums data_checksums(const std::vector<const Array*>& arrays) {
  DataChecksums checksums;
  for (const Array* array : arrays) {
    const Array values = array->contiguous();
    Crc crc;
    crc.add(values.raw(), bytes_of(values));
    checksums.push_back(crc.value());
  }
  return checksums;
}

}  // namespace

Safetensors load_safetensors(const std::string& path) {
  const InputFile file(path, kLoad);
  const std::string where = concat("'", path, "': ");
  const std::string text = read_header_text(file, where);
  const std::uint64_t data_start = sizeof(std::uint64_t) + text.size();
  SafetensorsHeader header = detail::parse_safetensors_header(text, file.size() - data_start, where);
  const std::optional<std::string> checksum = take_checksum(header.metadata, where);

  Safetensors result;
  result.tensors.reserve(header.entries.size());
  DataChecksums data;
  for (const SafetensorsEntry& entry : header.entries) {
    Crc crc;
    result.tensors.emplace_back(entry.name, read_entry(file, entry, data_start, where, crc));
    data.push_back(crc.value());
  }
  if (checksum) {
    const std::string found = checksum_text(header, data);
    require<FileError>(found == *checksum, kLoad, where, "the file is damaged: its checksum is '", *checksum,
                       "', but its content gives '", found,
                       "' (or a program changed the content and kept the checksum)");
  }
  result.metadata = std::move(header.metadata);
  result.checked = checksum.has_value();
  restore_tied(result);
  return result;
}

void save_safetensors(const std::string& path, const NamedArrays& tensors,
                      const std::map<std::string, std::string>& metadata, const SafetensorsOptions& options) {
  FilePlan plan = make_plan(tensors, metadata);
  if (options.checksum) {
    plan.header.metadata[std::string(kChecksumKey)] = checksum_text(plan.header, data_checksums(plan.arrays));
  }
  const std::string text = detail::format_safetensors_header(plan.header);
  const std::uint64_t length = text.size();
  AtomicFile file(path, kSave);
  file.write(&length, sizeof length);
  file.write(text);
  for (const Array* array : plan.arrays) {
    const Array values = array->contiguous();
    file.write(values.raw(), bytes_of(values));
  }
  file.commit();
}

}  // namespace evenkeel
