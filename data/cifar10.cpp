#include "evenkeel/data/cifar10.hpp"

#include "evenkeel/core/io/file.hpp"

#include <algorithm>

namespace evenkeel::data {
namespace {

constexpr std::string_view kLoadCifar10 = "load_cifar10";
constexpr std::uint64_t kPixels = 3UL * 32 * 32;
constexpr std::uint64_t kRecord = 1 + kPixels;
constexpr std::uint64_t kCifar100Record = 2 + kPixels;
constexpr std::int64_t kClasses = 10;

struct Records {
  std::vector<std::uint8_t> images, labels;
};

/// Appends the records of one file: a byte for the label, then the pixels.
void read_records(const std::string& path, Records& records) {
  const InputFile file(path, kLoadCifar10);
  const std::string_view hint =
      file.size() % kCifar100Record == 0 ? " (the size fits CIFAR-100's records)" : " (is it cut?)";
  require(file.size() > 0 && file.size() % kRecord == 0, kLoadCifar10, "'", path, "' has ", file.size(),
          " bytes, expected a positive multiple of ", kRecord, hint);
  const std::uint64_t count = file.size() / kRecord;
  constexpr std::uint64_t kPiece = 256;
  std::vector<std::uint8_t> piece(kPiece * kRecord);
  for (std::uint64_t first = 0; first < count; first += kPiece) {
    const std::uint64_t n = std::min(kPiece, count - first);
    file.read(first * kRecord, piece.data(), n * kRecord);
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::uint8_t* record = piece.data() + i * kRecord;
      require(*record < kClasses, kLoadCifar10, "'", path, "': label ", static_cast<int>(*record), " of image ",
              first + i, " is out of range, expected less than ", kClasses);
      records.labels.push_back(*record);
      records.images.insert(records.images.end(), record + 1, record + kRecord);
    }
  }
}

}  // namespace

ArrayDataset load_cifar10(const std::string& folder, Split split) {
  Records records;
  if (split == Split::test) {
    read_records(folder + "/test_batch.bin", records);
  } else {
    constexpr int kFiles = 5;
    for (int i = 1; i <= kFiles; ++i) {
      const std::string path = concat(folder, "/data_batch_", i, ".bin");
      if (std::filesystem::exists(path)) {
        read_records(path, records);
      }
    }
    if (records.labels.empty()) {
      fail<IoError>(kLoadCifar10, "there is no data_batch_1.bin to data_batch_5.bin in the folder '", folder, "'");
    }
  }
  return {std::move(records.images), std::move(records.labels), {3, 32, 32}, kClasses, kLoadCifar10};
}

}  // namespace evenkeel::data
