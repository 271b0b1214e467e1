#pragma once

#include "evenkeel/core/io/named_arrays.hpp"

#include <map>
#include <string>

namespace evenkeel {

/// What a safetensors file holds; `tensors` in the order of their data.
struct Safetensors {
  NamedArrays tensors;
  std::map<std::string, std::string> metadata;
  /// Whether the file has a checksum, which holds then. Files of other programs have none: what is damaged in one
  /// without changing its layout goes unnoticed.
  bool checked = false;
  /// Names that share the tensor of another name, {name: that other one}; `tensors` has both, with one storage.
  std::map<std::string, std::string> tied = {};
};

struct SafetensorsOptions {
  bool checksum = true;  ///< false: no more than the format itself asks for
};

/// Reads a safetensors file (8 bytes header length, JSON header, data; https://github.com/huggingface/safetensors).
/// F64, F32, I64, U8 and BOOL keep their type; F16 and BF16 become float32. The header is checked in full before memory
/// for any tensor is taken: length, JSON, keys, dtypes, shapes, and data ranges that must cover the data exactly.
///
/// A checksum is verified if there is one; it does not show in the metadata. Metadata {name: name of a tensor} are a
/// second name of that tensor, as the format's own save_model writes it for tied weights.
/// Throws FileError naming the file and what is wrong with it, IoError if it can't be read.
Safetensors load_safetensors(const std::string& path);

/// Writes a safetensors file that replaces `path` as a whole (see AtomicFile). Tensors are laid out by dtype, then by
/// name, as the format's reference does, so equal contents give equal bytes. Views are written as row-major copies.
/// Arrays that are the same view of one storage are written once, under the first name; the others are metadata
/// {name: first name}, as the format's own save_model does, so in PyTorch load_model reads them.
///
/// The checksum is metadata "evenkeel.checksum": "evenkeel-crc32:" and 8 hexadecimal digits, the CRC-32 (zlib's) of the
/// number of other metadata; their keys and values, by key; then of each stored tensor, by name: name, type ("F32"),
/// rank, sizes, and the CRC-32 of its data. Numbers have 8 bytes, little-endian; a text has its length in front. A
/// damaged byte anywhere in the file makes it fail, or changes nothing that is read.
///
/// Throws ValueError on a duplicate name, an undefined array, a name that is not UTF-8, or metadata that
/// would be read as a checksum or as a tensor's second name; IoError if the file can't be written. The old file is
/// intact then.
void save_safetensors(const std::string& path, const NamedArrays& tensors,
                      const std::map<std::string, std::string>& metadata = {}, const SafetensorsOptions& options = {});

}  // namespace evenkeel
