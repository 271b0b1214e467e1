#include "evenkeel/autograd/ops/lp_pool.hpp"

#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/pool_windows.hpp"

#include <cmath>

namespace evenkeel {
namespace {

constexpr std::array<std::string_view, 3> kLPPool{"lp_pool1d", "lp_pool2d", "lp_pool3d"};

}  // namespace

template <int D>
void check_pool(std::string_view op, const LPPoolOptions<D>& o) {
  check_pool(op, MaxPoolOptions<D>{.kernel_size = o.kernel_size, .stride = o.stride});
  require(o.norm_type != 0 && !std::isnan(o.norm_type), op, "norm_type must be a number other than 0, got ",
          o.norm_type);
}

template <int D>
Tensor lp_pool(const Tensor& x, const LPPoolOptions<D>& o) {
  check_pool(kLPPool[D - 1], o);
  check_pool_input(kLPPool[D - 1], x, D);
  if (std::isinf(o.norm_type)) {
    const double sign = o.norm_type > 0 ? 1 : -1;
    return max_pool<D>(abs(x) * sign, {.kernel_size = o.kernel_size, .stride = o.stride, .ceil_mode = o.ceil_mode}) *
           sign;
  }
  const Tensor mean =
      avg_pool<D>(pow(x, o.norm_type), {.kernel_size = o.kernel_size, .stride = o.stride, .ceil_mode = o.ceil_mode});
  double cells = 1;
  for (int axis = 0; axis < D; ++axis) {
    cells *= static_cast<double>(o.kernel_size[axis]);
  }
  const Tensor total = where(eq(mean, constant(0, mean)), constant(0, mean), mean) * cells;
  return pow(total, 1 / o.norm_type);
}

template void check_pool(std::string_view, const LPPoolOptions<1>&);
template void check_pool(std::string_view, const LPPoolOptions<2>&);
template void check_pool(std::string_view, const LPPoolOptions<3>&);
template Tensor lp_pool(const Tensor&, const LPPoolOptions<1>&);
template Tensor lp_pool(const Tensor&, const LPPoolOptions<2>&);
template Tensor lp_pool(const Tensor&, const LPPoolOptions<3>&);

}  // namespace evenkeel
