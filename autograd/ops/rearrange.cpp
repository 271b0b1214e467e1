#include "evenkeel/autograd/ops/rearrange.hpp"

#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/array_ops.hpp"

#include <algorithm>

namespace evenkeel {
namespace {

/// The gradients of parts, zeros for those that nobody used.
std::vector<Tensor> gradients_of_parts(const std::vector<Tensor>& dys, const std::vector<Shape>& shapes) {
  std::vector<Tensor> all = dys;
  const auto used = std::find_if(dys.begin(), dys.end(), [](const Tensor& dy) { return dy.defined(); });
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = all[i].defined() ? all[i] : zeros(shapes[i], {.dtype = used->dtype()});
  }
  return all;
}

std::vector<Shape> shapes_of_parts(const std::vector<Array>& parts) {
  std::vector<Shape> shapes;
  shapes.reserve(parts.size());
  for (const Array& part : parts) {
    shapes.push_back(part.shape());
  }
  return shapes;
}

std::int64_t size_along(std::string_view op, const Tensor& x, std::int64_t dim) {
  check_defined(op, x);
  require<ShapeError>(x.rank() > 0, op, "expects at least a 1-dimensional tensor, got shape []");
  return x.shape()[normalize_dim(dim, x.rank(), op)];
}

/// dx = the dys one after the other
std::vector<Tensor> parts_of(std::string_view op, const Tensor& x, const std::vector<std::int64_t>& sizes, int dim) {
  std::vector<Array> parts;
  parts.reserve(sizes.size());
  for (std::int64_t at = 0; const std::int64_t size : sizes) {
    parts.push_back(x.array().slice(dim, at, at + size));
    at += size;
  }
  const std::vector<Shape> shapes = shapes_of_parts(parts);
  return record({.name = op, .inputs = {x}, .view = true}, std::move(parts),
                [dim, shapes](const Saved&, const std::vector<Tensor>& dys) -> Grads {
                  return {cat(gradients_of_parts(dys, shapes), dim)};
                });
}

/// dim repeated: (before, 1, behind) stretched to (before, times, behind).
Tensor repeated(const Tensor& x, int dim, std::int64_t times) {
  Shape shape = x.shape();
  std::int64_t before = 1, behind = 1;
  for (int d = 0; d < x.rank(); ++d) {
    (d < dim ? before : behind) *= shape[d];
  }
  shape[dim] *= times;
  return reshape(expand(reshape(x, {before, 1, behind}), {before, times, behind}), shape);
}

/// Where column - row - diagonal is no larger (lower) or no smaller (upper) than 0.
Tensor triangle(std::string_view op, const Tensor& x, std::int64_t diagonal, bool lower) {
  check_defined(op, x);
  require<ShapeError>(x.rank() >= 2, op, "input tensor must have at least 2 dimensions, got shape ", x.shape());
  const auto count = [](std::int64_t n) { return arange(0, static_cast<double>(n), 1, {.dtype = DType::int64}); };
  const Tensor columns = count(x.size(-1)), rows = unsqueeze(count(x.size(-2)), 1);
  // A diagonal beyond the corners is as good as one at them, and does not overflow.
  const Tensor shifted = rows + constant(static_cast<double>(std::clamp(diagonal, -x.size(-2), x.size(-1))), rows);
  return where(lower ? le(columns, shifted) : ge(columns, shifted), x, constant(0, x));
}

/// x's dims in front of the last three as one.
Tensor as_images(const Tensor& x) {
  std::int64_t count = 1;
  for (int d = 0; d < x.rank() - 3; ++d) {
    count *= x.shape()[d];
  }
  return reshape(x, {count, x.size(-3), x.size(-2), x.size(-1)});
}

void check_images(std::string_view op, const Tensor& x, std::string_view argument, std::int64_t factor) {
  check_defined(op, x);
  require<ShapeError>(x.rank() >= 3, op, "expects input to have at least 3 dimensions, but got input with ", x.rank(),
                      " dimension(s)");
  require(factor > 0, op, argument, " must be positive, got ", factor);
}

Tensor with_image(const Tensor& y, const Tensor& x, std::int64_t channels, std::int64_t height, std::int64_t width) {
  Shape shape = x.shape();
  const int rank = shape.rank();
  shape[rank - 3] = channels;
  shape[rank - 2] = height;
  shape[rank - 1] = width;
  return reshape(y, shape);
}

}  // namespace

std::vector<Tensor> split(const Tensor& x, std::int64_t split_size, std::int64_t dim) {
  const std::int64_t size = size_along("split", x, dim);
  require(split_size > 0 || (split_size == 0 && size == 0), "split",
          "split_size must be non-negative, and 0 only where the size is 0, got ", split_size, " for size ", size);
  std::vector<std::int64_t> sizes;
  for (std::int64_t at = 0; at < size || sizes.empty(); at += split_size) {
    sizes.push_back(std::min(split_size, size - at));
  }
  return split(x, sizes, dim);
}

std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& split_sizes, std::int64_t dim) {
  const std::int64_t size = size_along("split", x, dim);
  std::int64_t rest = size;
  for (const std::int64_t part : split_sizes) {
    require(part >= 0, "split", "split_sizes must have only non-negative entries, got ", part);
    require<ShapeError>(part <= rest, "split", "split_sizes must sum exactly to ", size, " for shape ", x.shape(),
                        ", got more");
    rest -= part;
  }
  require<ShapeError>(rest == 0, "split", "split_sizes must sum exactly to ", size, " for shape ", x.shape(), ", got ",
                      size - rest);
  return parts_of("split", x, split_sizes, normalize_dim(dim, x.rank(), "split"));
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim) {
  const std::int64_t size = size_along("chunk", x, dim);
  require(chunks > 0, "chunk", "chunks must be greater than 0, got ", chunks);
  if (size == 0) {
    return split(x, std::vector<std::int64_t>(static_cast<std::size_t>(chunks), 0), dim);
  }
  return split(x, (size - 1) / chunks + 1, dim);
}

/// dx = the dys stacked
std::vector<Tensor> unbind(const Tensor& x, std::int64_t dim) {
  const std::int64_t size = size_along("unbind", x, dim);
  const int d = normalize_dim(dim, x.rank(), "unbind");
  std::vector<Array> parts;
  parts.reserve(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i) {
    parts.push_back(x.array().select(d, i));
  }
  const std::vector<Shape> shapes = shapes_of_parts(parts);
  return record({.name = "unbind", .inputs = {x}, .view = true}, std::move(parts),
                [d, shapes](const Saved&, const std::vector<Tensor>& dys) -> Grads {
                  return {stack(gradients_of_parts(dys, shapes), d)};
                });
}

Tensor unflatten(const Tensor& x, std::int64_t dim, const Shape& sizes) {
  const std::int64_t size = size_along("unflatten", x, dim);
  const int d = normalize_dim(dim, x.rank(), "unflatten");
  require<ShapeError>(!sizes.empty(), "unflatten", "sizes must be non-empty, got []");
  Shape known;
  for (const std::int64_t each : sizes) {
    if (each != -1) {
      known.push_back(each);
    }
  }
  const std::int64_t product = numel(known, "unflatten");
  const bool all_known = known.rank() == sizes.rank();
  const bool one_left = known.rank() + 1 == sizes.rank() && product > 0 && size % product == 0;
  require<ShapeError>(all_known ? product == size : one_left, "unflatten", "sizes ", sizes,
                      " must multiply up to the size of dim ", d, ", with one -1 at most, got ", size,
                      " in the input of shape ", x.shape());
  Shape shape = x.shape();
  shape.erase(d);
  for (int i = 0; i < sizes.rank(); ++i) {
    shape.insert(d + i, sizes[i] == -1 ? size / product : sizes[i]);
  }
  return reshape(x, shape);
}

Tensor movedim(const Tensor& x, const Dims& source, const Dims& destination) {
  check_defined("movedim", x);
  require<ShapeError>(source.rank() == destination.rank(), "movedim",
                      "Invalid source or destination dims: both must have one length, got ", source, " and ",
                      destination);
  Dims order = Dims::filled(x.rank(), -1);
  std::vector<bool> moved(static_cast<std::size_t>(x.rank()), false);
  for (int i = 0; i < source.rank(); ++i) {
    const int from = normalize_dim(source[i], x.rank(), "movedim");
    const int to = normalize_dim(destination[i], x.rank(), "movedim");
    if (x.rank() == 0) {
      continue;
    }
    require(!moved[static_cast<std::size_t>(from)] && order[to] == -1, "movedim", "dims must not repeat, got ", source,
            " and ", destination);
    moved[static_cast<std::size_t>(from)] = true;
    order[to] = from;
  }
  for (int from = 0, to = 0; from < x.rank(); ++from) {
    if (!moved[static_cast<std::size_t>(from)]) {
      while (order[to] != -1) {
        ++to;
      }
      order[to] = from;
    }
  }
  return permute(x, order);
}

Tensor movedim(const Tensor& x, std::int64_t source, std::int64_t destination) {
  return movedim(x, Dims{source}, Dims{destination});
}

Tensor repeat(const Tensor& x, const Shape& repeats) {
  check_defined("repeat", x);
  const int added = repeats.rank() - x.rank();
  require<ShapeError>(
      added >= 0, "repeat",
      "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor, got ", repeats,
      " for shape ", x.shape());
  for (const std::int64_t times : repeats) {
    require(times >= 0, "repeat", "repeats must not be negative, got ", repeats);
  }
  Shape shape = Shape::filled(added, 1);
  for (const std::int64_t size : x.shape()) {
    shape.push_back(size);
  }
  Tensor y = reshape(x, shape);
  for (int d = repeats.rank() - 1; d >= 0; --d) {
    y = repeats[d] == 1 ? y : repeated(y, d, repeats[d]);
  }
  y = contiguous(y);
  return y.array().shares_storage(x.array()) ? clone(y) : y;
}

Tensor tile(const Tensor& x, const Shape& reps) {
  check_defined("tile", x);
  Shape all = reps;
  while (all.rank() < x.rank()) {
    all.insert(0, 1);
  }
  return repeat(x, all);
}

/// dx = dy, flipped
Tensor flip(const Tensor& x, const Dims& dims) {
  check_defined("flip", x);
  const Dims flipped = dims.empty() ? dims : normalize_dims(dims, x.rank(), "flip");
  return record({.name = "flip", .inputs = {x}}, flip(x.array(), flipped),
                [flipped](const Saved&, const Tensor& dy) -> Grads { return {flip(dy, flipped)}; });
}

/// dx = dy, rolled back
Tensor roll(const Tensor& x, const Shape& shifts, const Dims& dims) {
  check_defined("roll", x);
  if (dims.empty() && shifts.rank() == 1) {
    return reshape(roll(flatten(x), shifts, {0}), x.shape());
  }
  require<ShapeError>(shifts.rank() == dims.rank() && !dims.empty(), "roll", "shifts and dimensions must align, got ",
                      shifts, " and ", dims);
  Array y = x.array();
  Shape back = shifts;
  for (int i = 0; i < dims.rank(); ++i) {
    const int d = normalize_dim(dims[i], x.rank(), "roll");
    const std::int64_t size = x.size(d);
    const std::int64_t shift = size == 0 ? 0 : (shifts[i] % size + size) % size;
    back[i] = -shift;
    y = concat_arrays({y.slice(d, size - shift, size), y.slice(d, 0, size - shift)}, d);
  }
  return record({.name = "roll", .inputs = {x}}, std::move(y),
                [back, dims](const Saved&, const Tensor& dy) -> Grads { return {roll(dy, back, dims)}; });
}

Tensor tril(const Tensor& x, std::int64_t diagonal) { return triangle("tril", x, diagonal, true); }

Tensor triu(const Tensor& x, std::int64_t diagonal) { return triangle("triu", x, diagonal, false); }

Tensor pixel_shuffle(const Tensor& x, std::int64_t upscale_factor) {
  const std::int64_t r = upscale_factor;
  check_images("pixel_shuffle", x, "upscale_factor", r);
  const std::int64_t channels = x.size(-3) / r / r, height = x.size(-2), width = x.size(-1);
  require<ShapeError>(x.size(-3) == channels * r * r, "pixel_shuffle",
                      "expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
                      "input.size(-3)=",
                      x.size(-3), " is not divisible by ", r, " * ", r);
  const Tensor images = as_images(x);
  const Tensor split_up = reshape(images, {images.size(0), channels, r, r, height, width});
  return with_image(permute(split_up, {0, 1, 4, 2, 5, 3}), x, channels, height * r, width * r);
}

Tensor pixel_unshuffle(const Tensor& x, std::int64_t downscale_factor) {
  const std::int64_t r = downscale_factor;
  check_images("pixel_unshuffle", x, "downscale_factor", r);
  const std::int64_t channels = x.size(-3), height = x.size(-2) / r, width = x.size(-1) / r;
  require<ShapeError>(x.size(-2) == height * r, "pixel_unshuffle",
                      "expects height to be divisible by downscale_factor, but input.size(-2)=", x.size(-2),
                      " is not divisible by ", r);
  require<ShapeError>(x.size(-1) == width * r, "pixel_unshuffle",
                      "expects width to be divisible by downscale_factor, but input.size(-1)=", x.size(-1),
                      " is not divisible by ", r);
  const Tensor images = as_images(x);
  const Tensor split_up = reshape(images, {images.size(0), channels, height, r, width, r});
  return with_image(permute(split_up, {0, 1, 3, 5, 2, 4}), x, channels * r * r, height, width);
}

}  // namespace evenkeel
