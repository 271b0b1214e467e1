#include "evenkeel/data/data_loader.hpp"

#include "evenkeel/core/sanitizer.hpp"
#include "evenkeel/data/array_dataset.hpp"
#include "evenkeel/data/fake_data.hpp"
#include "tests/support/child.hpp"

#include <doctest/doctest.h>
#include <system_error>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <thread>

using namespace evenkeel;
using namespace evenkeel::data;

namespace {

/// n images of (channels, 2, 3) with the pixel 10 i + position, label i.
ArrayDataset numbered(std::int64_t n, std::int64_t channels = 1) {
  std::vector<std::uint8_t> images, labels;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < channels * 6; ++j) {
      images.push_back(static_cast<std::uint8_t>(10 * i + j));
    }
    labels.push_back(static_cast<std::uint8_t>(i));
  }
  return {std::move(images), std::move(labels), {channels, 2, 3}, 100};
}

std::vector<std::vector<std::int64_t>> label_batches(DataLoader& loader, std::int64_t epoch) {
  std::vector<std::vector<std::int64_t>> batches;
  loader.start_epoch(epoch);
  while (const std::optional<Batch> batch = loader.next()) {
    batches.push_back(batch->labels.to_vector<std::int64_t>());
    CHECK(batch->images.size(0) == batch->labels.size(0));
  }
  CHECK(!loader.next().has_value());
  return batches;
}

std::vector<std::int64_t> joined(const std::vector<std::vector<std::int64_t>>& batches) {
  std::vector<std::int64_t> all;
  for (const auto& batch : batches) {
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

/// A set whose images take time, or that fails at one index.
class Slow : public Dataset {
 public:
  Slow(const Dataset& base, std::int64_t failing) : base_(base), failing_(failing) {}
  std::int64_t size() const override { return base_.size(); }
  std::int64_t num_classes() const override { return base_.num_classes(); }
  Shape image_shape() const override { return base_.image_shape(); }
  std::int64_t read(std::int64_t index, std::span<std::uint8_t> image) const override {
    if (index == failing_) {
      throw std::runtime_error("image 5 is broken");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100 * (index % 3)));
    return base_.read(index, image);
  }

 private:
  const Dataset& base_;
  std::int64_t failing_;
};

}  // namespace

TEST_CASE("the last batch is kept, dropped or merged") {
  const ArrayDataset set = numbered(7);
  using Batches = std::vector<std::vector<std::int64_t>>;
  DataLoader keep(set, {.batch_size = 3});
  CHECK(label_batches(keep, 0) == Batches{{0, 1, 2}, {3, 4, 5}, {6}});
  CHECK(keep.size() == 3);
  CHECK(keep.num_samples() == 7);
  DataLoader drop(set, {.batch_size = 3, .last_batch = LastBatch::drop});
  CHECK(label_batches(drop, 0) == Batches{{0, 1, 2}, {3, 4, 5}});
  CHECK(drop.num_samples() == 6);
  DataLoader merge(set, {.batch_size = 3, .last_batch = LastBatch::merge});
  CHECK(label_batches(merge, 0) == Batches{{0, 1, 2}, {3, 4, 5, 6}});
  CHECK(merge.num_samples() == 7);
}

TEST_CASE("a set smaller than a batch, and an empty one") {
  const ArrayDataset two = numbered(2), none = numbered(0);
  for (const LastBatch last : {LastBatch::keep, LastBatch::merge}) {
    DataLoader loader(two, {.batch_size = 5, .last_batch = last});
    CHECK(label_batches(loader, 0) == std::vector<std::vector<std::int64_t>>{{0, 1}});
    DataLoader empty(none, {.batch_size = 5, .shuffle = true, .last_batch = last});
    CHECK(label_batches(empty, 0).empty());
  }
  DataLoader drop(two, {.batch_size = 5, .last_batch = LastBatch::drop});
  CHECK(label_batches(drop, 0).empty());
}

TEST_CASE("shuffling takes each image once, differs by epoch and seed, and can resume") {
  const ArrayDataset set = numbered(25);
  DataLoader loader(set, {.batch_size = 4, .shuffle = true, .seed = 3});
  const auto first = joined(label_batches(loader, 0)), second = joined(label_batches(loader, 1));
  CHECK(std::set(first.begin(), first.end()).size() == 25);
  CHECK(first != second);
  CHECK(!std::is_sorted(first.begin(), first.end()));
  DataLoader again(set, {.batch_size = 4, .shuffle = true, .seed = 3});
  CHECK(joined(label_batches(again, 1)) == second);
  DataLoader other(set, {.batch_size = 4, .shuffle = true, .seed = 4});
  CHECK(joined(label_batches(other, 0)) != first);
}

TEST_CASE("pixels become (pixel / 255 - mean) / std per channel") {
  const ArrayDataset set = numbered(2, 2);
  DataLoader loader(set, {.batch_size = 2, .mean = {0.25, 0.5}, .std = {0.5, 2}});
  loader.start_epoch(0);
  const Batch batch = *loader.next();
  CHECK(batch.images.shape() == Shape{2, 2, 2, 3});
  CHECK(batch.images.dtype() == DType::float32);
  const auto values = batch.images.to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t image = i / 12, position = i % 12;
    const double pixel = static_cast<double>(10 * image + position) / 255;
    const double expected = position < 6 ? (pixel - 0.25) / 0.5 : (pixel - 0.5) / 2;
    CHECK(values[i] == doctest::Approx(expected).epsilon(1e-6));
  }
}

TEST_CASE("augmentation crops from a zero border and flips, by seed, epoch and image alone") {
  const ArrayDataset set = numbered(20);
  const DataLoaderOptions options{
      .batch_size = 20, .seed = 5, .augmentation = {.crop_padding = 1, .horizontal_flip = true}};
  DataLoader loader(set, options);
  const auto images = [&](DataLoader& from, std::int64_t epoch) {
    from.start_epoch(epoch);
    std::vector<float> all;
    while (const auto batch = from.next()) {
      const auto values = batch->images.to_vector<float>();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  };
  const std::vector<float> first = images(loader, 0);
  CHECK(images(loader, 0) == first);
  CHECK(images(loader, 1) != first);
  DataLoaderOptions small = options;
  small.batch_size = 3;
  DataLoader smaller(set, small);
  CHECK(images(smaller, 0) == first);
  // Every result is one of the 18 windows of its image.
  std::set<int> kinds;
  for (std::int64_t i = 0; i < 20; ++i) {
    int found = -1;
    for (int kind = 0; kind < 18; ++kind) {
      bool same = true;
      for (int at = 0; at < 6; ++at) {
        const int x = kind % 2 == 0 ? at % 3 : 2 - at % 3;
        const int sy = at / 3 + kind / 2 / 3 - 1, sx = x + kind / 2 % 3 - 1;
        const bool inside = sy >= 0 && sy < 2 && sx >= 0 && sx < 3;
        const double pixel = inside ? static_cast<double>(10 * i + 3 * sy + sx) / 255 : 0;
        same = same && std::abs(first[static_cast<std::size_t>(6 * i + at)] - pixel) < 1e-6;
      }
      found = same ? kind : found;
    }
    CHECK(found >= 0);
    kinds.insert(found);
  }
  CHECK(kinds.size() > 6);
}

TEST_CASE("an epoch is a range of its batches; leaving it early ends nothing but the loop") {
  const ArrayDataset dataset = numbered(7);
  DataLoader loader(dataset, {.batch_size = 3, .shuffle = true, .seed = 4});
  std::vector<std::vector<std::int64_t>> batches;
  for (const auto& batch : loader.epoch(2)) {
    batches.push_back(batch.labels.to_vector<std::int64_t>());
  }
  CHECK(batches.size() == 3);
  CHECK(batches == label_batches(loader, 2));
  CHECK(batches != label_batches(loader, 1));
  for (const auto& batch : loader.epoch(2)) {
    CHECK(batch.labels.to_vector<std::int64_t>() == batches[0]);
    break;
  }
  CHECK(loader.next()->labels.to_vector<std::int64_t>() == batches[1]);
  const ArrayDataset none = numbered(0);
  DataLoader empty(none, {.batch_size = 3});
  for (const auto& batch : empty.epoch(0)) {
    FAIL(batch.images.shape());
  }
  CHECK_THROWS_WITH(loader.epoch(-1), "DataLoader::start_epoch: epoch must be at least 0, got -1");
}

TEST_CASE("order and bits do not depend on prefetching and timing") {
  const FakeData fake(37, {3, 4, 5}, 7, 11);
  const Slow slow(fake, -1);
  std::vector<std::vector<float>> results;
  for (const std::int64_t prefetch : {0, 1, 4, 100}) {
    DataLoader loader(slow, {.batch_size = 4, .shuffle = true, .seed = 1, .prefetch = prefetch});
    std::vector<float> all;
    loader.start_epoch(2);
    while (const auto batch = loader.next()) {
      const auto values = batch->images.to_vector<float>();
      all.insert(all.end(), values.begin(), values.end());
      if (prefetch == 4) {
        std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
    }
    results.push_back(all);
  }
  CHECK(results[0].size() == 37 * 60);
  CHECK(results[1] == results[0]);
  CHECK(results[2] == results[0]);
  CHECK(results[3] == results[0]);
}

TEST_CASE("an exception of the background thread reaches the caller, after the batches before it") {
  const ArrayDataset set = numbered(9);
  const Slow broken(set, 5);
  for (const std::int64_t prefetch : {0, 3}) {
    DataLoader loader(broken, {.batch_size = 2, .prefetch = prefetch});
    loader.start_epoch(0);
    CHECK(loader.next()->labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1});
    CHECK(loader.next()->labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{2, 3});
    CHECK_THROWS_WITH(loader.next(), "image 5 is broken");
    CHECK_THROWS_WITH(loader.next(), "image 5 is broken");
    loader.start_epoch(1);
    CHECK(loader.next()->labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1});
  }
}

TEST_CASE("an epoch can be left early, and a loader destroyed in its middle") {
  const ArrayDataset set = numbered(25);
  for (int i = 0; i < 20; ++i) {
    DataLoader loader(set, {.batch_size = 2});
    loader.start_epoch(0);
    loader.next();
    loader.start_epoch(1);
    CHECK(loader.next()->labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1});
  }
}

TEST_CASE("a forked child goes on in the middle of an epoch, and begins another") {
  const ArrayDataset set = numbered(23);
  DataLoader loader(set, {.batch_size = 2, .shuffle = true, .seed = 4});
  const std::vector<std::vector<std::int64_t>> expected = label_batches(loader, 0), later = label_batches(loader, 1);
  for (std::size_t read = 0; read < expected.size(); ++read) {
    loader.start_epoch(0);
    for (std::size_t i = 0; i < read; ++i) {
      loader.next();
    }
    CHECK(evenkeel::testing::child_succeeds([&] {
      for (std::size_t i = read; i < expected.size(); ++i) {
        if (loader.next()->labels.to_vector<std::int64_t>() != expected[i]) {
          return false;
        }
      }
      return !loader.next() && label_batches(loader, 1) == later;
    }));
    CHECK(evenkeel::testing::child_succeeds([&] { return label_batches(loader, 1) == later; }));
    CHECK(loader.next()->labels.to_vector<std::int64_t>() == expected[read]);
  }
}

TEST_CASE("a system without threads is told so" * doctest::skip(detail::kAddressSanitizer)) {
  CHECK(evenkeel::testing::child_succeeds([] {
    const ArrayDataset set = numbered(4);
    std::vector<std::unique_ptr<DataLoader>> loaders;
    if (!evenkeel::testing::allow_threads(2)) {
      return false;
    }
    try {
      for (int i = 0; i < 64; ++i) {  // a child may have its parent's stacks left
        loaders.push_back(std::make_unique<DataLoader>(set, DataLoaderOptions{.batch_size = 2}));
        loaders.back()->start_epoch(0);
      }
    } catch (const std::system_error& error) {
      DataLoader alone(set, {.batch_size = 2, .prefetch = 0});
      return std::string(error.what())
                 .starts_with("DataLoader: can't start the thread that prepares batches (prefetch = 0 needs none): ") &&
             label_batches(alone, 0).size() == 2;
    }
    return false;
  }));
}

TEST_CASE("padding of any size gives images: far more than the image leaves nothing of it") {
  const ArrayDataset set = numbered(3);
  const DataLoaderOptions options{.augmentation = {.crop_padding = std::int64_t{1} << 31}};
  DataLoader loader(set, options);
  loader.start_epoch(0);
  const std::vector<float> image = loader.next()->images.to_vector<float>();
  CHECK(image == std::vector<float>(6, 0.0F));
  for (const std::int64_t padding :
       {(std::int64_t{1} << 31) + 1, std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::max()}) {
    CHECK_THROWS_WITH(DataLoader(set, {.augmentation = {.crop_padding = padding}}),
                      doctest::Contains("DataLoader: crop_padding must be at most 2^31, got "));
  }
}

TEST_CASE("bad options are refused") {
  const ArrayDataset set = numbered(3, 2);
  const auto make = [&](DataLoaderOptions options) { DataLoader loader(set, std::move(options)); };
  CHECK_THROWS_WITH(make({.batch_size = 0}), "DataLoader: batch_size must be at least 1, got 0");
  CHECK_THROWS_WITH(make({.mean = {0}}), "DataLoader: mean must have 2 values, got 1");
  CHECK_THROWS_WITH(make({.std = {1, 1, 1}}), "DataLoader: std must have 2 values, got 3");
  CHECK_THROWS_WITH(make({.std = {1, 0}}), "DataLoader: std must be positive, got 0");
  CHECK_THROWS_WITH(make({.augmentation = {.crop_padding = -1}}),
                    "DataLoader: crop_padding must be at least 0, got -1");
  CHECK_THROWS_WITH(make({.prefetch = -1}), "DataLoader: prefetch must be at least 0, got -1");
  DataLoader loader(set, {});
  CHECK_THROWS_WITH(loader.next(), "DataLoader::next: no epoch has begun, call start_epoch() first");
  CHECK_THROWS_WITH(loader.start_epoch(-1), "DataLoader::start_epoch: epoch must be at least 0, got -1");
}

TEST_CASE("a data set without a name is owned by what keeps it") {
  DataLoader loader(Subset(numbered(7), 5), {.batch_size = 2});
  const ArrayDataset other = numbered(9);  // would lie where a freed one was
  CHECK(label_batches(loader, 0) == std::vector<std::vector<std::int64_t>>{{0, 1}, {2, 3}, {4}});
  const ArrayDataset named = numbered(3);
  CHECK(&DataLoader(named, {}).dataset() == &named);
  const std::shared_ptr<const Dataset> shared = std::make_shared<ArrayDataset>(numbered(3));
  DataLoader sharing(shared, {});
  CHECK(shared.use_count() == 2);
  CHECK(&sharing.dataset() == shared.get());
  CHECK_THROWS_WITH(DataLoader(std::shared_ptr<const Dataset>(), {}), "KeptDataset: the data set is null");
  static_assert(!std::is_constructible_v<DataLoader, const Dataset&&, DataLoaderOptions>);
  static_assert(!std::is_constructible_v<Subset, Dataset&&, std::int64_t>);
}

namespace {

/// Three images, the last with a label of its own.
class Labelled : public Dataset {
 public:
  explicit Labelled(std::int64_t last) : last_(last) {}
  std::int64_t size() const override { return 3; }
  std::int64_t num_classes() const override { return 10; }
  Shape image_shape() const override { return {1, 1, 1}; }
  std::int64_t read(std::int64_t index, std::span<std::uint8_t> image) const override {
    image[0] = 0;
    return index == 2 ? last_ : index;
  }

 private:
  std::int64_t last_;
};

}  // namespace

TEST_CASE("a copy of a set refuses labels out of range, rather than to cut them down to a byte") {
  for (const std::int64_t label : {300, 256, 10, -1}) {
    CHECK_THROWS_WITH(
        ArrayDataset{Labelled(label)},
        concat("ArrayDataset: label ", label, " of image 2 is out of range, expected at least 0 and less than 10")
            .c_str());
  }
  std::vector<std::uint8_t> image(1);
  CHECK(ArrayDataset{Labelled(9)}.read(2, image) == 9);
}
