// Gradients of every norm over the grid of batch sizes 1, 2 and 5, all ranks that it takes, affine or not, training and
// eval; second derivatives of those that are differentiated twice most.

#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/layer_norm.hpp"
#include "evenkeel/nn/norm/rms_norm.hpp"
#include "tests/support/layer_function.hpp"
#include "tests/support/norm_traits.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <set>

using namespace evenkeel;
using namespace evenkeel::nn;
using evenkeel::test::LayerFunction;
using evenkeel::test::NormTraits;
using evenkeel::test::randomize;
using evenkeel::test::sample;

namespace {

constexpr std::int64_t kChannels = 4;
const Shape kSpatial[] = {{}, {3}, {3, 1}, {1, 3, 1}};

Shape input_shape(std::int64_t batch, const Shape& spatial) {
  Shape shape = {batch, kChannels};
  for (const std::int64_t size : spatial) {
    shape.push_back(size);
  }
  return shape;
}

using MakeLayer = std::function<std::unique_ptr<Layer>()>;

/// In both modes, or in eval alone, with buffers that a training step on other numbers has moved.
void check_gradients(const MakeLayer& make, const Shape& shape, bool twice, bool in_training = true) {
  CAPTURE(shape);
  for (const bool training : {true, false}) {
    CAPTURE(training);
    if (training && !in_training) {
      continue;
    }
    auto layer = make();
    randomize(*layer);
    Generator generator(11);
    (*layer)(Tensor(sample(shape, 3, generator, DType::float64)));
    layer->train(training);
    const LayerFunction function(std::move(layer), sample(shape, 2, generator, DType::float64));
    const GradcheckReport first = gradcheck(std::ref(function), function.inputs, function.options());
    CHECK_MESSAGE(first.ok, first.text);
    if (twice) {
      const GradcheckReport second = gradgradcheck(std::ref(function), function.inputs, function.options());
      CHECK_MESSAGE(second.ok, second.text);
    }
  }
}

/// One value per statistic, which training refuses.
bool is_refused(Layer& layer, const Shape& shape) {
  try {
    layer(ones(shape));
    return false;
  } catch (const std::invalid_argument& error) {
    CHECK(std::string(error.what()).find("Expected more than 1 value per ") != std::string::npos);
    return true;
  }
}

}  // namespace

TEST_CASE("every norm of the registry") {
  std::set<std::string> refused;
  for (const NormEntry& entry : norms()) {
    CAPTURE(entry.name);
    const NormTraits& traits = evenkeel::test::traits_of(entry.name);
    for (int dims = entry.min_spatial_dims; dims <= entry.max_spatial_dims; ++dims) {
      for (const bool affine : {true, false}) {
        CAPTURE(affine);
        for (const std::int64_t batch : {1, 2, 5}) {
          const MakeLayer make = [&] {
            return make_norm(entry.name, kChannels, {.affine = affine, .spatial_dims = dims});
          };
          const Shape shape = input_shape(batch, kSpatial[dims]);
          if (dims == 0 && batch == 1 && is_refused(*make(), shape)) {
            refused.insert(std::string(entry.name));
          } else {
            check_gradients(make, shape, traits.central, traits.is_function);
          }
        }
      }
    }
  }
  CHECK(refused.contains("bn"));
  CHECK_FALSE(refused.contains("gn"));
}

TEST_CASE("LayerNorm and RMSNorm over one to all trailing dims") {
  for (const Shape& spatial : kSpatial) {
    for (const std::int64_t batch : {1, 2, 5}) {
      const Shape shape = input_shape(batch, spatial);
      for (int first = 1; first < shape.rank(); ++first) {
        Shape normalized;
        for (int d = first; d < shape.rank(); ++d) {
          normalized.push_back(shape[d]);
        }
        CAPTURE(normalized);
        for (const bool affine : {true, false}) {
          CAPTURE(affine);
          check_gradients(
              [&] { return std::make_unique<LayerNorm>(normalized, LayerNormOptions{.elementwise_affine = affine}); },
              shape, true);
          check_gradients(
              [&] { return std::make_unique<RMSNorm>(normalized, RMSNormOptions{.elementwise_affine = affine}); },
              shape, true);
        }
      }
    }
  }
}

TEST_CASE("BatchNorm and InstanceNorm with and without running statistics") {
  for (const bool track : {true, false}) {
    CAPTURE(track);
    for (const std::int64_t batch : {1, 2, 5}) {
      const BatchNormOptions of_batch = {.momentum = std::nullopt, .track_running_stats = track};
      const InstanceNormOptions of_instance = {.affine = true, .track_running_stats = track};
      check_gradients([&] { return std::make_unique<BatchNorm1d>(kChannels, of_batch); },
                      input_shape(batch, kSpatial[1]), true);
      check_gradients([&] { return std::make_unique<BatchNorm2d>(kChannels, of_batch); },
                      input_shape(batch, kSpatial[2]), true);
      check_gradients([&] { return std::make_unique<BatchNorm3d>(kChannels, of_batch); },
                      input_shape(batch, kSpatial[3]), true);
      check_gradients([&] { return std::make_unique<InstanceNorm1d>(kChannels, of_instance); },
                      input_shape(batch, kSpatial[1]), true);
      check_gradients([&] { return std::make_unique<InstanceNorm2d>(kChannels, of_instance); },
                      input_shape(batch, kSpatial[2]), true);
      check_gradients([&] { return std::make_unique<InstanceNorm3d>(kChannels, of_instance); },
                      input_shape(batch, kSpatial[3]), true);
    }
  }
}
