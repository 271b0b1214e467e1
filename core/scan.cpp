#include "evenkeel/core/scan.hpp"

#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

namespace evenkeel {
namespace {

constexpr std::int64_t kCarriedColumns = 64;  // that are carried on together

/// Contiguous arrays as [outer][size][inner].
struct ScanView {
  std::int64_t outer = 1, size = 1, inner = 1;
  bool reverse = false;
};

/// The columns [column, column + count) of one outer index, from their first elements on.
template <class T>
void scan_columns(const ScanView& view, std::int64_t outer, std::int64_t column, std::int64_t count, const T* a,
                  const T* b, T* s) {
  using Carried = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
  std::array<Carried, kCarriedColumns> carried{};
  for (std::int64_t k = 0; k < view.size; ++k) {
    const std::int64_t row = view.reverse ? view.size - 1 - k : k;
    const std::int64_t at = (outer * view.size + row) * view.inner + column;
    for (std::int64_t c = 0; c < count; ++c) {
      Carried& sum = carried[static_cast<std::size_t>(c)];
      const auto next = static_cast<Carried>(b[at + c]);
      sum = k == 0 ? next : next + (a == nullptr ? sum : static_cast<Carried>(a[at + c]) * sum);
      s[at + c] = static_cast<T>(sum);
    }
  }
}

template <class T>
void scan(const ScanView& view, const T* a, const T* b, T* s) {
  parallel_for(0, view.outer * view.inner, grain_of(view.size), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t at = first, next = first; at < last; at = next) {
      const std::int64_t outer = at / view.inner, column = at % view.inner;
      next = std::min({last, at + kCarriedColumns, (outer + 1) * view.inner});
      scan_columns(view, outer, column, next - at, a, b, s);
    }
  });
}

}  // namespace

Array linear_scan(const Array& a, const Array& b, std::int64_t dim, bool reverse) {
  const int d = normalize_dim(dim, b.rank(), "linear_scan");
  require<ShapeError>(!a.defined() || a.shape() == b.shape(), "linear_scan", "both arrays must have one shape, got ",
                      a.defined() ? a.shape() : Shape{}, " and ", b.shape());
  require<DtypeError>(!a.defined() || a.dtype() == b.dtype(), "linear_scan", "both arrays must have one dtype, got ",
                      a.defined() ? a.dtype() : b.dtype(), " and ", b.dtype());
  ScanView view{.reverse = reverse};
  for (int i = 0; i < b.rank(); ++i) {
    (i < d ? view.outer : i == d ? view.size : view.inner) *= b.shape()[i];
  }
  const Array factors = a.defined() ? a.contiguous() : a, terms = b.contiguous();
  Array s = Array::empty(b.shape(), b.dtype());
  const auto run = [&]<class T>() {
    scan(view, factors.defined() ? factors.data<T>() : nullptr, terms.data<T>(), s.mutable_data<T>());
  };
  if (b.dtype() == DType::int64) {
    run.operator()<std::int64_t>();
  } else {
    dispatch_float(b.dtype(), "linear_scan", run);
  }
  return s;
}

}  // namespace evenkeel
