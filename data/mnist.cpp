#include "evenkeel/data/mnist.hpp"

#include "evenkeel/core/io/file.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>

namespace evenkeel::data {
namespace {

constexpr std::string_view kLoadMnist = "load_mnist";
constexpr std::uint32_t kImagesMagic = 2051, kLabelsMagic = 2049;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 32;

/// A file of bytes, read from front to back, unpacked on the way if it is gzipped (of one member or more). What is
/// behind the last member, and an end inside one, are errors.
class ByteReader {
 public:
  explicit ByteReader(const std::string& path) : file_(path, kLoadMnist) {
    std::array<std::uint8_t, 2> start{};
    if (file_.size() >= start.size()) {
      file_.read(0, start.data(), start.size());
    }
    packed_ = start == std::array<std::uint8_t, 2>{0x1f, 0x8b};
    constexpr int kGzip = 16 + MAX_WBITS;
    if (packed_ && ::inflateInit2(&stream_, kGzip) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~ByteReader() {
    if (packed_) {
      ::inflateEnd(&stream_);
    }
  }
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  bool packed() const { return packed_; }
  /// Bytes that are still to be read; if packed, no more than these: deflate makes at most 1032 of one.
  std::uint64_t most_left() const { return packed_ ? file_.size() * 1032 : file_.size() - position_; }

  /// Reads up to `bytes` bytes; fewer at the end of the file.
  std::size_t read(std::uint8_t* out, std::size_t bytes) {
    if (!packed_) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, file_.size() - position_));
      file_.read(position_, out, count);
      position_ += count;
      return count;
    }
    stream_.next_out = out;
    stream_.avail_out = static_cast<uInt>(bytes);
    while (stream_.avail_out > 0 && !at_end_) {
      unpack();
    }
    return bytes - stream_.avail_out;
  }

 private:
  /// One step: to the end of the output, of the buffered input, or of a member.
  void unpack() {
    if (stream_.avail_in == 0) {
      refill();
    }
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_MEM_ERROR) {
      throw std::bad_alloc();
    }
    require<FileError>(
        code == Z_OK || code == Z_STREAM_END, kLoadMnist, "'", file_.path().string(),
        "' is not a valid gzip file: ", stream_.msg != nullptr ? stream_.msg : "it ends in a place where it can't");
    if (code != Z_STREAM_END) {
      return;
    }
    const std::uint64_t rest = file_.size() - position_ + stream_.avail_in;
    at_end_ = rest == 0;
    if (!at_end_) {
      std::array<std::uint8_t, 2> next{};
      if (rest >= next.size()) {
        file_.read(file_.size() - rest, next.data(), next.size());
      }
      require<FileError>(next[0] == 0x1f && next[1] == 0x8b, kLoadMnist, "'", file_.path().string(), "' has ", rest,
                         " bytes behind its gzip data");
      ::inflateReset(&stream_);
    }
  }

  void refill() {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), file_.size() - position_));
    require<FileError>(count > 0, kLoadMnist, "'", file_.path().string(),
                       "' is not a valid gzip file: its end is missing");
    file_.read(position_, buffer_.data(), count);
    position_ += count;
    stream_.next_in = buffer_.data();
    stream_.avail_in = static_cast<uInt>(count);
  }

  InputFile file_;
  std::uint64_t position_ = 0;  ///< of what is read next from the file
  bool packed_ = false, at_end_ = false;
  z_stream stream_{};
  std::array<std::uint8_t, 1 << 16> buffer_;
};

std::uint32_t big_endian(const std::uint8_t* b) {
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

struct IdxFile {
  std::vector<std::uint32_t> sizes;
  std::vector<std::uint8_t> data;
};

void check_magic(const std::string& path, std::uint32_t magic, std::uint32_t expected) {
  const std::string_view hint = magic == kLabelsMagic        ? " (a file of labels)"
                                : magic == kImagesMagic      ? " (a file of images)"
                                : (magic >> 16) == 0x1f8b    ? " (gzipped twice? unpack it once)"
                                : (magic & 0xffff) == 0x0000 ? " (bytes in the wrong order?)"
                                                             : "";
  require<FileError>(magic == expected, kLoadMnist, "'", path, "' has the magic number ", magic, hint, ", expected ",
                     expected, expected == kImagesMagic ? " (images)" : " (labels)");
}

/// Appends `bytes` bytes piece by piece, so that a header that lies takes no memory; how many there were.
std::uint64_t read_data(ByteReader& reader, std::uint64_t bytes, std::vector<std::uint8_t>& data) {
  constexpr std::uint64_t kPiece = 1 << 20;
  while (data.size() < bytes) {
    const std::size_t before = data.size();
    const auto piece = static_cast<std::size_t>(std::min(kPiece, bytes - before));
    if (data.capacity() < before + piece) {
      data.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, 2 * (before + piece))));
    }
    data.resize(before + piece);
    const std::size_t count = reader.read(data.data() + before, piece);
    if (count < piece) {
      return before + count;
    }
  }
  return bytes;
}

IdxFile read_idx(const std::string& path, std::uint32_t magic, std::size_t rank) {
  ByteReader reader(path);
  std::array<std::uint8_t, 16> header{};
  const std::size_t header_bytes = 4 + 4 * rank;
  const std::size_t got = reader.read(header.data(), header_bytes);
  if (got >= 4) {
    check_magic(path, big_endian(header.data()), magic);
  }
  require<FileError>(got == header_bytes, kLoadMnist, "'", path, "' has ", got, " bytes, too few for a header of ",
                     header_bytes);
  IdxFile idx;
  std::uint64_t expected = 1;
  std::string sizes;
  for (std::size_t i = 1; i <= rank; ++i) {
    idx.sizes.push_back(big_endian(header.data() + 4 * i));
    sizes += concat(i == 1 ? "" : " x ", idx.sizes.back());
    const bool overflow = __builtin_mul_overflow(expected, std::uint64_t{idx.sizes.back()}, &expected);
    require<FileError>(!overflow && expected <= kMaxBytes, kLoadMnist, "'", path, "' declares ", sizes,
                       i < rank ? " x ..." : "", " bytes, more than the limit of ", kMaxBytes);
  }
  const auto check_data = [&](std::uint64_t found, std::string_view at_most) {
    require<FileError>(found >= expected, kLoadMnist, "'", path, "' declares ", sizes, " = ", expected,
                       " bytes of data, but has ", at_most, found);
  };
  check_data(reader.most_left(), reader.packed() ? "at most " : "");
  try {
    check_data(read_data(reader, expected, idx.data), "");
  } catch (const std::bad_alloc&) {
    fail<FileError>(kLoadMnist, "'", path, "' has ", sizes, " = ", expected,
                    " bytes of data, more than memory can hold");
  }
  std::uint8_t extra = 0;
  require<FileError>(reader.read(&extra, 1) == 0, kLoadMnist, "'", path, "' declares ", sizes, " = ", expected,
                     " bytes of data, but has more");
  return idx;
}

std::string find_file(const std::string& folder, const std::string& name) {
  for (const std::string& path : {concat(folder, "/", name), concat(folder, "/", name, ".gz")}) {
    std::error_code error;
    if (std::filesystem::exists(path, error) || error) {  // whatever else is wrong with it, opening it says
      return path;
    }
  }
  fail<IoError>(kLoadMnist, "neither '", name, "' nor '", name, ".gz' is in the folder '", folder, "'");
}

}  // namespace

ArrayDataset load_mnist(const std::string& folder, Split split) {
  const std::string prefix = split == Split::train ? "train" : "t10k";
  const std::string images_path = find_file(folder, prefix + "-images-idx3-ubyte");
  const std::string labels_path = find_file(folder, prefix + "-labels-idx1-ubyte");
  IdxFile images = read_idx(images_path, kImagesMagic, 3);
  IdxFile labels = read_idx(labels_path, kLabelsMagic, 1);
  require<FileError>(images.sizes[0] == labels.sizes[0], kLoadMnist, "'", images_path, "' has ", images.sizes[0],
                     " images, but '", labels_path, "' has ", labels.sizes[0], " labels");
  require<FileError>(images.sizes[1] > 0 && images.sizes[2] > 0, kLoadMnist, "'", images_path, "' has images of ",
                     images.sizes[1], " x ", images.sizes[2], " pixels");
  constexpr std::int64_t kDigits = 10;
  for (std::size_t i = 0; i < labels.data.size(); ++i) {
    require<FileError>(labels.data[i] < kDigits, kLoadMnist, "'", labels_path, "': label ",
                       static_cast<int>(labels.data[i]), " of image ", i, " is out of range, expected less than ",
                       kDigits);
  }
  return {std::move(images.data), std::move(labels.data), {1, images.sizes[1], images.sizes[2]}, kDigits, kLoadMnist};
}

}  // namespace evenkeel::data
