// A loader that goes on where another stopped: at every batch, with every way to end an epoch, by any threads.

#include "evenkeel/data/data_loader.hpp"
#include "evenkeel/data/fake_data.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

using namespace evenkeel;
using namespace evenkeel::data;
using doctest::Contains;

namespace {

/// Labels and pixels of a batch.
std::vector<float> content(const Batch& batch) {
  std::vector<float> values = batch.images.to_vector<float>();
  for (const std::int64_t label : batch.labels.to_vector<std::int64_t>()) {
    values.push_back(static_cast<float>(label));
  }
  return values;
}

/// The batches of the epochs from where the loader is up to, not with, epoch `end`.
std::vector<std::vector<float>> rest(DataLoader& loader, std::int64_t end) {
  std::vector<std::vector<float>> batches;
  for (std::int64_t e = loader.position().epoch; e < end; ++e) {
    for (const Batch& batch : loader.epoch(e)) {
      batches.push_back(content(batch));
    }
  }
  return batches;
}

DataLoaderOptions options(LastBatch last_batch, std::int64_t prefetch, bool shuffle, std::uint64_t seed) {
  return {.batch_size = 4,
          .shuffle = shuffle,
          .seed = seed,
          .last_batch = last_batch,
          .augmentation = {.crop_padding = 1, .horizontal_flip = true},
          .prefetch = prefetch};
}

}  // namespace

TEST_CASE("a loader resumed at any batch gives the batches that would have come") {
  const FakeData set(11, {1, 3, 4});
  for (const LastBatch last : {LastBatch::keep, LastBatch::drop, LastBatch::merge}) {
    for (const bool shuffle : {false, true}) {
      DataLoader whole(set, options(last, 2, shuffle, 5));
      const auto expected = rest(whole, 3);
      CHECK(whole.position() == LoaderPosition{3, 0});
      for (std::size_t stop = 0; stop <= expected.size(); ++stop) {
        CAPTURE(stop);
        const auto prefetch = static_cast<std::int64_t>(stop % 4);
        DataLoader first(set, options(last, prefetch, shuffle, 5));
        std::vector<std::vector<float>> batches;
        while (batches.size() < stop) {
          if (first.position().batch == 0) {
            first.start_epoch(first.position().epoch);
          }
          batches.push_back(content(*first.next()));
        }
        DataLoader second(set, options(last, 3 - prefetch, shuffle, 6));
        second.start_epoch(7);  // what it did before does not count
        second.next();
        second.load_state_dict(first.state_dict());
        CHECK(second.position() == first.position());
        CHECK(second.options().seed == 5);
        for (auto& batch : rest(second, 3)) {
          batches.push_back(std::move(batch));
        }
        CHECK(batches == expected);
      }
    }
  }
}

TEST_CASE("after loading a position inside an epoch, next() goes on; the epoch begun again is a whole one") {
  const FakeData set(11, {1, 3, 4});
  DataLoader first(set, options(LastBatch::keep, 1, true, 5));
  first.start_epoch(1);
  const auto batch0 = content(*first.next()), batch1 = content(*first.next());
  DataLoader second(set, options(LastBatch::keep, 2, true, 6));
  second.load_state_dict(first.state_dict());
  CHECK(content(*second.next()) == content(*first.next()));
  CHECK(!second.next().has_value());
  CHECK(second.position() == LoaderPosition{2, 0});
  second.load_state_dict(first.state_dict());
  CHECK_THROWS_WITH(second.next(), "DataLoader::next: no epoch has begun, call start_epoch() first");
  second.start_epoch(1);
  CHECK(content(*second.next()) == batch0);
  CHECK(content(*second.next()) == batch1);
}

TEST_CASE("a position between epochs fits a loader of other data, one inside an epoch does not") {
  DataLoader first(FakeData(11), {.batch_size = 4, .seed = 3});
  DataLoader second(FakeData(12), {.batch_size = 5});
  first.start_epoch(0);
  first.next();
  const LoaderPosition before = second.position();
  CHECK_THROWS_WITH_AS(second.load_state_dict(first.state_dict()),
                       Contains("dataset_size must be 12, got 11; the state was saved inside an epoch"),
                       std::invalid_argument);
  CHECK(second.position() == before);
  while (first.next()) {
  }
  second.load_state_dict(first.state_dict());
  CHECK(second.position() == LoaderPosition{1, 0});
  CHECK(second.options().seed == 3);
  CHECK(second.options().batch_size == 5);
}

TEST_CASE("a refused state leaves the loader in the middle of its epoch") {
  DataLoader loader(FakeData(11), {.batch_size = 4});
  loader.start_epoch(2);
  loader.next();
  NamedArrays state = loader.state_dict();
  state[0].second = Array::scalar(std::int64_t{-1});
  CHECK_THROWS_WITH_AS(loader.load_state_dict(state),
                       Contains("the position must be a batch of an epoch, got batch 1 of epoch -1"),
                       std::invalid_argument);
  state = loader.state_dict();
  state.push_back(state[0]);
  CHECK_THROWS_WITH_AS(loader.load_state_dict(state), Contains("duplicate key 'epoch'"), std::invalid_argument);
  CHECK(loader.position() == LoaderPosition{2, 1});
  CHECK(loader.next().has_value());
  CHECK_THROWS_WITH(loader.start_epoch(std::numeric_limits<std::int64_t>::max()),
                    Contains("epoch must be at most 2^62"));
  CHECK(loader.position() == LoaderPosition{2, 2});
}
