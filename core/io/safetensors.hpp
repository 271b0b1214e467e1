#pragma once

#include "evenkeel/core/array.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel {

/// Arrays with their names: what a file holds, and what optimizers and schedules write there. A module's values are an
/// nn::StateDict, of the same type, whose names follow PyTorch's rules.
using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// What a safetensors file holds; `tensors` in the order of their data.
struct Safetensors {
  NamedArrays tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads a safetensors file (8 bytes header length, JSON header, data; https://github.com/huggingface/safetensors).
/// F64, F32, I64, U8 and BOOL keep their type; F16 and BF16 become float32. The header is checked in full before memory
/// for any tensor is taken: length, JSON, keys, dtypes, shapes, and data ranges that must cover the data exactly.
/// Throws std::invalid_argument naming the file and what is wrong with it, IoError if it can't be read.
Safetensors load_safetensors(const std::string& path);

/// Writes a safetensors file that replaces `path` as a whole (see AtomicFile). Tensors are laid out by dtype, then by
/// name, as the format's reference does, so equal contents give equal bytes. Views are written as row-major copies.
/// Throws std::invalid_argument on a duplicate name, an undefined array or a name that is not UTF-8; IoError if the
/// file can't be written. The old file is intact then.
void save_safetensors(const std::string& path, const NamedArrays& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace evenkeel
