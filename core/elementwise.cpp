#include "evenkeel/core/elementwise.hpp"

#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/strided.hpp"

#include <atomic>
#include <bit>
#include <cmath>
#include <type_traits>

namespace evenkeel {
namespace {

using kernels::Repeat;

constexpr std::int64_t kShortRun = 16;  // shorter runs are gathered, many at a time
constexpr std::int64_t kGather = 512;   // elements per operand in the gather buffers

template <class T>
struct Inputs {
  StridedLoop<2> loop;
  const T* a;
  const T* b;
};

/// Copies the elements [first, last) of both operands' walks into buffers.
template <class T>
void gather(const Inputs<T>& in, std::int64_t first, std::int64_t last, T* a, T* b) {
  const std::int64_t step_a = in.loop.strides[0].back();
  const std::int64_t step_b = in.loop.strides[1].back();
  for_each_run(in.loop, first, last, [&](const std::array<std::int64_t, 2>& offsets, std::int64_t count) {
    const T* from_a = in.a + offsets[0];
    const T* from_b = in.b + offsets[1];
    for (std::int64_t i = 0; i < count; ++i) {
      a[i] = from_a[i * step_a];
      b[i] = from_b[i * step_b];
    }
    a += count;
    b += count;
  });
}

/// Calls run(repeat, n, a, b, y) until the elements [first, last) of y, contiguous, are done.
template <class T, class Y, class Run>
void run_chunk(const Inputs<T>& in, std::int64_t first, std::int64_t last, Y* y, const Run& run) {
  const std::int64_t step_a = in.loop.strides[0].back();
  const std::int64_t step_b = in.loop.strides[1].back();
  const bool direct = (step_a == 1 && (step_b == 1 || step_b == 0)) || (step_a == 0 && step_b == 1);
  if (direct && in.loop.shape.back() >= kShortRun) {
    const Repeat repeat = step_a == 0 ? Repeat::left : step_b == 0 ? Repeat::right : Repeat::none;
    y += first;
    for_each_run(in.loop, first, last, [&](const std::array<std::int64_t, 2>& offsets, std::int64_t count) {
      run(repeat, count, in.a + offsets[0], in.b + offsets[1], y);
      y += count;
    });
    return;
  }
  alignas(64) T a[kGather];
  alignas(64) T b[kGather];
  for (std::int64_t i = first; i < last; i += kGather) {
    const std::int64_t end = std::min(i + kGather, last);
    gather(in, i, end, a, b);
    run(Repeat::none, end - i, a, b, y + i);
  }
}

/// y = run over a and b, broadcast to `shape`; y is contiguous.
template <class T, class Y, class Run>
void broadcast_run(const Shape& shape, const Array& a, const Array& b, Y* y, const Run& run) {
  const std::int64_t n = numel(shape);
  if (n == 0) {
    return;
  }
  if (a.shape() == shape && b.shape() == shape && a.is_contiguous() && b.is_contiguous()) {
    const T* pa = a.data<T>();
    const T* pb = b.data<T>();
    parallel_for(0, n, kElementGrain, [&](std::int64_t first, std::int64_t last) {
      run(Repeat::none, last - first, pa + first, pb + first, y + first);
    });
    return;
  }
  const Inputs<T> in{collapse<2>(shape, {a.expand(shape).strides(), b.expand(shape).strides()}), a.data<T>(),
                     b.data<T>()};
  parallel_for(0, n, kElementGrain, [&](std::int64_t first, std::int64_t last) { run_chunk(in, first, last, y, run); });
}

void require_equal_dtypes(std::string_view op, const Array& a, const Array& b) {
  require<DtypeError>(a.dtype() == b.dtype(), op, "operands must have one dtype, got ", a.dtype(), " and ", b.dtype(),
                      " (shapes ", a.shape(), " and ", b.shape(), ")");
}

/// f.operator()<T>() for the dtypes of arithmetic.
template <class F>
void dispatch_numbers(DType dtype, std::string_view op, const F& f) {
  if (dtype == DType::int64) {
    f.template operator()<std::int64_t>();
    return;
  }
  require<DtypeError>(is_floating(dtype), op, "dtype must be float32, float64 or int64, got ", dtype);
  dispatch_float(dtype, op, f);
}

/// An operand that an in-place op may read while it writes `target`, whatever memory they share.
Array separate(const Array& source, const Array& target) {
  const bool same_view =
      source.shape() == target.shape() && source.strides() == target.strides() && source.offset() == target.offset();
  return source.shares_storage(target) && !same_view ? source.clone() : source;
}

void zip_into(std::string_view name, std::size_t op, const Array& a, const Array& b, Array& y) {
  dispatch_numbers(a.dtype(), name, [&]<class T>() {
    broadcast_run<T>(y.shape(), a, b, y.mutable_data<T>(),
                     [op](Repeat repeat, std::int64_t n, const T* pa, const T* pb, T* py) {
                       kernels::binary(op, repeat, n, pa, pb, py);
                     });
  });
}

void map_into(std::string_view name, std::size_t op, const Array& x, Array& y, Scalars s) {
  dispatch_float(x.dtype(), name, [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.mutable_data<T>();
    parallel_for(0, x.numel(), kElementGrain, [&](std::int64_t first, std::int64_t last) {
      kernels::unary(op, last - first, px + first, py + first, s);
    });
  });
}

void map_gradient_into(std::string_view name, std::size_t op, const Array& dy, const Array& v, Array& dx, Scalars s) {
  dispatch_float(dy.dtype(), name, [&]<class T>() {
    const T* pdy = dy.data<T>();
    const T* pv = v.data<T>();
    T* pdx = dx.mutable_data<T>();
    parallel_for(0, dx.numel(), kElementGrain, [&](std::int64_t first, std::int64_t last) {
      kernels::unary_gradient(op, last - first, pdy + first, pv + first, pdx + first, s);
    });
  });
}

template <class T>
void select_run(const bool* c, const T* a, const T* b, const std::array<std::int64_t, 3>& step, std::int64_t n, T* y) {
  if (step[0] == 1 && step[1] == 1 && step[2] == 1) {
    for (std::int64_t i = 0; i < n; ++i) {
      const T left = a[i];
      const T right = b[i];
      y[i] = c[i] ? left : right;
    }
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = c[i * step[0]] ? a[i * step[1]] : b[i * step[2]];
  }
}

/// True if an exponent is all ones: NaN or infinity.
template <class T>
bool any_not_finite(const T* x, std::int64_t n) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits kExponent = sizeof(T) == 4 ? Bits{0x7F800000U} : static_cast<Bits>(0x7FF0000000000000ULL);
  Bits found = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    found |= static_cast<Bits>((std::bit_cast<Bits>(x[i]) & kExponent) == kExponent ? 1 : 0);
  }
  return found != 0;
}

}  // namespace

namespace detail {

Array map(std::string_view name, std::size_t op, const Array& x, Scalars s) {
  const Array input = x.contiguous();
  Array y = Array::empty(x.shape(), x.dtype());
  map_into(name, op, input, y, s);
  return y;
}

Array map_gradient(std::string_view name, std::size_t op, const Array& dy, const Array& v, Scalars s) {
  require_equal_dtypes(name, dy, v);
  require<ShapeError>(dy.shape() == v.shape(), name, "the gradient has shape ", dy.shape(), ", the value ", v.shape());
  Array dx = Array::empty(dy.shape(), dy.dtype());
  map_gradient_into(name, op, dy.contiguous(), v.contiguous(), dx, s);
  return dx;
}

void map_gradient_in_place(std::string_view name, std::size_t op, Array& dy, const Array& v, Scalars s) {
  require_equal_dtypes(name, dy, v);
  require<ShapeError>(dy.shape() == v.shape() && dy.is_contiguous(), name, "the gradient has shape ", dy.shape(),
                      ", strides ", dy.strides(), ", the value ", v.shape());
  map_gradient_into(name, op, dy, separate(v, dy).contiguous(), dy, s);
}

void map_in_place(std::string_view name, std::size_t op, Array& x, Scalars s) {
  if (x.is_contiguous()) {
    map_into(name, op, x, x, s);
  } else {
    x.copy_(map(name, op, x, s));
  }
}

Array zip(std::string_view name, std::size_t op, const Array& a, const Array& b) {
  require_equal_dtypes(name, a, b);
  Array y = Array::empty(broadcast_shapes(a.shape(), b.shape(), name), a.dtype());
  zip_into(name, op, a, b, y);
  return y;
}

void zip_in_place(std::string_view name, std::size_t op, Array& a, const Array& b) {
  require_equal_dtypes(name, a, b);
  const Shape shape = broadcast_shapes(a.shape(), b.shape(), name);
  require<ShapeError>(shape == a.shape(), name, "output with shape ", a.shape(), " doesn't match the broadcast shape ",
                      shape);
  if (a.is_contiguous()) {
    zip_into(name, op, a, separate(b, a), a);
  } else {
    a.copy_(zip(name, op, a, b));
  }
}

Array compare(std::string_view name, std::size_t op, const Array& a, const Array& b) {
  require_equal_dtypes(name, a, b);
  Array y = Array::empty(broadcast_shapes(a.shape(), b.shape(), name), DType::boolean);
  bool* py = y.mutable_data<bool>();
  dispatch_all(a.dtype(), [&]<class T>() {
    broadcast_run<T>(y.shape(), a, b, py, [op](Repeat repeat, std::int64_t n, const T* pa, const T* pb, bool* out) {
      kernels::compare(op, repeat, n, pa, pb, out);
    });
  });
  return y;
}

}  // namespace detail

Array where(const Array& condition, const Array& a, const Array& b) {
  require<DtypeError>(condition.dtype() == DType::boolean, "where", "the condition must be bool, got ",
                      condition.dtype());
  require_equal_dtypes("where", a, b);
  const Shape shape = broadcast_shapes(condition.shape(), broadcast_shapes(a.shape(), b.shape(), "where"), "where");
  Array y = Array::empty(shape, a.dtype());
  if (y.numel() == 0) {
    return y;
  }
  const auto loop =
      collapse<3>(shape, {condition.expand(shape).strides(), a.expand(shape).strides(), b.expand(shape).strides()});
  const bool* pc = condition.data<bool>();
  dispatch_all(a.dtype(), [&]<class T>() {
    const T* pa = a.data<T>();
    const T* pb = b.data<T>();
    T* py = y.mutable_data<T>();
    const std::array<std::int64_t, 3> steps{loop.strides[0].back(), loop.strides[1].back(), loop.strides[2].back()};
    parallel_for(0, y.numel(), kElementGrain, [&](std::int64_t first, std::int64_t last) {
      T* out = py + first;
      for_each_run(loop, first, last, [&](const std::array<std::int64_t, 3>& offsets, std::int64_t count) {
        select_run(pc + offsets[0], pa + offsets[1], pb + offsets[2], steps, count, out);
        out += count;
      });
    });
  });
  return y;
}

void add_scaled_(Array& a, const Array& b, double scale) {
  require_equal_dtypes("add_scaled_", a, b);
  require<ShapeError>(a.shape() == b.shape(), "add_scaled_", "shapes must be equal, got ", a.shape(), " and ",
                      b.shape());
  require(a.dtype() != DType::int64 || std::trunc(scale) == scale, "add_scaled_",
          "the scale of int64 must be whole, got ", scale);
  if (!a.is_contiguous()) {
    Array sum = a.clone();
    add_scaled_(sum, b, scale);
    a.copy_(sum);
    return;
  }
  const Array source = separate(b, a).contiguous();
  dispatch_numbers(a.dtype(), "add_scaled_", [&]<class T>() {
    const T* pb = source.data<T>();
    T* pa = a.mutable_data<T>();
    parallel_for(0, a.numel(), kElementGrain, [&](std::int64_t first, std::int64_t last) {
      kernels::add_scaled(last - first, static_cast<T>(scale), pb + first, pa + first);
    });
  });
}

bool all_finite(const Array& x) {
  if (!is_floating(x.dtype())) {
    return true;
  }
  const Array values = x.contiguous();
  std::atomic<bool> finite = true;
  dispatch_float(x.dtype(), "all_finite", [&]<class T>() {
    const T* px = values.data<T>();
    parallel_for(0, values.numel(), kElementGrain, [&](std::int64_t first, std::int64_t last) {
      if (finite.load(std::memory_order_relaxed) && any_not_finite(px + first, last - first)) {
        finite.store(false, std::memory_order_relaxed);
      }
    });
  });
  return finite;
}

}  // namespace evenkeel
