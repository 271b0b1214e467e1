// MNIST and CIFAR-10 files: what they hold, and each way in which they can be wrong.

#include "evenkeel/core/io/file.hpp"
#include "evenkeel/data/cifar10.hpp"
#include "evenkeel/data/mnist.hpp"
#include "tests/optim/failing_new.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <new>

using namespace evenkeel;
using evenkeel::test::TemporaryFolder;
using namespace evenkeel::data;
namespace fs = std::filesystem;

namespace {

using Bytes = std::vector<std::uint8_t>;

class Folder : public TemporaryFolder {
 public:
  void write(const std::string& name, const Bytes& bytes) const {
    std::ofstream(*this / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void write_gzip(const std::string& name, const Bytes& bytes) const {
    gzFile file = ::gzopen((*this / name).c_str(), "wb");
    ::gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    ::gzclose(file);
  }
  Bytes read(const std::string& name) const {
    std::ifstream file(*this / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  fs::path path_;
};

Bytes idx(const std::vector<std::uint32_t>& header, const Bytes& data) {
  Bytes bytes;
  for (const std::uint32_t word : header) {
    for (const int shift : {24, 16, 8, 0}) {
      bytes.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  }
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

const Bytes kPixels = {0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255};  // two images of 2 x 3
const Bytes kImages = idx({2051, 2, 2, 3}, kPixels);
const Bytes kLabels = idx({2049, 2}, {9, 4});

void check_two_images(const ArrayDataset& set) {
  CHECK(set.size() == 2);
  CHECK(set.num_classes() == 10);
  CHECK(set.image_shape() == Shape{1, 2, 3});
  Bytes image(6);
  CHECK(set.read(0, image) == 9);
  CHECK(image == Bytes(kPixels.begin(), kPixels.begin() + 6));
  CHECK(set.read(1, image) == 4);
  CHECK(image == Bytes(kPixels.begin() + 6, kPixels.end()));
}

std::string mnist_error(const Bytes& images, const Bytes& labels) {
  const Folder folder;
  folder.write("train-images-idx3-ubyte", images);
  folder.write("train-labels-idx1-ubyte", labels);
  try {
    load_mnist(folder.path(), Split::train);
  } catch (const FileError& error) {
    return error.what();
  }
  return "no error";
}

void check_contains(const std::string& text, const std::string& part) {
  CHECK_MESSAGE(text.find(part) != std::string::npos, text);
}

Bytes record(std::uint8_t label, std::uint8_t start) {
  Bytes bytes = {label};
  for (int i = 0; i < 3072; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(start + i));
  }
  return bytes;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("MNIST loads raw and gzipped, training and test files") {
  const Folder folder;
  folder.write("train-images-idx3-ubyte", kImages);
  folder.write_gzip("train-labels-idx1-ubyte.gz", kLabels);
  folder.write_gzip("t10k-images-idx3-ubyte.gz", kImages);
  folder.write("t10k-labels-idx1-ubyte", kLabels);
  check_two_images(load_mnist(folder.path(), Split::train));
  check_two_images(load_mnist(folder.path(), Split::test));
}

TEST_CASE("wrong MNIST files are refused and say what is wrong") {
  check_contains(mnist_error(kLabels, kLabels), "has the magic number 2049 (a file of labels), expected 2051 (images)");
  check_contains(mnist_error(kImages, kImages), "has the magic number 2051 (a file of images), expected 2049 (labels)");
  check_contains(mnist_error(idx({0x03080000}, {}), kLabels), "magic number 50855936 (bytes in the wrong order?)");
  check_contains(mnist_error(idx({2051, 33554432, 469762048, 469762048}, {}), kLabels),
                 "declares 33554432 x 469762048 x ... bytes, more than the limit");
  check_contains(mnist_error(idx({2051, 4000000000, 28, 28}, {}), kLabels), "more than the limit of 4294967296");
  check_contains(mnist_error(idx({2051, 5000000, 28, 28}, kPixels), kLabels),
                 "declares 5000000 x 28 x 28 = 3920000000 bytes of data, but has 12");
  check_contains(mnist_error(Bytes(kImages.begin(), kImages.end() - 1), kLabels),
                 "declares 2 x 2 x 3 = 12 bytes of data, but has 11");
  check_contains(mnist_error(kImages + Bytes{0}, kLabels), "declares 2 x 2 x 3 = 12 bytes of data, but has more");
  check_contains(mnist_error(Bytes(kImages.begin(), kImages.begin() + 15), kLabels),
                 "has 15 bytes, too few for a header of 16");
  check_contains(mnist_error({}, kLabels), "has 0 bytes, too few for a header of 16");
  check_contains(mnist_error(idx({2051, 2, 0, 3}, {}), kLabels), "has images of 0 x 3 pixels");
  check_contains(mnist_error(kImages, idx({2049, 3}, {9, 4, 0})), "has 2 images, but");
  check_contains(mnist_error(kImages, idx({2049, 2}, {9, 10})),
                 "label 10 of image 1 is out of range, expected less than 10");
}

TEST_CASE("MNIST files cut at any byte are refused, raw and gzipped") {
  const Folder folder;
  folder.write_gzip("whole.gz", kImages);
  const Bytes packed = folder.read("whole.gz");
  folder.write("train-labels-idx1-ubyte", kLabels);
  for (std::size_t length = 0; length < packed.size(); ++length) {
    CAPTURE(length);
    folder.write("train-images-idx3-ubyte.gz",
                 Bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(length)));
    CHECK_THROWS_AS(load_mnist(folder.path(), Split::train), FileError);
  }
  folder.write_gzip("train-images-idx3-ubyte.gz", packed);
  CHECK_THROWS_WITH(load_mnist(folder.path(), Split::train), doctest::Contains("(gzipped twice? unpack it once)"));
  for (std::size_t length = 0; length < kImages.size(); ++length) {
    folder.write("train-images-idx3-ubyte",
                 Bytes(kImages.begin(), kImages.begin() + static_cast<std::ptrdiff_t>(length)));
    CHECK_THROWS_AS(load_mnist(folder.path(), Split::train), FileError);
  }
}

TEST_CASE("gzip files of several members load, bytes behind them are refused") {
  const Folder folder;
  folder.write("train-labels-idx1-ubyte", kLabels);
  const auto packed = [&](const Bytes& bytes) {
    folder.write_gzip("part", bytes);
    return folder.read("part");
  };
  const auto load = [&](const Bytes& bytes) {
    folder.write("train-images-idx3-ubyte.gz", bytes);
    return load_mnist(folder.path(), Split::train);
  };
  const auto middle = kImages.begin() + 19;  // inside the pixels
  const Bytes first = packed(Bytes(kImages.begin(), middle)), second = packed(Bytes(middle, kImages.end()));
  check_two_images(load(first + second));
  check_two_images(load(packed({}) + first + packed({}) + second + packed({})));
  const Bytes whole = packed(kImages);
  const auto refused = [&](const Bytes& bytes, const std::string& text) {
    CAPTURE(text);
    CHECK_THROWS_WITH(load(bytes), doctest::Contains(text.c_str()));
  };
  refused(whole + Bytes{7}, "train-images-idx3-ubyte.gz' has 1 bytes behind its gzip data");
  refused(whole + Bytes{0, 0, 0}, "has 3 bytes behind its gzip data");
  refused(whole + Bytes{0x1f}, "has 1 bytes behind its gzip data");
  refused(whole + Bytes{0x1f, 0x8b}, "is not a valid gzip file: its end is missing");
  refused(whole + packed({1}), "declares 2 x 2 x 3 = 12 bytes of data, but has more");
  Bytes damaged = whole;
  damaged[damaged.size() - 8] ^= 1;  // the checksum
  refused(damaged, "is not a valid gzip file: incorrect data check");
}

TEST_CASE("what a file unpacks to is bounded by what its header declares") {
  const Folder folder;
  folder.write("train-labels-idx1-ubyte", kLabels);
  const auto error = [&](const std::vector<std::uint32_t>& header, std::size_t pixels) {
    folder.write_gzip("train-images-idx3-ubyte.gz", idx(header, Bytes(pixels)));
    try {
      load_mnist(folder.path(), Split::train);
    } catch (const FileError& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  constexpr std::size_t kMany = 16 << 20;
  check_contains(error({2051, 2, 2, 3}, kMany), "declares 2 x 2 x 3 = 12 bytes of data, but has more");
  check_contains(error({2051, 5000000, 28, 28}, kMany),
                 "declares 5000000 x 28 x 28 = 3920000000 bytes of data, but has");
  check_contains(error({2051, 5000000, 28, 28}, 12), "3920000000 bytes of data, but has at most ");
}

TEST_CASE("a set that memory can't hold is named") {
  const Folder folder;
  folder.write_gzip("train-images-idx3-ubyte.gz", idx({2051, 3000, 28, 28}, Bytes(3000UL * 28 * 28)));
  folder.write("train-labels-idx1-ubyte", idx({2049, 3000}, Bytes(3000)));
  folder.write("test_batch.bin", record(5, 0) + record(6, 0));
  const auto check = [&](const std::function<void()>& load, const std::string& named) {
    bool found = false;
    for (int k = 0;; ++k) {
      REQUIRE(k < 1000);
      test::allocations_until_failure = k;
      bool failed = true;
      try {
        load();
        failed = false;
      } catch (const std::bad_alloc&) {  // of something small
      } catch (const FileError& e) {
        found = found || std::string(e.what()).ends_with(named);
      }
      test::allocations_until_failure = -1;
      if (!failed) {
        break;
      }
    }
    CHECK(found);
  };
  check([&] { load_mnist(folder.path(), Split::train); },
        "train-images-idx3-ubyte.gz' has 3000 x 28 x 28 = 2352000 bytes of data, more than memory can hold");
  check([&] { load_cifar10(folder.path(), Split::test); }, "test_batch.bin' has 6146 bytes, more than memory can hold");
}

TEST_CASE("a named pipe in the place of a file is refused at once") {
  const Folder folder;
  for (const char* name : {"train-images-idx3-ubyte", "test_batch.bin", "data_batch_1.bin"}) {
    REQUIRE(mkfifo((folder.path() / name).c_str(), 0600) == 0);
  }
  folder.write("train-labels-idx1-ubyte", kLabels);
  alarm(60);  // ends the program where it would wait for ever
  CHECK_THROWS_WITH_AS(load_mnist(folder.path(), Split::train), doctest::Contains("but a named pipe"), IoError);
  CHECK_THROWS_WITH_AS(load_cifar10(folder.path(), Split::test), doctest::Contains("but a named pipe"), IoError);
  CHECK_THROWS_WITH_AS(load_cifar10(folder.path(), Split::train), doctest::Contains("but a named pipe"), IoError);
  alarm(0);
}

TEST_CASE("a missing folder or file is named") {
  const Folder folder;
  CHECK_THROWS_WITH_AS(load_mnist(folder.path(), Split::test),
                       doctest::Contains("neither 't10k-images-idx3-ubyte' nor 't10k-images-idx3-ubyte.gz' is in"),
                       IoError);
  CHECK_THROWS_WITH_AS(load_cifar10(folder.path(), Split::train), doctest::Contains("there is no data_batch_1.bin"),
                       IoError);
  CHECK_THROWS_WITH_AS(load_cifar10(folder.path(), Split::test), doctest::Contains("cannot open"), IoError);
}

TEST_CASE("CIFAR-10 joins the training files that are there, in order") {
  const Folder folder;
  folder.write("data_batch_4.bin", record(7, 100));
  folder.write("data_batch_2.bin", record(1, 3) + record(9, 50));
  folder.write("test_batch.bin", record(5, 0));
  const ArrayDataset train = load_cifar10(folder.path(), Split::train);
  CHECK(train.size() == 3);
  CHECK(train.image_shape() == Shape{3, 32, 32});
  Bytes image(3072);
  CHECK(train.read(1, image) == 9);
  CHECK(image[0] == 50);
  CHECK(train.read(2, image) == 7);
  CHECK(image[3071] == static_cast<std::uint8_t>(100 + 3071));
  CHECK(load_cifar10(folder.path(), Split::test).read(0, image) == 5);
}

TEST_CASE("wrong CIFAR-10 files are refused") {
  const Folder folder;
  const auto error = [&](const Bytes& bytes) {
    folder.write("test_batch.bin", bytes);
    try {
      load_cifar10(folder.path(), Split::test);
    } catch (const FileError& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  Bytes cut = record(1, 0) + record(2, 0);
  cut.pop_back();
  check_contains(error(cut), "has 6145 bytes, expected a positive multiple of 3073 (is it cut?)");
  check_contains(error({}), "has 0 bytes, expected a positive multiple of 3073");
  check_contains(error(Bytes(3074)), "(the size fits CIFAR-100's records)");
  CHECK_FALSE(error({}).ends_with("records)"));
  check_contains(error(record(1, 0) + record(10, 0)), "label 10 of image 1 is out of range, expected less than 10");
}

TEST_CASE("CIFAR-100 records whose size fits CIFAR-10's are told apart") {
  const Folder folder;
  constexpr std::size_t kCount = 3073;
  const auto load = [&](const Bytes& bytes) {
    folder.write("test_batch.bin", bytes);
    return load_cifar10(folder.path(), Split::test);
  };
  Bytes dark(kCount * 3074), bright(kCount * 3074, 200);
  for (std::size_t i = 0; i < kCount; ++i) {
    for (Bytes* bytes : {&dark, &bright}) {
      (*bytes)[i * 3074] = static_cast<std::uint8_t>(i % 20);
      (*bytes)[i * 3074 + 1] = static_cast<std::uint8_t>(i % 100);
    }
  }
  // Read as CIFAR-10's, the dark images have labels from 0 to 9 but for a few.
  CHECK_THROWS_WITH(load(dark), doctest::Contains("has the size and the labels of CIFAR-100's records"));
  CHECK_THROWS_WITH(load(bright), doctest::Contains("has the size and the labels of CIFAR-100's records"));
  CHECK_THROWS_WITH(load(Bytes(kCount * 3074)),
                    doctest::Contains("has the size and the labels of CIFAR-100's records"));
  Bytes cifar10;
  for (int i = 0; i < 3074; ++i) {
    cifar10 = std::move(cifar10) + record(static_cast<std::uint8_t>(i % 10), 30);
  }
  CHECK(load(cifar10).size() == 3074);
}

TEST_CASE("reading outside a set or into a wrong buffer is refused") {
  const ArrayDataset set(kPixels, {0, 1}, {1, 2, 3}, 2);
  Bytes image(6);
  CHECK_THROWS_WITH(set.read(2, image), "ArrayDataset: index 2 is out of range for 2 images");
  CHECK_THROWS_WITH(set.read(-1, image), "ArrayDataset: index -1 is out of range for 2 images");
  image.pop_back();
  CHECK_THROWS_WITH(set.read(0, image), "ArrayDataset: the image buffer has 5 bytes, expected 6 (shape [1, 2, 3])");
  CHECK_THROWS_WITH(ArrayDataset(kPixels, {0}, {1, 2, 3}, 2), doctest::Contains("do not fit 1 labels"));
  const Subset first(set, 1);
  CHECK(first.size() == 1);
  CHECK(Subset(set, 9).size() == 2);
  CHECK_THROWS_WITH(first.read(1, image), "Subset: index 1 is out of range for 1 images");
}
