#include "evenkeel/data/cifar10.hpp"

#include "evenkeel/core/io/file.hpp"

#include <algorithm>
#include <array>
#include <new>

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

/// Whether the file can be read as CIFAR-100's: a byte for the coarse label, one for the fine label, then the pixels.
/// A CIFAR-10 file of such a size would have to show pixels below 20 in all these places.
bool fits_cifar100(const InputFile& file) {
  bool fits = file.size() % kCifar100Record == 0;
  for (std::uint64_t at = 0; fits && at < file.size(); at += kCifar100Record) {
    std::array<std::uint8_t, 2> labels{};
    file.read(at, labels.data(), labels.size());
    fits = labels[0] < 20 && labels[1] < 100;
  }
  return fits;
}

/// Appends the records of one file: a byte for the label, then the pixels.
void read_records(const InputFile& file, Records& records) {
  const std::string path = file.path().string();
  require<FileError>(file.size() > 0 && file.size() % kRecord == 0, kLoadCifar10, "'", path, "' has ", file.size(),
                     " bytes, expected a positive multiple of ", kRecord,
                     file.size() == 0                     ? ""
                     : file.size() % kCifar100Record == 0 ? " (the size fits CIFAR-100's records)"
                                                          : " (is it cut?)");
  require<FileError>(!fits_cifar100(file), kLoadCifar10, "'", path,
                     "' has the size and the labels of CIFAR-100's records, expected CIFAR-10's");
  const std::uint64_t count = file.size() / kRecord;
  records.labels.reserve(records.labels.size() + count);
  records.images.reserve(records.images.size() + count * kPixels);
  constexpr std::uint64_t kPiece = 256;
  std::vector<std::uint8_t> piece(kPiece * kRecord);
  for (std::uint64_t first = 0; first < count; first += kPiece) {
    const std::uint64_t n = std::min(kPiece, count - first);
    file.read(first * kRecord, piece.data(), n * kRecord);
    for (std::uint64_t i = 0; i < n; ++i) {
      const std::uint8_t* record = piece.data() + i * kRecord;
      require<FileError>(*record < kClasses, kLoadCifar10, "'", path, "': label ", static_cast<int>(*record),
                         " of image ", first + i, " is out of range, expected less than ", kClasses);
      records.labels.push_back(*record);
      records.images.insert(records.images.end(), record + 1, record + kRecord);
    }
  }
}

void read_file(const std::string& path, Records& records) {
  const InputFile file(path, kLoadCifar10);
  try {
    read_records(file, records);
  } catch (const std::bad_alloc&) {
    fail<FileError>(kLoadCifar10, "'", path, "' has ", file.size(), " bytes, more than memory can hold");
  }
}

}  // namespace

ArrayDataset load_cifar10(const std::string& folder, Split split) {
  Records records;
  if (split == Split::test) {
    read_file(folder + "/test_batch.bin", records);
  } else {
    constexpr int kFiles = 5;
    for (int i = 1; i <= kFiles; ++i) {
      const std::string path = concat(folder, "/data_batch_", i, ".bin");
      std::error_code error;
      if (std::filesystem::exists(path, error) || error) {  // whatever else is wrong with it, opening it says
        read_file(path, records);
      }
    }
    if (records.labels.empty()) {
      fail<IoError>(kLoadCifar10, "there is no data_batch_1.bin to data_batch_5.bin in the folder '", folder, "'");
    }
  }
  return {std::move(records.images), std::move(records.labels), {3, 32, 32}, kClasses, kLoadCifar10};
}

}  // namespace evenkeel::data
