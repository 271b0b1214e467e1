#include "evenkeel/core/row_function.hpp"

#include "evenkeel/core/parallel.hpp"

#include <vector>

namespace evenkeel::detail {
namespace {

using kernels::RowNumbers;

/// The parameters' values in double.
class Numbers {
 public:
  Numbers(std::span<const Array> parameters, std::span<const double> defaults) : defaults_(defaults) {
    for (const Array& p : parameters) {
      values_.push_back(p.defined() ? p.to(DType::float64).contiguous() : Array());
    }
  }

  template <class T>
  RowNumbers<T> of_row(std::int64_t r) const {
    RowNumbers<T> row{};
    for (std::size_t k = 0; k < values_.size(); ++k) {
      const Array& values = values_[k];
      const double value = values.defined() ? values.data<double>()[r % values.numel()] : defaults_[k];
      row.p[k] = static_cast<T>(value);
      row.low = k == 0 ? static_cast<T>(value - static_cast<double>(row.p[0])) : row.low;
    }
    return row;
  }

 private:
  std::span<const double> defaults_;
  std::vector<Array> values_;
};

/// body(row, its first element) for all rows of x, shared out among the threads.
template <class F>
void for_each_row(const Array& x, std::int64_t inner, const F& body) {
  const std::int64_t rows = x.numel() == 0 ? 0 : x.numel() / inner;
  const std::int64_t grain = grain_of(inner);
  parallel_for(0, rows, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      body(r, r * inner);
    }
  });
}

/// A parameter's gradient from its terms, one for each row.
Array sum_of_rows(std::span<const double> terms, std::size_t k, std::size_t step, const Shape& shape) {
  std::vector<double> sums(static_cast<std::size_t>(numel(shape)));
  std::size_t at = 0;
  for (std::size_t i = k; i < terms.size(); i += step) {
    sums[at] += terms[i];
    at = at + 1 == sums.size() ? 0 : at + 1;
  }
  return Array::from(sums, shape);
}

}  // namespace

Array row_function(const RowFunction& f, const Array& x, std::int64_t inner, std::span<const Array> parameters,
                   Array* kept) {
  const Numbers numbers(parameters, f.defaults);
  const Array from = x.contiguous();
  Array y = Array::empty(x.shape(), x.dtype());
  if (kept != nullptr) {
    *kept = Array::empty(x.shape(), x.dtype());
  }
  dispatch_float(x.dtype(), "row function", [&]<class T>() {
    const T* px = from.data<T>();
    T* py = y.mutable_data<T>();
    T* pu = kept != nullptr ? kept->mutable_data<T>() : nullptr;
    for_each_row(x, inner, [&](std::int64_t r, std::int64_t i) {
      kernels::row_function<T>(f.op, inner, px + i, py + i, pu ? pu + i : nullptr, numbers.of_row<T>(r));
    });
  });
  return y;
}

void row_function_gradient(const RowFunction& f, const Array& x, std::int64_t inner, std::span<const Array> parameters,
                           const Array& kept, const Array& dy, Array& dx, std::span<Array> dp) {
  const std::size_t count = f.defaults.size();
  const Numbers numbers(parameters, f.defaults);
  const Array from = x.contiguous(), dys = dy.contiguous();
  std::vector<double> terms(x.numel() == 0 ? 0 : static_cast<std::size_t>(x.numel() / inner) * count);
  dispatch_float(x.dtype(), "row function", [&]<class T>() {
    const T* px = from.data<T>();
    const T* pu = kept.defined() ? kept.data<T>() : nullptr;
    const T* pdy = dys.data<T>();
    T* pdx = dx.defined() ? dx.mutable_data<T>() : nullptr;
    for_each_row(x, inner, [&](std::int64_t r, std::int64_t i) {
      kernels::row_function_gradient<T>(f.op, inner, px + i, pu ? pu + i : nullptr, pdy + i, pdx ? pdx + i : nullptr,
                                        numbers.of_row<T>(r), terms.data() + static_cast<std::size_t>(r) * count);
    });
  });
  for (std::size_t k = 0; k < count; ++k) {
    if (dp[k].defined()) {
      dp[k].copy_(sum_of_rows(terms, k, count, dp[k].shape()));
    }
  }
}

}  // namespace evenkeel::detail
