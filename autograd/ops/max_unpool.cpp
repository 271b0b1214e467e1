#include "evenkeel/autograd/ops/max_unpool.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/index.hpp"
#include "evenkeel/autograd/ops/pool_windows.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/index.hpp"

namespace evenkeel {
namespace {

constexpr std::array<std::string_view, 3> kMaxUnpool{"max_unpool1d", "max_unpool2d", "max_unpool3d"};

/// The outputs along each axis, `wanted` if that fits.
template <int D>
SizeND<D> unpooled_size(std::string_view op, const Tensor& x, const MaxUnpoolOptions<D>& o,
                        const std::optional<SizeND<D>>& wanted) {
  const SizeND<D> stride = o.stride.value_or(o.kernel_size);
  SizeND<D> size = 0;
  for (int axis = 0; axis < D; ++axis) {
    size[axis] = (x.size(axis - D) - 1) * stride[axis] - 2 * o.padding[axis] + o.kernel_size[axis];
  }
  for (int axis = 0; axis < D && wanted; ++axis) {
    const std::int64_t least = size[axis] - stride[axis], most = size[axis] + stride[axis];
    require(least < (*wanted)[axis] && (*wanted)[axis] < most && (*wanted)[axis] >= 0, op, "invalid output_size ",
            *wanted, " (dim ", axis, " must be between ", least, " and ", most, ")");
  }
  return wanted.value_or(size);
}

void check_indices(std::string_view op, const Tensor& x, const Tensor& indices) {
  require<DtypeError>(indices.dtype() == DType::int64, op,
                      "elements in indices should be type int64 but got: ", indices.dtype());
  require<ShapeError>(indices.shape() == x.shape(), op,
                      "Expected shape of indices to be same as that of the input tensor (", x.shape(),
                      ") but got indices tensor with shape: ", indices.shape());
}

}  // namespace

template <int D>
void check_pool(std::string_view op, const MaxUnpoolOptions<D>& o) {
  check_pool(op, MaxPoolOptions<D>{.kernel_size = o.kernel_size, .stride = o.stride, .padding = o.padding});
}

/// y[index] = x;  dx = dy[index]
template <int D>
Tensor max_unpool(const Tensor& x, const Tensor& indices, const MaxUnpoolOptions<D>& options,
                  const std::optional<SizeND<D>>& output_size) {
  constexpr std::string_view op = kMaxUnpool[D - 1];
  check_pool(op, options);
  check_pool_input(op, x, D);
  check_defined(op, indices);
  check_indices(op, x, indices);
  const SizeND<D> size = unpooled_size(op, x, options, output_size);
  const PoolSizes out(size);
  const Array places = indices.array().contiguous();
  const std::optional<std::int64_t> outside =
      kernels::find_outside(places.numel(), places.data<std::int64_t>(), out.cells());
  require<IndexError>(!outside, op, "Found an invalid max index: ", outside.value_or(0),
                      " (output volumes are of size ", size, ")");
  const Shape shape = out.put_into(x.shape(), D);
  Array value = Array::zeros(shape, x.dtype()).flatten(-D);
  scatter_(value, -1, places.flatten(-D), x.array().flatten(-D), op);
  return record({.name = op, .inputs = {x, indices}, .keep = Keep::input(1)}, value.reshape(shape),
                [shape = x.shape()](const Saved& saved, const Tensor& dy) -> Grads {
                  return {reshape(gather(flatten(dy, -D), -1, flatten(saved.input(1), -D)), shape), Tensor()};
                });
}

template void check_pool(std::string_view, const MaxUnpoolOptions<1>&);
template void check_pool(std::string_view, const MaxUnpoolOptions<2>&);
template void check_pool(std::string_view, const MaxUnpoolOptions<3>&);
template Tensor max_unpool(const Tensor&, const Tensor&, const MaxUnpoolOptions<1>&, const std::optional<SizeND<1>>&);
template Tensor max_unpool(const Tensor&, const Tensor&, const MaxUnpoolOptions<2>&, const std::optional<SizeND<2>>&);
template Tensor max_unpool(const Tensor&, const Tensor&, const MaxUnpoolOptions<3>&, const std::optional<SizeND<3>>&);

}  // namespace evenkeel
