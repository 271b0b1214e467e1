#pragma once

#include "evenkeel/core/dtype.hpp"
#include "evenkeel/core/shape.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace evenkeel::detail {

/// A type of the format: its name, what it is read as, and bytes per element in the file.
struct SafetensorsType {
  std::string_view name;
  DType dtype;
  std::uint64_t bytes;
  int rank;  ///< the place of its tensors in a file that is written: lower ones first
};

/// The type that arrays of `dtype` are written with.
const SafetensorsType& safetensors_type(DType dtype);

/// One tensor as the header declares it; its data are the bytes from `begin` to `end` behind the header.
struct SafetensorsEntry {
  std::string name;
  const SafetensorsType* type = nullptr;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};

/// What stands in front of the data.
struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< in the order of their data
  std::map<std::string, std::string> metadata;
};

constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;
constexpr std::string_view kSafetensorsMetadata = "__metadata__";

/// Reads a header and checks all of it: JSON, keys, dtypes, shapes, and data ranges that must cover `data_bytes` bytes
/// exactly. Throws "load_safetensors: <where><what is wrong>".
SafetensorsHeader parse_safetensors_header(const std::string& text, std::uint64_t data_bytes, const std::string& where);

/// The JSON of a header, filled with spaces to a multiple of 8 bytes. Throws if a text is not UTF-8, or it is too long.
std::string format_safetensors_header(const SafetensorsHeader& header);

}  // namespace evenkeel::detail
