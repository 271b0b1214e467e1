#include "evenkeel/core/io/file.hpp"

#include "evenkeel/core/error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace evenkeel {
namespace {

[[noreturn]] void fail_io(std::string_view op, std::string_view what, const std::filesystem::path& path) {
  fail<IoError>(op, what, " '", path.string(), "': ", std::strerror(errno));
}

/// The file that a symbolic link leads to, even if that does not exist yet.
std::filesystem::path follow_links(std::filesystem::path path) {
  constexpr int kMaxLinks = 40;
  std::error_code ignored;
  for (int i = 0; i < kMaxLinks && std::filesystem::is_symlink(path, ignored); ++i) {
    path = path.parent_path() / std::filesystem::read_symlink(path);
  }
  return path;
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  return folder_of(path) / concat(".", path.filename().string(), ".", ::getpid(), "-", counter++, ".tmp");
}

}  // namespace

InputFile::InputFile(std::filesystem::path path, std::string_view op) : path_(std::move(path)), op_(op) {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) {
    fail_io(op_, "cannot open", path_);
  }
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor_);
    fail<IoError>(op_, "'", path_.string(), "' is not a regular file");
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
  if ((exists && !S_ISREG(info.st_mode)) || !path_.has_filename()) {
    fail<IoError>(op_, "'", path.string(), "' is not a regular file");
  }
  do {
    temporary_ = temporary_name(path_);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) {
    fail_io(op_, "cannot write", path);
  }
  if (exists && ::fchmod(descriptor_, info.st_mode & 07777) != 0) {
    const int error = errno;
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
    errno = error;
    fail_io(op_, "cannot keep the permissions of", path);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  require(descriptor_ >= 0, op_, "write to '", path_.string(), "' after commit()");
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
  require(descriptor_ >= 0, op_, "second commit() of '", path_.string(), "'");
  if (::fsync(descriptor_) != 0) {
    fail_io(op_, "cannot write", path_);
  }
  if (::close(std::exchange(descriptor_, -1)) != 0) {
    fail_io(op_, "cannot write", path_);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail_io(op_, "cannot replace", path_);
  }
  temporary_.clear();
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    return;  // A folder that may be written but not listed: the rename is done, only its durability is up to the
             // system.
  }
  const int result = ::fsync(folder);
  const int error = errno;
  ::close(folder);
  if (result != 0 && error != EINVAL) {  // EINVAL: a file system that has nothing to sync for folders
    errno = error;
    fail_io(op_, "cannot sync the folder of", path_);
  }
}

}  // namespace evenkeel
