#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/io/safetensors.hpp"
#include "evenkeel/core/load_plan.hpp"
#include "evenkeel/data/dataset.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

namespace evenkeel::data {

/// What happens to an incomplete last batch: delivered as it is, left out, or joined to the one before (so that no
/// batch of one reaches a BatchNorm).
enum class LastBatch { keep, drop, merge };

/// Random changes of an image during training; a function of (seed, epoch, index of the image) alone.
struct Augmentation {
  /// Pad by so many zero pixels (at most 2^31), then cut a random window of the old size.
  std::int64_t crop_padding = 0;
  bool horizontal_flip = false;  ///< with probability 1/2
};

struct DataLoaderOptions {
  std::int64_t batch_size = 1;
  bool shuffle = false;
  std::uint64_t seed = 0;
  LastBatch last_batch = LastBatch::keep;
  std::vector<double> mean = {}, std = {};  ///< per channel, of pixels scaled to [0, 1]; empty: 0 and 1
  Augmentation augmentation = {};
  std::int64_t prefetch = 2;  ///< batches prepared ahead in a background thread; 0: none
};

struct Batch {
  Tensor images;  ///< float32 (N, C, H, W): (pixel / 255 - mean) / std
  Tensor labels;  ///< int64 (N)
};

/// A place in a run: a batch of an epoch, both from 0.
struct LoaderPosition {
  std::int64_t epoch = 0, batch = 0;
  friend bool operator==(const LoaderPosition&, const LoaderPosition&) = default;
};

/// Delivers a data set in batches, epoch by epoch. Order, augmentation and bits depend on the options, the epoch and
/// nothing else, so a position and the seed are all that a run needs to go on with the batch that would have come:
///   for (std::int64_t e = loader.position().epoch; e < epochs; ++e) {  // new, or after load_state_dict()
///     for (const Batch& batch : loader.epoch(e)) { ... }
///   }
/// A forked child may go on in the middle of an epoch; it makes the rest of its batches itself.
class DataLoader {
 public:
  class Epoch;
  /// Keeps `dataset` (see KeptDataset). Throws for batch_size < 1, a wrong number of means, a std of 0.
  DataLoader(KeptDataset dataset, DataLoaderOptions options);
  ~DataLoader();
  DataLoader(const DataLoader&) = delete;
  DataLoader& operator=(const DataLoader&) = delete;

  const DataLoaderOptions& options() const;
  const Dataset& dataset() const;
  /// Batches per epoch.
  std::int64_t size() const;
  /// Images per epoch (fewer than the set's with LastBatch::drop).
  std::int64_t num_samples() const;
  /// Begins epoch `epoch` (from 0), whatever was read before; the first time after load_state_dict(), the loaded epoch
  /// begins at the loaded batch. Throws std::system_error if the system has no thread for the prefetching.
  void start_epoch(std::int64_t epoch);
  /// The next batch, or nothing at the end of the epoch. An exception of the background thread comes out here.
  std::optional<Batch> next();
  /// Begins epoch `epoch`, and is the range of its batches, to be gone through once while this lives.
  Epoch epoch(std::int64_t epoch) &;
  Epoch epoch(std::int64_t epoch) && = delete;

  /// The batch that comes next, {0, 0} at first. Behind an epoch's last batch it is the first of the next epoch.
  LoaderPosition position() const;
  /// position() as "epoch" and "batch", the seed, which is all that the generators of order and augmentation start
  /// from, and what else decides which images a batch has: "dataset_size", "batch_size", "shuffle", "last_batch",
  /// "crop_padding", "horizontal_flip". int64 of rank 0.
  NamedArrays state_dict() const;
  /// Goes to the saved position and takes over the saved seed; next() is the batch that would have come, if the
  /// position is inside an epoch, else start_epoch() is to be called. Inside an epoch the rest of the saved values must
  /// be this loader's, between epochs they may be others (a resumed run on other data). Throws, changing nothing, for
  /// missing, unexpected or wrong entries.
  void load_state_dict(const NamedArrays& state) { plan_load_state_dict(state).commit(); }
  /// The checks of load_state_dict(); the plan writes.
  LoadPlan plan_load_state_dict(const NamedArrays& state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The batches of an epoch of `loader` that has begun, as a range: one at a time, made when its turn comes.
class DataLoader::Epoch {
 public:
  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(DataLoader& loader) : loader_(&loader) { ++*this; }
    const Batch& operator*() const { return *batch_; }
    const Batch* operator->() const { return &*batch_; }
    Iterator& operator++() {
      batch_.reset();  // its memory may serve the next one
      batch_ = loader_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !batch_; }

   private:
    DataLoader* loader_;
    std::optional<Batch> batch_;
  };

  explicit Epoch(DataLoader& loader) : loader_(&loader) {}
  Iterator begin() const { return Iterator(*loader_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  DataLoader* loader_;
};

}  // namespace evenkeel::data
