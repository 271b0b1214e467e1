// Pools of one and three axes, their places, unpooling and interpolation against PyTorch's values and gradients, in
// float64 to 1e-10 and in float32 to 1e-5.

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/fixture.hpp"

#include <limits>

namespace evenkeel::test {
namespace {

/// The function of one case, of x and, to unpool, the places.
using Function = std::function<MaxPooled(const Tensor& x, const Tensor& places)>;

template <class F>
Function of(F f) {
  return [f](const Tensor& x, const Tensor&) { return MaxPooled{f(x), {}}; };
}

template <class F>
Function with_indices(F f) {
  return [f](const Tensor& x, const Tensor&) { return f(x); };
}

template <class F>
Function unpooled(F f) {
  return [f](const Tensor& x, const Tensor& places) { return MaxPooled{f(x, places), {}}; };
}

Function resized(const InterpolateOptions& options) {
  return of([=](const Tensor& x) { return interpolate(x, options); });
}

using T = const Tensor&;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr auto kExact = Interpolation::nearest_exact, kLinear = Interpolation::linear,
               kBilinear = Interpolation::bilinear, kBicubic = Interpolation::bicubic,
               kTrilinear = Interpolation::trilinear, kArea = Interpolation::area;

const std::vector<std::pair<std::string, Function>> kPools = {
    {"max_pool1d", of([](T x) { return max_pool1d(x, {}); })},
    {"max_pool1d_wide",
     of([](T x) { return max_pool1d(x, {.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true}); })},
    {"max_pool1d_dilated",
     of([](T x) { return max_pool1d(x, {.kernel_size = 3, .stride = 2, .padding = 1, .dilation = 2}); })},
    {"max_pool3d", of([](T x) { return max_pool3d(x, {}); })},
    {"max_pool3d_uneven", of([](T x) {
       return max_pool3d(x, {.kernel_size = {2, 3, 3},
                             .stride = SizeND<3>(1, 2, 2),
                             .padding = {1, 1, 0},
                             .dilation = {1, 1, 2},
                             .ceil_mode = true});
     })},
    {"max_pool3d_one_sample", of([](T x) {
       return max_pool3d(x, {.kernel_size = {1, 2, 2}});
     })},
    {"avg_pool1d", of([](T x) { return avg_pool1d(x, {}); })},
    {"avg_pool1d_wide", of([](T x) {
       return avg_pool1d(x,
                         {.kernel_size = 5, .stride = 2, .padding = 2, .ceil_mode = true, .count_include_pad = false});
     })},
    {"avg_pool3d", of([](T x) { return avg_pool3d(x, {}); })},
    {"avg_pool3d_ceil",
     of([](T x) { return avg_pool3d(x, {.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true}); })},
    {"avg_pool3d_exclude_pad", of([](T x) {
       return avg_pool3d(
           x, {.kernel_size = {3, 2, 3}, .stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false});
     })},
    {"avg_pool3d_divisor", of([](T x) {
       return avg_pool3d(x, {.kernel_size = {2, 3, 1}, .stride = 1, .padding = {1, 0, 0}, .divisor_override = 5});
     })},
    {"avg_pool3d_rows", of([](T x) {
       return avg_pool3d(x, {.kernel_size = {2, 2, 5}, .stride = 1});
     })},
    {"adaptive_avg_pool1d", of([](T x) { return adaptive_avg_pool1d(x, 4); })},
    {"adaptive_avg_pool3d", of([](T x) {
       return adaptive_avg_pool3d(x, {2, 0, 4});
     })},
    {"adaptive_avg_pool3d_global", of([](T x) { return adaptive_avg_pool3d(x, 1); })},
    {"adaptive_max_pool1d", of([](T x) { return adaptive_max_pool1d(x, 4); })},
    {"adaptive_max_pool2d", of([](T x) {
       return adaptive_max_pool2d(x, {3, 5});
     })},
    {"adaptive_max_pool3d", of([](T x) {
       return adaptive_max_pool3d(x, {2, 3, 1});
     })},
    {"lp_pool1d", of([](T x) { return lp_pool1d(x, {.kernel_size = 3, .stride = 2, .ceil_mode = true}); })},
    {"lp_pool2d", of([](T x) {
       return lp_pool2d(abs(x), {.norm_type = 1.5, .kernel_size = {2, 3}});
     })},
    {"lp_pool2d_infinity", of([](T x) { return lp_pool2d(x, {.norm_type = kInf, .stride = 1}); })},
    {"lp_pool3d_zeros", of([](T x) {
       const Tensor first = slice(slice(x, 1, 0, 1), 2, 0, 1);
       return lp_pool3d(x * to(gt(first, Tensor(Array::zeros({}, x.dtype()))), x.dtype()), {});
     })},
};

const std::vector<std::pair<std::string, Function>> kPlaces = {
    {"max_pool1d_indices",
     with_indices([](T x) { return max_pool1d_with_indices(x, {.kernel_size = 3, .stride = 1, .padding = 1}); })},
    {"max_pool2d_indices", with_indices([](T x) { return max_pool2d_with_indices(x, {}); })},
    {"max_pool2d_indices_wide",
     with_indices([](T x) { return max_pool2d_with_indices(x, {.kernel_size = 3, .stride = 2, .padding = 1}); })},
    {"max_pool2d_indices_dilated", with_indices([](T x) {
       return max_pool2d_with_indices(x,
                                      {.kernel_size = 2, .stride = 1, .padding = 1, .dilation = 2, .ceil_mode = true});
     })},
    {"max_pool3d_indices", with_indices([](T x) {
       return max_pool3d_with_indices(x, {.kernel_size = {2, 3, 2}, .stride = 2, .padding = {0, 1, 1}});
     })},
    {"adaptive_max_pool1d_indices", with_indices([](T x) { return adaptive_max_pool1d_with_indices(x, 3); })},
    {"adaptive_max_pool2d_indices", with_indices([](T x) {
       return adaptive_max_pool2d_with_indices(x, {2, 0});
     })},
    {"adaptive_max_pool3d_indices", with_indices([](T x) { return adaptive_max_pool3d_with_indices(x, 2); })},
    {"max_unpool1d", unpooled([](T x, T places) { return max_unpool1d(x, places, {}); })},
    {"max_unpool2d", unpooled([](T x, T places) {
       return max_unpool2d(x, places, {.kernel_size = 3, .stride = 2, .padding = 1}, Size2(6, 7));
     })},
    {"max_unpool2d_whole_shape", unpooled([](T x, T places) { return max_unpool2d(x, places, {}, Size2(5, 4)); })},
    {"max_unpool3d", unpooled([](T x, T places) {
       return max_unpool3d(x, places, {.kernel_size = {1, 2, 2}}, SizeND<3>(3, 5, 4));
     })},
};

const std::vector<std::pair<std::string, Function>> kInterpolations = {
    {"nearest1d", resized({.size = {7}})},
    {"nearest2d", resized({.scale_factor = {2}})},
    {"nearest2d_smaller", resized({.size = {2, 3}})},
    {"nearest3d", resized({.scale_factor = {2, 1.5, 0.6}})},
    {"nearest_exact1d", resized({.size = {3}, .mode = kExact})},
    {"nearest_exact2d", resized({.scale_factor = {2.5, 0.7}, .mode = kExact})},
    {"nearest_exact3d", resized({.size = {3, 1, 4}, .mode = kExact})},
    {"linear", resized({.size = {9}, .mode = kLinear})},
    {"linear_corners", resized({.size = {9}, .mode = kLinear, .align_corners = true})},
    {"linear_factor", resized({.scale_factor = {2.3}, .mode = kLinear})},
    {"linear_recomputed", resized({.scale_factor = {2.3}, .mode = kLinear, .recompute_scale_factor = true})},
    {"bilinear", resized({.scale_factor = {2}, .mode = kBilinear})},
    {"bilinear_smaller", resized({.size = {3, 2}, .mode = kBilinear})},
    {"bilinear_corners", resized({.size = {5, 1}, .mode = kBilinear, .align_corners = true})},
    {"bilinear_one_cell", resized({.size = {3, 4}, .mode = kBilinear})},
    {"bilinear_same_height", resized({.size = {3, 7}, .mode = kBilinear})},
    {"trilinear", resized({.size = {3, 4, 5}, .mode = kTrilinear})},
    {"trilinear_corners", resized({.scale_factor = {1.7}, .mode = kTrilinear, .align_corners = true})},
    {"bicubic", resized({.scale_factor = {2}, .mode = kBicubic})},
    {"bicubic_smaller", resized({.size = {3, 4}, .mode = kBicubic})},
    {"bicubic_corners", resized({.size = {6, 7}, .mode = kBicubic, .align_corners = true})},
    {"bicubic_factor", resized({.scale_factor = {1.3, 0.9}, .mode = kBicubic})},
    {"area1d", resized({.scale_factor = {0.6}, .mode = kArea})},
    {"area2d", resized({.size = {3, 7}, .mode = kArea})},
    {"area3d", resized({.size = {2}, .mode = kArea})},
};

/// Rows of many cells in float32, with the result in both dtypes.
const std::vector<std::pair<std::string, InterpolateOptions>> kRows = {
    {"row_nearest", {.scale_factor = {2.7}}},
    {"row_nearest_smaller", {.size = {83}}},
    {"row_nearest_exact", {.size = {97}, .mode = kExact}},
    {"row_linear", {.size = {777}, .mode = kLinear}},
    {"row_linear_factor", {.scale_factor = {1.37}, .mode = kLinear}},
    {"row_linear_corners", {.size = {999}, .mode = kLinear, .align_corners = true}},
};

TEST_CASE("pools, places and interpolation equal PyTorch's") {
  std::vector<std::pair<std::string, Function>> all = kPools;
  all.insert(all.end(), kPlaces.begin(), kPlaces.end());
  all.insert(all.end(), kInterpolations.begin(), kInterpolations.end());
  std::set<std::string> rows;
  for (const auto& [name, options] : kRows) {
    rows.insert(name);
  }
  const auto check = [](FixtureCase& one, const Function& f) {
    const Tensor x = one.input("x", true);
    const MaxPooled result = f(x, one.input("places"));
    one.check(result.values.array(), "y");
    if (result.indices.defined()) {
      CHECK(result.indices.dtype() == DType::int64);
      CHECK_FALSE(result.indices.requires_grad());
      one.check(result.indices.array(), "indices");
    }
    result.values.backward(one.input("dy"));
    one.check(x.grad().array(), "dx");
  };
  replay("pool_nd.safetensors", all, {}, check, "", rows);
}

TEST_CASE("places and weights of long rows are those of each dtype's arithmetic") {
  const Fixture fixture("pool_nd.safetensors");
  for (const auto& [name, options] : kRows) {
    const Tensor x(fixture.at(name + "/x"));
    check_close(interpolate(x, options).array(), fixture.at(name + "/y32"), 2e-7, name);
    check_close(interpolate(to(x, DType::float64), options).array(), fixture.at(name + "/y64"), 1e-14, name);
  }
}

TEST_CASE("an empty batch takes no memory, however large its planes become") {
  const std::int64_t cells = std::int64_t{1} << 50;
  CHECK(interpolate(zeros({0, 1, 4}), {.size = {cells}, .mode = Interpolation::linear}).shape() == Shape{0, 1, cells});
  CHECK_THROWS_AS(adaptive_max_pool1d(zeros({1, 1, 4}), std::int64_t{1} << 42), std::exception);
}

}  // namespace
}  // namespace evenkeel::test
