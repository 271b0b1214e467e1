#include "evenkeel/core/shape.hpp"

#include <ostream>

namespace evenkeel {

Shape::Shape(std::span<const std::int64_t> values) {
  require<ShapeError>(values.size() <= kMaxRank, "shape", "at most ", kMaxRank, " dims are supported, got ",
                      values.size());
  std::copy(values.begin(), values.end(), values_.begin());
  rank_ = static_cast<int>(values.size());
}

Shape Shape::filled(int rank, std::int64_t value) {
  require<ShapeError>(rank >= 0 && rank <= kMaxRank, "shape", "the rank must lie in 0..", kMaxRank, ", got ", rank);
  Shape result;
  result.rank_ = rank;
  std::fill(result.begin(), result.end(), value);
  return result;
}

void Shape::push_back(std::int64_t value) { insert(rank_, value); }

void Shape::insert(int i, std::int64_t value) {
  require<ShapeError>(rank_ < kMaxRank, "shape", "at most ", kMaxRank, " dims are supported, got one more than ",
                      *this);
  require<IndexError>(i >= 0 && i <= rank_, "shape", "can't insert at position ", i, " of ", *this);
  std::copy_backward(begin() + i, end(), end() + 1);
  ++rank_;
  (*this)[i] = value;
}

void Shape::erase(int i) {
  require<IndexError>(i >= 0 && i < rank_, "shape", "can't erase position ", i, " of ", *this);
  std::copy(begin() + i + 1, end(), begin() + i);
  --rank_;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.rank(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }

std::int64_t numel(const Shape& shape, std::string_view op) {
  std::int64_t product = 1;
  bool none = false;
  for (std::int64_t size : shape) {
    require<ShapeError>(size >= 0, op, "negative size ", size, " in shape ", shape);
    none = none || size == 0;
    // Zeros count as one here, so that the strides of an empty array fit as well.
    require<ShapeError>(!__builtin_mul_overflow(product, std::max<std::int64_t>(size, 1), &product), op, "shape ",
                        shape, " has more elements than 64-bit integers can count");
  }
  return none ? 0 : product;
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides = Shape::filled(shape.rank(), 1);
  for (int d = shape.rank() - 2; d >= 0; --d) {
    strides[d] = strides[d + 1] * std::max<std::int64_t>(shape[d + 1], 1);
  }
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op) {
  if (a == b) {
    return a;
  }
  Shape result = a.rank() >= b.rank() ? a : b;
  for (int back = 1; back <= std::min(a.rank(), b.rank()); ++back) {
    const std::int64_t size_a = a[a.rank() - back];
    const std::int64_t size_b = b[b.rank() - back];
    const int dim = result.rank() - back;
    require<ShapeError>(size_a == size_b || size_a == 1 || size_b == 1, op, "The size of tensor a (", size_a,
                        ") must match the size of tensor b (", size_b, ") at non-singleton dimension ", dim,
                        "; shapes are ", a, " and ", b);
    result[dim] = size_a == 1 ? size_b : size_a;
  }
  return result;
}

int normalize_dim(std::int64_t dim, int rank, std::string_view op) {
  const std::int64_t range = std::max(rank, 1);
  require<IndexError>(dim >= -range && dim < range, op, "Dimension out of range (expected to be in range of [", -range,
                      ", ", range - 1, "], but got ", dim, ")");
  return static_cast<int>(dim < 0 ? dim + range : dim);
}

Dims normalize_dims(const Dims& dims, int rank, std::string_view op) {
  std::array<bool, Shape::kMaxRank> wanted{};
  for (std::int64_t dim : dims) {
    bool& flag = wanted[static_cast<std::size_t>(normalize_dim(dim, rank, op))];
    require(!flag, op, "dim ", dim, " appears multiple times in the list of dims ", dims);
    flag = true;
  }
  Dims result;
  for (int d = 0; d < rank; ++d) {
    if (dims.empty() || wanted[static_cast<std::size_t>(d)]) {
      result.push_back(d);
    }
  }
  return result;
}

Shape reduced_shape(const Shape& shape, const Dims& dims, bool keepdim) {
  Shape result = shape;
  for (int i = dims.rank() - 1; i >= 0; --i) {
    const int d = static_cast<int>(dims[i]);
    if (keepdim) {
      result[d] = 1;
    } else {
      result.erase(d);
    }
  }
  return result;
}

}  // namespace evenkeel
