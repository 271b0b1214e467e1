// BatchRenorm in its conventions, GhostBatchNorm and FrozenBatchNorm against values of torch: four training steps, the
// buffers after them, gradients, eval mode; in float64 to 1e-10 and in float32 to 1e-5.
// tests/fixtures/make_norms_batch.py has the layers of the same names.

#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "tests/support/fixture.hpp"

#include <functional>
#include <limits>
#include <set>

using namespace evenkeel;
using namespace evenkeel::nn;
using evenkeel::test::check_close;
using evenkeel::test::Fixture;

namespace {

using MakeLayer = std::function<std::unique_ptr<Layer>()>;

template <class T, class... Args>
MakeLayer layer(Args... args) {
  return [=] { return std::make_unique<T>(args...); };
}

constexpr double kInf = std::numeric_limits<double>::infinity();

const std::vector<std::pair<std::string, MakeLayer>> kLayers = {
    {"batch_renorm2d", layer<BatchRenorm2d>(5, BatchRenormOptions{.rmax = 1.5, .dmax = 0.5, .warmup_steps = 3})},
    {"batch_renorm2d_unclipped",
     layer<BatchRenorm2d>(
         3, BatchRenormOptions{.eps = 0.01, .momentum = 0.3, .rmax = kInf, .dmax = kInf, .warmup_steps = 0})},
    {"batch_renorm2d_defaults", layer<BatchRenorm2d>(4)},
    {"batch_renorm2d_batch1",
     layer<BatchRenorm2d>(3, BatchRenormOptions{.affine = false, .rmax = 2, .dmax = 0.3, .warmup_steps = 2})},
    {"batch_renorm1d", layer<BatchRenorm1d>(6, BatchRenormOptions{.rmax = 1.2, .dmax = 2, .warmup_steps = 1})},
    {"batch_renorm1d_cumulative",
     layer<BatchRenorm1d>(3,
                          BatchRenormOptions{.momentum = std::nullopt, .rmax = 1.8, .dmax = 0.4, .warmup_steps = 4})},
    {"batch_renorm2d_unbiased",
     layer<BatchRenorm2d>(
         3, BatchRenormOptions{.rmax = 2, .dmax = 1, .warmup_steps = 0, .statistics = RenormStatistics::unbiased})},
    {"batch_renorm2d_deviation",
     layer<BatchRenorm2d>(3, BatchRenormOptions{.eps = 0.1,
                                                .momentum = 0.4,
                                                .rmax = 2,
                                                .dmax = 1,
                                                .warmup_steps = 2,
                                                .statistics = RenormStatistics::deviation})},
    {"batch_renorm2d_keras", layer<BatchRenorm2d>(3, BatchRenormOptions{.eps = 1e-3,
                                                                        .momentum = 0.2,
                                                                        .rmax = kInf,
                                                                        .dmax = kInf,
                                                                        .warmup_steps = 0,
                                                                        .statistics = RenormStatistics::keras,
                                                                        .renorm_momentum = 0.6})},
    {"ghost_batch_norm", layer<GhostBatchNorm>(3, GhostBatchNormOptions{.virtual_batch_size = 2})},
    {"ghost_batch_norm_rest",
     layer<GhostBatchNorm>(4, GhostBatchNormOptions{.eps = 0.01, .momentum = 0.3, .virtual_batch_size = 3})},
    {"ghost_batch_norm_cumulative",
     layer<GhostBatchNorm>(2,
                           GhostBatchNormOptions{.momentum = std::nullopt, .affine = false, .virtual_batch_size = 4})},
    {"ghost_batch_norm_one", layer<GhostBatchNorm>(5, GhostBatchNormOptions{.virtual_batch_size = 8})},
    {"frozen_batch_norm2d", layer<FrozenBatchNorm2d>(5)},
    {"frozen_batch_norm1d", layer<FrozenBatchNorm1d>(4, FrozenBatchNormOptions{.eps = 0.1})},
};

NamedArrays converted(NamedArrays state, DType dtype) {
  for (auto& [name, array] : state) {
    array = is_floating(array.dtype()) ? array.to(dtype) : array;
  }
  return state;
}

void check_layer(const Fixture& fixture, const std::string& name, Layer& layer, DType dtype, double tolerance) {
  CAPTURE(name);
  CAPTURE(dtype);
  layer.to(dtype);
  layer.load_state_dict(converted(fixture.under(name + "/before/"), dtype));
  Tensor x, dy;
  for (int step = 0; step < 4; ++step) {
    CAPTURE(step);
    layer.zero_grad();
    x = Tensor(fixture.at(concat(name, "/x", step)).to(dtype), true);
    dy = Tensor(fixture.at(concat(name, "/dy", step)).to(dtype));
    const Tensor y = layer(x);
    y.backward(dy);
    check_close(y.array(), fixture.at(concat(name, "/y", step)), tolerance, "y");
    check_close(x.grad().array(), fixture.at(concat(name, "/dx", step)), tolerance, "dx");
  }
  for (const auto& [key, parameter] : layer.named_parameters()) {
    check_close(parameter.grad().array(), fixture.at(name + "/grad/" + key), tolerance, "gradient of " + key);
  }
  CHECK(layer.state_dict().size() == fixture.under(name + "/after/").size());
  for (const auto& [key, value] : layer.state_dict()) {
    check_close(value, fixture.at(name + "/after/" + key), tolerance, key + " after training");
  }
  layer.eval();
  x.zero_grad();
  const Tensor y = layer(x);
  y.backward(dy);
  check_close(y.array(), fixture.at(name + "/y_eval"), tolerance, "y in eval mode");
  check_close(x.grad().array(), fixture.at(name + "/dx_eval"), tolerance, "dx in eval mode");
}

}  // namespace

TEST_CASE("every layer equals torch's values") {
  const Fixture fixture("norms_batch.safetensors");
  for (const auto& [name, make] : kLayers) {
    check_layer(fixture, name, *make(), DType::float64, 1e-10);
    check_layer(fixture, name, *make(), DType::float32, 1e-5);
  }
}

TEST_CASE("every case of the fixture file is compared") {
  std::set<std::string> in_table;
  for (const auto& [name, make] : kLayers) {
    in_table.insert(name);
  }
  CHECK(Fixture("norms_batch.safetensors").cases() == in_table);
}
