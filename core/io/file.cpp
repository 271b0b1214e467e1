#include "evenkeel/core/io/file.hpp"

#include "evenkeel/core/error.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <memory>
#include <utility>

namespace evenkeel {
namespace {

[[noreturn]] void fail_io(std::string_view op, std::string_view what, const std::filesystem::path& path) {
  const int error = errno;
  fail<IoError>(op, what, " '", path.string(), "': ", std::strerror(error));
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

constexpr std::string_view kTemporaryEnding = ".tmp";

std::string temporary_start(const std::filesystem::path& path) { return concat(".", path.filename().string(), "."); }

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  return folder_of(path) / concat(temporary_start(path), ::getpid(), "-", counter++, kTemporaryEnding);
}

/// Takes digits off the front of `text`; whether there were any.
bool take_digits(std::string_view& text) {
  const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
  text.remove_prefix(count);
  return count > 0;
}

/// Whether temporary_name() gives files whose names start with `start` such a name.
bool is_temporary_name(std::string_view name, std::string_view start) {
  if (!name.starts_with(start)) {
    return false;
  }
  name.remove_prefix(start.size());
  if (!take_digits(name) || !name.starts_with('-')) {
    return false;
  }
  name.remove_prefix(1);
  return take_digits(name) && name == kTemporaryEnding;
}

/// Whether `path` still is the file that was opened as `descriptor`.
bool is_still(const std::filesystem::path& path, int descriptor) {
  struct stat opened {};
  struct stat present {};
  return ::fstat(descriptor, &opened) == 0 && ::lstat(path.c_str(), &present) == 0 && S_ISREG(opened.st_mode) &&
         opened.st_dev == present.st_dev && opened.st_ino == present.st_ino;
}

/// Removes a temporary file whose writer is gone. The name is looked at again under the lock: a writer that was just
/// done has given the file another name, and whoever else removes it holds the lock. A writer between the creation and
/// the lock of its file loses it here, sees that, and takes the next name.
void remove_if_stale(const std::filesystem::path& temporary) {
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) {
    return;
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0 && is_still(temporary, descriptor)) {
    ::unlink(temporary.c_str());
  }
  ::close(descriptor);
}

/// Of all processes that saved to `path`. Errors don't matter: the file itself can be written without. (The standard
/// library's directory_iterator ends the process where memory is short.)
void remove_stale_temporaries(const std::filesystem::path& path) {
  const std::filesystem::path folder = folder_of(path);
  const std::string start = temporary_start(path);
  const auto close_folder = [](DIR* opened) { ::closedir(opened); };
  const std::unique_ptr<DIR, decltype(close_folder)> entries(::opendir(folder.c_str()));
  while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
    if (is_temporary_name(entry->d_name, start)) {
      remove_if_stale(folder / entry->d_name);
    }
  }
}

std::string_view kind_of(mode_t mode) {
  return S_ISFIFO(mode) ? "a named pipe" : S_ISDIR(mode) ? "a folder" : S_ISSOCK(mode) ? "a socket" : "a device";
}

}  // namespace

std::filesystem::path follow_links(std::filesystem::path path) {
  constexpr int kMaxLinks = 40;
  std::error_code error;
  for (int i = 0; i < kMaxLinks; ++i) {
    const std::filesystem::path target = std::filesystem::read_symlink(path, error);
    if (error) {
      break;  // no link
    }
    path = path.parent_path() / target;
  }
  return path;
}

InputFile::InputFile(std::filesystem::path path, std::string_view op) : path_(std::move(path)), op_(op) {
  // O_NONBLOCK: a named pipe would otherwise be waited for, until somebody writes to it.
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor_ < 0) {
    fail_io(op_, "cannot open", path_);
  }
  struct stat info {};
  const bool known = ::fstat(descriptor_, &info) == 0;
  if (!known || !S_ISREG(info.st_mode)) {
    const int error = errno;
    ::close(descriptor_);
    errno = error;
    if (!known) {
      fail_io(op_, "cannot open", path_);
    }
    fail<IoError>(op_, "'", path_.string(), "' is not a regular file, but ", kind_of(info.st_mode));
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(std::uint64_t offset, void* destination, std::size_t bytes) const {
  auto* out = static_cast<char*>(destination);
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t count = ::pread(descriptor_, out + done, bytes - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      fail_io(op_, "cannot read", path_);
    }
    if (count == 0) {
      fail<IoError>(op_, "'", path_.string(), "' ended at byte ", offset + done, ", expected ", offset + bytes,
                    " bytes");
    }
    done += static_cast<std::size_t>(count);
  }
}

AtomicFile::AtomicFile(const std::filesystem::path& path, std::string_view op) : path_(follow_links(path)), op_(op) {
  struct stat info {};
  const bool exists = ::stat(path_.c_str(), &info) == 0;
  if (!exists && errno != ENOENT) {
    fail_io(op_, "cannot write", path);
  }
  if ((exists && !S_ISREG(info.st_mode)) || !path_.has_filename()) {
    fail<IoError>(op_, "'", path.string(), "' is not a regular file");
  }
  remove_stale_temporaries(path_);
  open_temporary(path);
  if (exists && ::fchmod(descriptor_, info.st_mode & 07777) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    ::close(descriptor_);
    errno = error;
    fail_io(op_, "cannot keep the permissions of", path);
  }
}

void AtomicFile::open_temporary(const std::filesystem::path& path) {
  for (;;) {
    temporary_ = temporary_name(path_);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno == EEXIST) {
      continue;  // of a process that had the same number
    }
    if (descriptor_ < 0) {
      fail_io(op_, "cannot write", path);
    }
    // Where files can't be locked at all, nobody takes this one for a stale one either.
    const bool lost = ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    struct stat info {};
    if (!lost && (::fstat(descriptor_, &info) != 0 || info.st_nlink > 0)) {
      return;
    }
    ::close(descriptor_);  // somebody who removes stale files was faster than the lock
  }
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  require<StateError>(descriptor_ >= 0, op_, "write to '", path_.string(), "' after commit()");
  const auto* in = static_cast<const char*>(data);
  constexpr std::size_t kMaxPerCall = std::size_t{1} << 30;
  while (bytes > 0) {
    const ssize_t count = ::write(descriptor_, in, std::min(bytes, kMaxPerCall));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      fail_io(op_, "cannot write", path_);
    }
    in += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

void AtomicFile::commit() {
  require<StateError>(descriptor_ >= 0, op_, "second commit() of '", path_.string(), "'");
  if (::fsync(descriptor_) != 0) {
    fail_io(op_, "cannot write", path_);
  }
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 && errno != EACCES) {  // EACCES: may be written but not listed; the system decides when it is synced
    fail_io(op_, "cannot open the folder of", path_);
  }
  // The lock goes with the descriptor, so that one stays open until the file has its name.
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    if (folder >= 0) {
      ::close(folder);
    }
    errno = error;
    fail_io(op_, "cannot replace", path_);
  }
  temporary_.clear();
  const bool synced = folder < 0 || ::fsync(folder) == 0 || errno == EINVAL;  // EINVAL: nothing to sync there
  const int error = errno;
  if (folder >= 0) {
    ::close(folder);
  }
  ::close(std::exchange(descriptor_, -1));  // the data was synced: nothing is left that could fail
  if (!synced) {
    errno = error;
    fail_io(op_, "the new file is in its place, but a crash may bring back the old one: cannot sync the folder of",
            path_);
  }
}

}  // namespace evenkeel
