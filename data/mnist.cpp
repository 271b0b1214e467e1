#include "evenkeel/data/mnist.hpp"

#include "evenkeel/core/io/file.hpp"

#include <zlib.h>

#include <array>
#include <memory>

namespace evenkeel::data {
namespace {

constexpr std::string_view kLoadMnist = "load_mnist";
constexpr std::uint32_t kImagesMagic = 2051, kLabelsMagic = 2049;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 32;

/// A file of bytes, unpacked on the way if it is gzipped.
class ByteReader {
 public:
  explicit ByteReader(std::string path) : path_(std::move(path)), file_(::gzopen(path_.c_str(), "rb")) {
    if (file_ == nullptr) {
      fail<IoError>(kLoadMnist, "cannot open '", path_, "'");
    }
  }
  ~ByteReader() { ::gzclose(file_); }
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  const std::string& path() const { return path_; }

  /// Reads up to `bytes` bytes; fewer at the end of the file.
  std::size_t read(std::uint8_t* out, std::size_t bytes) {
    std::size_t done = 0;
    while (done < bytes) {
      const int count = ::gzread(file_, out + done, static_cast<unsigned>(bytes - done));
      int code = Z_OK;
      const char* text = ::gzerror(file_, &code);
      require(count >= 0 && (code == Z_OK || code == Z_STREAM_END), kLoadMnist, "'", path_,
              "' is not a valid gzip file: ", text);
      if (count == 0) {
        break;
      }
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

 private:
  std::string path_;
  gzFile file_;
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
  require(magic == expected, kLoadMnist, "'", path, "' has the magic number ", magic, hint, ", expected ", expected,
          expected == kImagesMagic ? " (images)" : " (labels)");
}

/// Data is read piece by piece, so that a header that lies takes no memory.
IdxFile read_idx(const std::string& path, std::uint32_t magic, std::size_t rank) {
  ByteReader reader(path);
  std::array<std::uint8_t, 16> header{};
  const std::size_t header_bytes = 4 + 4 * rank;
  const std::size_t got = reader.read(header.data(), header_bytes);
  if (got >= 4) {
    check_magic(path, big_endian(header.data()), magic);
  }
  require(got == header_bytes, kLoadMnist, "'", path, "' has ", got, " bytes, too few for a header of ", header_bytes);
  IdxFile idx;
  std::uint64_t expected = 1;
  std::string sizes;
  for (std::size_t i = 1; i <= rank; ++i) {
    idx.sizes.push_back(big_endian(header.data() + 4 * i));
    sizes += concat(i == 1 ? "" : " x ", idx.sizes.back());
    const bool overflow = __builtin_mul_overflow(expected, std::uint64_t{idx.sizes.back()}, &expected);
    require(!overflow && expected <= kMaxBytes, kLoadMnist, "'", path, "' declares ", sizes, i < rank ? " x ..." : "",
            " bytes, more than the limit of ", kMaxBytes);
  }
  constexpr std::uint64_t kPiece = 1 << 20;
  for (std::uint64_t position = 0; position < expected;) {
    const auto piece = static_cast<std::size_t>(std::min(kPiece, expected - position));
    idx.data.resize(position + piece);
    const std::size_t count = reader.read(idx.data.data() + position, piece);
    position += count;
    require(count == piece, kLoadMnist, "'", path, "' declares ", sizes, " = ", expected, " bytes of data, but has ",
            position);
  }
  std::uint8_t extra = 0;
  require(reader.read(&extra, 1) == 0, kLoadMnist, "'", path, "' declares ", sizes, " = ", expected,
          " bytes of data, but has more");
  return idx;
}

std::string find_file(const std::string& folder, const std::string& name) {
  for (const std::string& path : {concat(folder, "/", name), concat(folder, "/", name, ".gz")}) {
    if (std::filesystem::is_regular_file(path)) {
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
  require(images.sizes[0] == labels.sizes[0], kLoadMnist, "'", images_path, "' has ", images.sizes[0], " images, but '",
          labels_path, "' has ", labels.sizes[0], " labels");
  require(images.sizes[1] > 0 && images.sizes[2] > 0, kLoadMnist, "'", images_path, "' has images of ", images.sizes[1],
          " x ", images.sizes[2], " pixels");
  constexpr std::int64_t kClasses = 10;
  return {std::move(images.data),
          std::move(labels.data),
          {1, images.sizes[1], images.sizes[2]},
          kClasses,
          concat(kLoadMnist, ": '", labels_path, "'")};
}

}  // namespace evenkeel::data
