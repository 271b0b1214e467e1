// Where one norm is another: the identities that the papers and PyTorch's docs state, in float64 and, where both sides
// compute the same, to the bit. Together with each layer's own test they tie the layers to one another.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/communicator.hpp"
#include "evenkeel/nn/norm/batch_group_norm.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/cross_iteration_conv.hpp"
#include "evenkeel/nn/norm/extended_batch_norm.hpp"
#include "evenkeel/nn/norm/filter_response_norm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/rms_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"
#include "evenkeel/nn/norm/unit_norm.hpp"
#include "evenkeel/nn/norm/ws_conv.hpp"
#include "tests/support/norm_traits.hpp"
#include "tests/support/values.hpp"

#include <limits>

using namespace evenkeel;
using namespace evenkeel::nn;
using test::check_close;
using test::Ignores;
using test::NormTraits;

namespace {

Tensor random(const Shape& shape, unsigned seed) { return test::random(shape, seed).requires_grad_(); }

template <class T, class... Args>
std::unique_ptr<T> wide(Args&&... args) {
  auto layer = std::make_unique<T>(std::forward<Args>(args)...);
  layer->to(DType::float64);
  return layer;
}

/// y and dx of a layer for one input and upstream gradient.
struct Result {
  Array y, dx;
};

Result run(Layer& layer, const Tensor& x, unsigned seed = 9) {
  const Tensor y = layer(x);
  const Tensor dx = grad({y}, {x}, {random(y.shape(), seed).detach()})[0];
  return {y.array(), dx.array()};
}

void check_same(const Result& actual, const Result& expected, double tolerance = 1e-12) {
  check_close(actual.y, expected.y, tolerance, "y");
  check_close(actual.dx, expected.dx, tolerance, "dx");
}

/// Sets the parameter's values to random ones; the same for the same seed.
void randomize(Tensor& parameter, unsigned seed) {
  parameter.mutable_array().copy_(random(parameter.shape(), seed).array());
}

/// Weight and bias of both become the same random values of (C).
template <class A, class B>
void share_affine(A& a, B& b) {
  randomize(a.weight, 1);
  randomize(a.bias, 2);
  b.weight.mutable_array().copy_(a.weight.array().reshape(b.weight.shape()));
  b.bias.mutable_array().copy_(a.bias.array().reshape(b.bias.shape()));
}

const Shape kShape = {3, 6, 5, 2};

}  // namespace

TEST_CASE("GroupNorm(1, C) is LayerNorm over (C, H, W) with an affine part per channel") {
  const auto group = wide<GroupNorm>(1, 6);
  const auto layer = wide<LayerNorm>(Shape{6, 5, 2});
  randomize(group->weight, 1);
  randomize(group->bias, 2);
  for (const auto& [to, from] : {std::pair{layer->weight, group->weight}, std::pair{layer->bias, group->bias}}) {
    Tensor target = to;
    target.mutable_array().copy_(from.array().reshape({6, 1, 1}).expand({6, 5, 2}));
  }
  const Tensor x = random(kShape, 3);
  check_same(run(*group, x), run(*layer, x));
  const auto features = wide<LayerNorm>(6);
  share_affine(*group, *features);
  const Tensor rows = random({4, 6}, 4);
  check_same(run(*group, rows), run(*features, rows));
}

TEST_CASE("GroupNorm(C, C) is InstanceNorm2d") {
  const auto group = wide<GroupNorm>(6, 6);
  const auto instance = wide<InstanceNorm2d>(6, InstanceNormOptions{.affine = true});
  share_affine(*group, *instance);
  const Tensor x = random(kShape, 3);
  check_same(run(*group, x), run(*instance, x), 0);
}

TEST_CASE("LayerNorm2d is LayerNorm(C) of the channels-last image") {
  const auto image = wide<LayerNorm2d>(6, LayerNorm2dOptions{.eps = 1e-5});
  const auto layer = wide<LayerNorm>(6);
  share_affine(*image, *layer);
  const Tensor x = random(kShape, 3);
  const Tensor expected = permute((*layer)(permute(x, {0, 2, 3, 1})), {0, 3, 1, 2});
  check_close((*image)(x).array(), expected.array(), 1e-12, "y");
}

TEST_CASE("norms without a mean are those with one where the mean is 0") {
  const Tensor x = random(kShape, 3);
  const Tensor by_pixel = (x - mean(x, {1}, true)).detach().requires_grad_();
  const Tensor by_plane = (x - mean(x, {2, 3}, true)).detach().requires_grad_();
  const auto rms = wide<RMSNorm2d>(6, RMSNorm2dOptions{.eps = 1e-5});
  const auto pixels = wide<LayerNorm2d>(6, LayerNorm2dOptions{.eps = 1e-5});
  check_close((*rms)(by_pixel).array(), (*pixels)(by_pixel).array(), 1e-12, "RMSNorm2d");
  const auto response = wide<FilterResponseNorm>(6, FilterResponseNormOptions{.eps = 1e-5, .tlu = false});
  const auto instance = wide<InstanceNorm2d>(6);
  check_close((*response)(by_plane).array(), (*instance)(by_plane).array(), 1e-12, "FilterResponseNorm");
}

TEST_CASE("UnitNorm times sqrt(C) is RMSNorm2d without eps") {
  const auto rms = wide<RMSNorm2d>(6, RMSNorm2dOptions{.eps = 0.0});
  UnitNorm unit;
  const Tensor x = random(kShape, 3);
  check_close((unit(x) * std::sqrt(6.0)).array(), (*rms)(x).array(), 1e-12, "y");
}

TEST_CASE("BatchGroupNorm: a group per channel is BatchNorm; of one sample it is GroupNorm") {
  const Tensor x = random(kShape, 3);
  const auto groups = wide<BatchGroupNorm>(6, BatchGroupNormOptions{.num_groups = 6});
  const auto batch = wide<BatchNorm2d>(6);
  share_affine(*groups, *batch);
  check_same(run(*groups, x), run(*batch, x), 0);
  const Tensor sample = random({1, 6, 5, 2}, 4);
  check_same(run(*wide<BatchGroupNorm>(6, BatchGroupNormOptions{.num_groups = 2}), sample),
             run(*wide<GroupNorm>(2, 6), sample));
}

TEST_CASE("ExtendedBatchNorm of one channel is BatchNorm, buffers included") {
  const auto extended = wide<ExtendedBatchNorm>(1);
  const auto batch = wide<BatchNorm2d>(1);
  const Tensor x = random({3, 1, 5, 2}, 3);
  for (const bool training : {true, false}) {
    extended->train(training);
    batch->train(training);
    check_same(run(*extended, x), run(*batch, x));
    check_close(extended->running_mean.array(), batch->running_mean.array(), 1e-14, "running_mean");
    check_close(extended->running_var.array(), batch->running_var.array(), 1e-14, "running_var");
  }
}

TEST_CASE("GhostBatchNorm of the whole batch is BatchNorm; else BatchNorm of each part") {
  const Tensor x = random({5, 6, 3, 2}, 3);
  const auto batch = wide<BatchNorm2d>(6);
  for (const std::int64_t size : {5, 7}) {
    const auto ghost = wide<GhostBatchNorm>(6, GhostBatchNormOptions{.virtual_batch_size = size});
    const auto twin = wide<BatchNorm2d>(6);
    check_same(run(*ghost, x), run(*twin, x), 0);
    check_close(ghost->running_var.array(), twin->running_var.array(), 0, "running_var");
  }
  const auto ghost = wide<GhostBatchNorm>(6, GhostBatchNormOptions{.virtual_batch_size = 2});
  const Tensor y = (*ghost)(x);
  for (const std::int64_t start : {0, 2, 4}) {
    const std::int64_t stop = std::min<std::int64_t>(start + 2, 5);
    check_close(slice(y, 0, start, stop).array(), (*batch)(slice(x, 0, start, stop)).array(), 1e-13, "part");
  }
  check_close(ghost->running_mean.array(), batch->running_mean.array(), 1e-14, "running_mean");
  check_close(ghost->running_var.array(), batch->running_var.array(), 1e-14, "running_var");
  CHECK(ghost->num_batches_tracked.array().item_int64() == 3);
}

TEST_CASE("SyncBatchNorm over shards is BatchNorm over the whole: y, all gradients, buffers; uneven and empty shards") {
  const Tensor x = random({5, 6, 3, 2}, 3);
  const Tensor dy = random(x.shape(), 4).detach();
  const auto whole = wide<BatchNorm2d>(6);
  randomize(whole->weight, 1);
  randomize(whole->bias, 2);
  const Tensor y = (*whole)(x);
  y.backward(dy);
  const std::vector<std::vector<std::int64_t>> partitions = {{0, 5}, {0, 2, 5}, {0, 4, 4, 5}, {0, 1, 2, 4, 5}};
  for (const std::vector<std::int64_t>& bounds : partitions) {
    const int ranks = static_cast<int>(bounds.size()) - 1;
    CAPTURE(ranks);
    std::vector<std::unique_ptr<SyncBatchNorm>> layers(bounds.size() - 1);
    std::vector<Result> results(layers.size());
    ThreadGroup(ranks).run([&](const std::shared_ptr<Communicator>& self) {
      const auto rank = static_cast<std::size_t>(self->rank());
      auto layer = wide<SyncBatchNorm>(6, BatchNormOptions{}, self);
      layer->load_state_dict({{"weight", whole->weight.array()}, {"bias", whole->bias.array()}}, false);
      const Tensor shard = Tensor(x.array().slice(0, bounds[rank], bounds[rank + 1]).clone(), true);
      const Tensor part = (*layer)(shard);
      part.backward(Tensor(dy.array().slice(0, bounds[rank], bounds[rank + 1]).clone()));
      results[rank] = {part.array(), shard.grad().array()};
      layers[rank] = std::move(layer);
    });
    Tensor weight_grad = zeros({6}, {.dtype = DType::float64}), bias_grad = weight_grad;
    for (std::size_t rank = 0; rank < layers.size(); ++rank) {
      check_close(results[rank].y, y.array().slice(0, bounds[rank], bounds[rank + 1]), 1e-12, "y");
      check_close(results[rank].dx, x.grad().array().slice(0, bounds[rank], bounds[rank + 1]), 1e-12, "dx");
      weight_grad = weight_grad + layers[rank]->weight.grad();
      bias_grad = bias_grad + layers[rank]->bias.grad();
      check_close(layers[rank]->running_mean.array(), whole->running_mean.array(), 1e-14, "running_mean");
      check_close(layers[rank]->running_var.array(), whole->running_var.array(), 1e-14, "running_var");
    }
    check_close(weight_grad.array(), whole->weight.grad().array(), 1e-12, "weight gradient");
    check_close(bias_grad.array(), whole->bias.grad().array(), 1e-12, "bias gradient");
  }
}

TEST_CASE("BatchRenorm with rmax 1 and dmax 0 is BatchNorm; without bounds its training output is its eval output") {
  const BatchRenormOptions as_bn{.rmax = 1, .dmax = 0, .statistics = RenormStatistics::unbiased};
  const auto renorm = wide<BatchRenorm2d>(6, as_bn);
  const auto batch = wide<BatchNorm2d>(6);
  share_affine(*renorm, *batch);
  for (const unsigned step : {3U, 4U, 5U}) {
    const Tensor x = random(kShape, step);
    check_same(run(*renorm, x), run(*batch, x));
  }
  renorm->eval();
  batch->eval();
  const Tensor x = random(kShape, 6);
  check_same(run(*renorm, x), run(*batch, x));

  const double inf = std::numeric_limits<double>::infinity();
  const auto open = wide<BatchRenorm2d>(6, BatchRenormOptions{.rmax = inf, .dmax = inf, .warmup_steps = 0});
  (*open)(random(kShape, 7) * 3.0 + 1.0);
  open->eval();
  const Array expected = (*open)(x).array();
  open->train();
  check_close((*open)(x).array(), expected, 1e-12, "training and eval");
}

TEST_CASE("FrozenBatchNorm2d is BatchNorm2d in eval, to the bit, in both modes") {
  const auto batch = wide<BatchNorm2d>(6);
  randomize(batch->weight, 1);
  randomize(batch->bias, 2);
  (*batch)(random(kShape, 3) * 2.0 + 0.5);
  batch->eval();
  const auto frozen = wide<FrozenBatchNorm2d>(6);
  frozen->load_state_dict(batch->state_dict());
  const Tensor x = random(kShape, 4);
  for (const bool training : {true, false}) {
    frozen->train(training);
    check_same(run(*frozen, x), run(*batch, x), 0);
  }
  CHECK(frozen->num_parameters() == 0);
}

TEST_CASE("CrossIterationConv2d of a window of 1, and at unchanged weights on one batch, is conv and BatchNorm") {
  Generator generator(1);
  const Conv2dOptions how{.kernel_size = 3, .padding = 1, .bias = false};
  const Tensor x = random({2, 4, 5, 3}, 3);
  for (const int window : {1, 3}) {
    CrossIterationConv2d cross(4, 6, generator, how, {.window = window});
    cross.to(DType::float64);
    const auto batch = wide<BatchNorm2d>(6);
    share_affine(cross, *batch);
    for (int step = 0; step < 3; ++step) {
      check_close(cross(x).array(), (*batch)(cross.conv(x)).array(), 1e-12, "y");
    }
    check_close(cross.running_var.array(), batch->running_var.array(), 1e-14, "running_var");
  }
}

TEST_CASE("WSConv2d's filters have mean 0 and standard deviation 1, whatever scale and shift the raw weight has") {
  Generator generator(1);
  WSConv2d conv(4, 3, generator, {.kernel_size = {3, 2}}, {.eps = 1e-15});
  conv.to(DType::float64);
  const Tensor filters = conv.effective_weight();
  check_close(mean(filters, {1, 2, 3}).array(), Array::zeros({3}), 1e-14, "mean");
  check_close(evenkeel::std(filters, {1, 2, 3}).array(), Array::ones({3}), 1e-13, "std");
  Array& raw = conv.weight.mutable_array();
  raw.copy_((Tensor(raw.clone()) * 7.0 + 0.3).array());
  check_close(conv.effective_weight().array(), filters.array(), 1e-12, "scaled and shifted");
}

TEST_CASE("which norms ignore the input's scale, and which an added constant") {
  // Without eps, in the first training step.
  test::for_each_norm([](const std::string& name, const NormTraits& traits) {
    const auto check = [&](bool ignored, double factor, double constant) {
      const Tensor x = random({2, 8, 5, 3}, 3);
      const NormOptions how{.eps = 0, .num_groups = 2};
      const auto layer = make_norm(name, 8, how), twin = make_norm(name, 8, how);
      layer->to(DType::float64);
      twin->to(DType::float64);
      const Tensor difference = max(abs((*layer)(x) - (*twin)(x * factor + constant)));
      CHECK((difference.item() < 1e-11) == ignored);
    };
    check(traits.ignores == Ignores::scale || traits.ignores == Ignores::scale_and_shift, 3.5, 0);
    check(traits.ignores == Ignores::shift || traits.ignores == Ignores::scale_and_shift, 1, 2.5);
  });
}

TEST_CASE("the gradient of a centring norm sums to 0 over its set, also against x_hat where eps is 0") {
  const Tensor x = random(kShape, 3);
  const Tensor dy = random(kShape, 4).detach();
  struct Row {
    const char* name;
    std::int64_t groups;
    Dims dims;  ///< of (N, groups, C / groups, H W)
  };
  for (const Row& row : {Row{"bn", 6, {0, 2, 3}}, Row{"in", 6, {2, 3}}, Row{"gn", 2, {2, 3}}, Row{"bgn", 3, {0, 2, 3}},
                         Row{"ln", 1, {2, 3}}}) {
    INFO(row.name);
    const auto layer = make_norm(row.name, 6, {.eps = 0, .affine = false, .num_groups = row.groups});
    layer->to(DType::float64);
    const Tensor y = (*layer)(x);
    const Tensor dx = grad({y}, {x}, {dy})[0];
    const Shape groups = {3, row.groups, 6 / row.groups, 10};
    const Tensor a = sum(reshape(dx, groups), row.dims);
    const Tensor b = sum(reshape(dx * y.detach(), groups), row.dims);
    check_close(a.array(), Array::zeros(a.shape()), 1e-12, "sum of dx");
    check_close(b.array(), Array::zeros(b.shape()), 1e-12, "sum of dx x_hat");
  }
}

TEST_CASE("batch mates: in training they change a sample's output under batch norms, and under no others") {
  const Tensor first = random({4, 8, 5, 3}, 3);
  Tensor second = first.detach() * 1.0;
  second = cat({slice(second, 0, 0, 1), random({3, 8, 5, 3}, 5).detach() * 2.0});
  test::for_each_norm([&](const std::string& name, const NormTraits& traits) {
    const auto layer = make_norm(name, 8), twin = make_norm(name, 8);
    layer->to(DType::float64);
    twin->to(DType::float64);
    const Tensor a = slice((*layer)(first), 0, 0, 1), b = slice((*twin)(second), 0, 0, 1);
    CHECK((max(abs(a - b)).item() > 1e-9) == traits.of_batch);
  });
}
