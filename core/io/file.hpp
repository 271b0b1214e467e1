#pragma once

#include "evenkeel/core/error.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace evenkeel {

/// The file that a symbolic link leads to, even if that does not exist yet; `path` itself if it is none.
std::filesystem::path follow_links(std::filesystem::path path);

/// A file opened for reading; its size is known before anything is read. `op` starts every error text.
class InputFile {
 public:
  /// Throws IoError if the file is missing, not readable or not a regular file (a named pipe is not waited for).
  InputFile(std::filesystem::path path, std::string_view op);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  /// Reads exactly `bytes` bytes from `offset` on; throws IoError if the file ends before.
  void read(std::uint64_t offset, void* destination, std::size_t bytes) const;

 private:
  std::filesystem::path path_;
  std::string op_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
};

/// Replaces a file as a whole: everything is written to a temporary file in the same folder; commit() syncs it to disk,
/// renames it over `path` and syncs the folder. Whatever fails before the rename, the old file stays as it was and the
/// temporary file is removed. A file that exists keeps its permissions; a symbolic link stays and its target is
/// replaced.
///
/// The temporary file of X is ".X.<process>-<number>.tmp". Its writer holds a lock on it (flock), so those that can be
/// locked are left over from processes that were killed: the next AtomicFile of the same path removes them.
///   AtomicFile file(path, "save_npy");
///   file.write(header.data(), header.size());
///   file.commit();
class AtomicFile {
 public:
  /// Throws IoError if the folder is missing or not writable, or `path` is something else than a file.
  AtomicFile(const std::filesystem::path& path, std::string_view op);
  /// Removes the temporary file unless commit() succeeded.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends; throws IoError, for example when the disk is full.
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Throws IoError. The old file is still there then, unless only the sync of the folder failed: the new one is in its
  /// place, whole, and the text says so.
  void commit();

 private:
  void open_temporary(const std::filesystem::path& path);

  std::filesystem::path path_, temporary_;
  std::string op_;
  int descriptor_ = -1;
};

}  // namespace evenkeel
