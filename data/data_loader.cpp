#include "evenkeel/data/data_loader.hpp"

#include "evenkeel/core/thread.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace evenkeel::data {
namespace {

constexpr std::string_view kDataLoader = "DataLoader";

// What random numbers are for; each purpose has its own stream of the seed.
constexpr std::uint64_t kShuffleStream = 0, kAugmentStream = 1;

/// Of crop_padding: far more than any image, and far from where sizes overflow.
constexpr std::int64_t kMostPadding = std::int64_t{1} << 31;

/// So that the number of the next one can be told.
constexpr std::int64_t kMostEpochs = std::int64_t{1} << 62;

/// The value of each of the 256 pixel values, per channel.
using PixelTable = std::array<float, 256>;

struct Window {
  std::int64_t top = 0, left = 0;  ///< of the source, in the target's coordinates
  bool flip = false;
};

/// Converts an image through the tables, moved by `window`; what is not covered is pixel 0.
void convert(std::span<const std::uint8_t> image, const Shape& shape, const std::vector<PixelTable>& tables,
             Window window, float* out) {
  const std::int64_t height = shape[1], width = shape[2];
  for (std::int64_t c = 0; c < shape[0]; ++c) {
    const PixelTable& table = tables[static_cast<std::size_t>(c)];
    for (std::int64_t y = 0; y < height; ++y) {
      const std::int64_t source_y = y + window.top;
      const bool row_inside = source_y >= 0 && source_y < height;
      const std::int64_t row = row_inside ? (c * height + source_y) * width : 0;
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int64_t source_x = (window.flip ? width - 1 - x : x) + window.left;
        const bool inside = row_inside && source_x >= 0 && source_x < width;
        *out++ = table[inside ? image[static_cast<std::size_t>(row + source_x)] : 0];
      }
    }
  }
}

/// Batches of one epoch, prepared in order by a thread of its own, at most `depth` ahead.
class Prefetcher {
 public:
  using Make = std::function<Batch(std::int64_t)>;

  Prefetcher(Make make, std::int64_t first, std::int64_t last, std::int64_t depth)
      : make_(std::move(make)),
        depth_(static_cast<std::size_t>(depth)),
        thread_(start_thread("DataLoader: can't start the thread that prepares batches (prefetch = 0 needs none)",
                             [=, this] { run(first, last); })) {}

  ~Prefetcher() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// Not where the process forked since: the child lacks the thread, and must not wait for it, nor for its locks.
  bool has_thread() const { return process_ == getpid(); }

  Batch take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !ready_.empty() || error_ != nullptr; });
    if (ready_.empty()) {
      std::rethrow_exception(error_);
    }
    Batch batch = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return batch;
  }

 private:
  void run(std::int64_t first, std::int64_t last) {
    try {
      for (std::int64_t i = first; i < last; ++i) {
        {
          std::unique_lock lock(mutex_);
          changed_.wait(lock, [this] { return ready_.size() < depth_ || stop_; });
          if (stop_) {
            return;
          }
        }
        Batch batch = make_(i);
        const std::lock_guard lock(mutex_);
        ready_.push_back(std::move(batch));
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      changed_.notify_all();
    }
  }

  Make make_;
  std::size_t depth_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  std::exception_ptr error_;
  bool stop_ = false;
  pid_t process_ = getpid();
  std::thread thread_;  // last: it uses the members above
};

/// Destroys a prefetcher, or leaves it for ever to a child that it can't be destroyed in.
struct EndPrefetcher {
  void operator()(Prefetcher* prefetcher) const {
    if (prefetcher->has_thread()) {
      delete prefetcher;
    } else {
      static auto* const left = new std::vector<Prefetcher*>;
      left->push_back(prefetcher);
    }
  }
};

std::vector<PixelTable> pixel_tables(const DataLoaderOptions& options, std::int64_t channels) {
  std::vector<PixelTable> tables(static_cast<std::size_t>(channels));
  for (std::size_t c = 0; c < tables.size(); ++c) {
    const double mean = options.mean.empty() ? 0 : options.mean[c];
    const double std = options.std.empty() ? 1 : options.std[c];
    for (std::size_t pixel = 0; pixel < tables[c].size(); ++pixel) {
      tables[c][pixel] = static_cast<float>((static_cast<double>(pixel) / 255 - mean) / std);
    }
  }
  return tables;
}

void check_options(const DataLoaderOptions& options, std::int64_t channels) {
  require(options.batch_size >= 1, kDataLoader, "batch_size must be at least 1, got ", options.batch_size);
  require(options.prefetch >= 0, kDataLoader, "prefetch must be at least 0, got ", options.prefetch);
  const std::int64_t padding = options.augmentation.crop_padding;
  require(padding >= 0, kDataLoader, "crop_padding must be at least 0, got ", padding);
  require(padding <= kMostPadding, kDataLoader, "crop_padding must be at most 2^31, got ", padding);
  for (const auto* list : {&options.mean, &options.std}) {
    require(list->empty() || static_cast<std::int64_t>(list->size()) == channels, kDataLoader,
            list == &options.mean ? "mean" : "std", " must have ", channels, " values, got ", list->size());
  }
  for (const double std : options.std) {
    require(std > 0, kDataLoader, "std must be positive, got ", std);
  }
}

}  // namespace

struct DataLoader::Impl {
  Impl(KeptDataset data, DataLoaderOptions opts) : kept(std::move(data)), dataset(*kept), options(std::move(opts)) {
    check_options(options, dataset.image_shape()[0]);
    tables = pixel_tables(options, dataset.image_shape()[0]);
  }

  std::int64_t num_batches() const;
  /// With seed and epoch, all that decides which images a batch has and how they are moved.
  std::vector<std::pair<std::string, std::int64_t>> what_makes_batches() const;
  Batch make_batch(std::int64_t batch) const;
  Window window(std::int64_t index) const;

  const KeptDataset kept;
  const Dataset& dataset;
  DataLoaderOptions options;
  std::vector<PixelTable> tables;
  std::int64_t epoch = -1;
  std::int64_t next_batch = 0;
  std::optional<LoaderPosition> loaded;  ///< where the next start_epoch() of its epoch begins
  std::vector<std::int64_t> order;       ///< of the epoch, empty: 0, 1, ...
  std::unique_ptr<Prefetcher, EndPrefetcher> prefetcher;
};

std::int64_t DataLoader::Impl::num_batches() const {
  const std::int64_t size = dataset.size();
  const std::int64_t full = size / options.batch_size;
  switch (options.last_batch) {
    case LastBatch::drop:
      return full;
    case LastBatch::merge:
      return full == 0 && size > 0 ? 1 : full;
    default:
      return full + (size % options.batch_size == 0 ? 0 : 1);
  }
}

std::vector<std::pair<std::string, std::int64_t>> DataLoader::Impl::what_makes_batches() const {
  return {{"dataset_size", dataset.size()},
          {"batch_size", options.batch_size},
          {"shuffle", options.shuffle},
          {"last_batch", static_cast<std::int64_t>(options.last_batch)},
          {"crop_padding", options.augmentation.crop_padding},
          {"horizontal_flip", options.augmentation.horizontal_flip}};
}

Window DataLoader::Impl::window(std::int64_t index) const {
  const Augmentation& a = options.augmentation;
  if (a.crop_padding == 0 && !a.horizontal_flip) {
    return {};
  }
  Generator generator = Generator(options.seed)
                            .fork(kAugmentStream)
                            .fork(static_cast<std::uint64_t>(epoch))
                            .fork(static_cast<std::uint64_t>(index));
  const std::int64_t places = 2 * a.crop_padding + 1;
  Window result;
  result.top = generator.below(places) - a.crop_padding;
  result.left = generator.below(places) - a.crop_padding;
  result.flip = a.horizontal_flip && generator.below(2) == 1;
  return result;
}

Batch DataLoader::Impl::make_batch(std::int64_t batch) const {
  const std::int64_t first = batch * options.batch_size;
  const bool merged = options.last_batch == LastBatch::merge && batch + 1 == num_batches();
  const std::int64_t last = merged ? dataset.size() : std::min(first + options.batch_size, dataset.size());
  const Shape shape = dataset.image_shape();
  const std::int64_t pixels = numel(shape);
  Array images = Array::empty({last - first, shape[0], shape[1], shape[2]});
  Array labels = Array::empty({last - first}, DType::int64);
  float* out = images.mutable_data<float>();
  auto* label = labels.mutable_data<std::int64_t>();
  std::vector<std::uint8_t> buffer(static_cast<std::size_t>(pixels));
  for (std::int64_t i = first; i < last; ++i, out += pixels) {
    const std::int64_t index = order.empty() ? i : order[static_cast<std::size_t>(i)];
    *label++ = dataset.read(index, buffer);
    convert(buffer, shape, tables, window(index), out);
  }
  return {Tensor(images), Tensor(labels)};
}

DataLoader::DataLoader(KeptDataset dataset, DataLoaderOptions options)
    : impl_(std::make_unique<Impl>(std::move(dataset), std::move(options))) {}

DataLoader::~DataLoader() = default;

const DataLoaderOptions& DataLoader::options() const { return impl_->options; }

const Dataset& DataLoader::dataset() const { return impl_->dataset; }

std::int64_t DataLoader::size() const { return impl_->num_batches(); }

std::int64_t DataLoader::num_samples() const {
  const std::int64_t all = impl_->dataset.size();
  return impl_->options.last_batch == LastBatch::drop ? size() * impl_->options.batch_size : all;
}

void DataLoader::start_epoch(std::int64_t epoch) {
  require(epoch >= 0, "DataLoader::start_epoch", "epoch must be at least 0, got ", epoch);
  require(epoch <= kMostEpochs, "DataLoader::start_epoch", "epoch must be at most 2^62, got ", epoch);
  Impl& impl = *impl_;
  std::vector<std::int64_t> order;
  if (impl.options.shuffle) {
    Generator generator = Generator(impl.options.seed).fork(kShuffleStream).fork(static_cast<std::uint64_t>(epoch));
    order = random_permutation(impl.dataset.size(), generator).to_vector<std::int64_t>();
  }
  impl.prefetcher.reset();
  impl.epoch = epoch;
  impl.next_batch = impl.loaded && impl.loaded->epoch == epoch ? impl.loaded->batch : 0;
  impl.loaded.reset();
  impl.order = std::move(order);
  if (impl.options.prefetch > 0 && impl.next_batch < size()) {
    impl.prefetcher.reset(new Prefetcher([&impl](std::int64_t batch) { return impl.make_batch(batch); },
                                         impl.next_batch, size(), impl.options.prefetch));
  }
}

DataLoader::Epoch DataLoader::epoch(std::int64_t epoch) & {
  start_epoch(epoch);
  return Epoch(*this);
}

std::optional<Batch> DataLoader::next() {
  Impl& impl = *impl_;
  if (impl.loaded && impl.loaded->batch > 0) {
    start_epoch(impl.loaded->epoch);
  }
  require<StateError>(impl.epoch >= 0 && !impl.loaded, "DataLoader::next",
                      "no epoch has begun, call start_epoch() first");
  if (impl.next_batch == size()) {
    return std::nullopt;
  }
  if (impl.prefetcher != nullptr && !impl.prefetcher->has_thread()) {
    impl.prefetcher.reset();  // its batches are made here
  }
  Batch batch = impl.prefetcher != nullptr ? impl.prefetcher->take() : impl.make_batch(impl.next_batch);
  ++impl.next_batch;
  return batch;
}

LoaderPosition DataLoader::position() const {
  if (impl_->loaded) {
    return *impl_->loaded;
  }
  const bool inside = impl_->epoch >= 0 && impl_->next_batch < size();
  return inside ? LoaderPosition{impl_->epoch, impl_->next_batch} : LoaderPosition{impl_->epoch + 1, 0};
}

NamedArrays DataLoader::state_dict() const {
  const auto [epoch, batch] = position();
  NamedArrays state = {{"epoch", Array::scalar(epoch)},
                       {"batch", Array::scalar(batch)},
                       {"seed", Array::scalar(std::bit_cast<std::int64_t>(impl_->options.seed))}};
  for (const auto& [name, value] : impl_->what_makes_batches()) {
    state.emplace_back(name, Array::scalar(value));
  }
  return state;
}

LoadPlan DataLoader::plan_load_state_dict(const NamedArrays& state) {
  constexpr std::string_view kLoad = "DataLoader::load_state_dict";
  std::map<std::string, std::int64_t> saved;
  for (const auto& [name, array] : state) {
    require(array.defined() && array.dtype() == DType::int64 && array.rank() == 0, kLoad, "'", name,
            "' must be an int64 of rank 0");
    require(saved.emplace(name, array.item_int64()).second, kLoad, "duplicate key '", name, "'");
  }
  const auto take = [&](const std::string& name) {
    const auto found = saved.find(name);
    require(found != saved.end(), kLoad, "missing key '", name, "'");
    const std::int64_t value = found->second;
    saved.erase(found);
    return value;
  };
  const LoaderPosition position{take("epoch"), take("batch")};
  const auto seed = std::bit_cast<std::uint64_t>(take("seed"));
  require(position.epoch >= 0 && position.epoch <= kMostEpochs && position.batch >= 0, kLoad,
          "the position must be a batch of an epoch, got batch ", position.batch, " of epoch ", position.epoch);
  for (const auto& [name, own] : impl_->what_makes_batches()) {
    const std::int64_t value = take(name);
    require(position.batch == 0 || value == own, kLoad, name, " must be ", own, ", got ", value,
            "; the state was saved inside an epoch");
  }
  require(position.batch == 0 || position.batch < size(), kLoad, "the position must be one of ", size(),
          " batches, got batch ", position.batch);
  require(saved.empty(), kLoad, "unexpected key '", saved.empty() ? "" : saved.begin()->first, "'");
  LoadPlan plan;
  plan.add([impl = impl_.get(), position, seed] {
    impl->prefetcher.reset();
    impl->epoch = -1;
    impl->options.seed = seed;
    impl->loaded = position;
  });
  return plan;
}

}  // namespace evenkeel::data
