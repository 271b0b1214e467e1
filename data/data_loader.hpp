#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/data/dataset.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace evenkeel::data {

/// What happens to an incomplete last batch: delivered as it is, left out, or joined to the one before (so that no
/// batch of one reaches a BatchNorm).
enum class LastBatch { keep, drop, merge };

/// Random changes of an image during training; a function of (seed, epoch, index of the image) alone.
struct Augmentation {
  std::int64_t crop_padding = 0;  ///< pad by so many zero pixels, then cut a random window of the old size
  bool horizontal_flip = false;   ///< with probability 1/2
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

/// Delivers a data set in batches, epoch by epoch. Order, augmentation and bits depend on the options, the epoch and
/// nothing else.
///   loader.start_epoch(epoch);
///   while (std::optional<Batch> batch = loader.next()) { ... }
class DataLoader {
 public:
  /// Keeps a reference to `dataset`. Throws for batch_size < 1, a wrong number of means, a std of 0.
  DataLoader(const Dataset& dataset, DataLoaderOptions options);
  ~DataLoader();
  DataLoader(const DataLoader&) = delete;
  DataLoader& operator=(const DataLoader&) = delete;

  const DataLoaderOptions& options() const;
  const Dataset& dataset() const;
  /// Batches per epoch.
  std::int64_t size() const;
  /// Images per epoch (fewer than the set's with LastBatch::drop).
  std::int64_t num_samples() const;
  /// Begins epoch `epoch` (from 0), whatever was read before; a resumed run just starts at its epoch.
  void start_epoch(std::int64_t epoch);
  /// The next batch, or nothing at the end of the epoch. An exception of the background thread comes out here.
  std::optional<Batch> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace evenkeel::data
