#include "evenkeel/autograd/gradcheck.hpp"

#include "evenkeel/autograd/engine.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <stdexcept>

namespace evenkeel {

namespace {

constexpr int kMaxLines = 20;  // of the report, per kind of layout

using MultiFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;
using Values = std::vector<double>;

/// The same values, transposed and with gaps in memory: the strides are those of no contiguous array.
Array strided_copy(const Array& x) {
  Dims reversed;
  Shape shape;
  for (int d = x.rank() - 1; d >= 0; --d) {
    reversed.push_back(d);
    shape.push_back(x.shape()[d]);
  }
  shape.push_back(2);
  Array copy = Array::zeros(shape, x.dtype()).select(-1, 1).permute(reversed);
  copy.copy_(x);
  return copy;
}

/// Gives tensors another array of the same values for a scope; everybody who has the handle sees it.
class StridedScope {
 public:
  explicit StridedScope(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {
    for (Tensor& tensor : tensors_) {
      before_.push_back(tensor.array());
      tensor.mutable_array() = strided_copy(before_.back());
    }
  }
  ~StridedScope() {
    for (std::size_t i = 0; i < before_.size(); ++i) {
      tensors_[i].mutable_array() = before_[i];
    }
  }
  StridedScope(const StridedScope&) = delete;
  StridedScope& operator=(const StridedScope&) = delete;

 private:
  std::vector<Tensor> tensors_;
  std::vector<Array> before_;
};

/// Adds `step` to one element for a scope.
class Perturbation {
 public:
  Perturbation(Tensor tensor, const Shape& index, double step) : tensor_(std::move(tensor)) {
    for (int d = 0; d < index.rank(); ++d) {
      offset_ += index[d] * tensor_.array().strides()[d];
    }
    before_ = tensor_.array().data<double>()[offset_];
    tensor_.mutable_array().mutable_data<double>()[offset_] = before_ + step;
  }
  ~Perturbation() { tensor_.mutable_array().mutable_data<double>()[offset_] = before_; }
  Perturbation(const Perturbation&) = delete;
  Perturbation& operator=(const Perturbation&) = delete;

 private:
  Tensor tensor_;
  std::int64_t offset_ = 0;
  double before_ = 0;
};

Shape index_of(std::int64_t element, const Shape& shape) {
  Shape index = shape;
  for (int d = shape.rank() - 1; d >= 0; --d) {
    index[d] = element % shape[d];
    element /= shape[d];
  }
  return index;
}

bool all_zero(const Tensor& x) {
  const Values values = x.to_vector<double>();
  return std::all_of(values.begin(), values.end(), [](double v) { return v == 0; });
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) {
    return a.defined() == b.defined();
  }
  const Values x = a.to_vector<double>();
  const Values y = b.to_vector<double>();
  return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0);
}

class Checker {
 public:
  Checker(std::string name, MultiFunction fn, const std::vector<Tensor>& inputs, const GradcheckOptions& options)
      : name_(std::move(name)), fn_(std::move(fn)), inputs_(inputs), options_(options) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      check_input(i);
    }
    require(!wanted_.empty(), name_,
            "expects at least one input tensor to require gradient, but none of them has requires_grad=true");
  }

  GradcheckReport run() {
    check_layout("");
    if (options_.check_noncontiguous) {
      std::vector<Tensor> tensors;
      for (const std::size_t i : wanted_) {
        tensors.push_back(inputs_[i]);
      }
      const StridedScope scope(std::move(tensors));
      strided_ = true;
      check_layout(" (non-contiguous inputs)");
    }
    if (options_.raise && !report_.ok) {
      throw GradcheckError(name_, report_.text.substr(name_.size() + 2));  // whose lines begin with "<name>: "
    }
    return report_;
  }

 private:
  /// d outputs[o] / d inputs[wanted_[i]] at [o][i], row by row of output elements.
  using Jacobians = std::vector<std::vector<Values>>;

  void check_input(std::size_t i) {
    const Tensor& x = inputs_[i];
    require(x.defined(), name_, "input ", i, " is undefined");
    require<DtypeError>(x.dtype() == DType::float64 || !is_floating(x.dtype()), name_, "input ", i,
                        " must be float64, got ", x.dtype(), ": differences of float32 values prove nothing");
    if (!x.requires_grad()) {
      return;
    }
    require(!x.array().has_overlap(), name_, "input ", i, " (shape ", x.shape(), ", strides ", x.array().strides(),
            ") has elements that share memory, so they can't be perturbed one by one; clone() it first");
    wanted_.push_back(i);
  }

  void check_layout(const std::string& layout) {
    layout_ = layout;
    lines_ = 0;
    const Jacobians analytic = analytic_jacobians();
    compare(analytic, numerical_jacobians());
    if (lines_ > kMaxLines) {
      report_.text += concat("... and ", lines_ - kMaxLines, " more", layout_, "\n");
    }
  }

  template <class... Parts>
  void complain(const Parts&... parts) {
    report_.ok = false;
    if (++lines_ <= kMaxLines) {
      report_.text += concat(name_, ": ", parts..., layout_, "\n");
    }
  }

  std::vector<Tensor> evaluate() const {
    options_.reset();
    std::vector<Tensor> outputs = fn_(inputs_);
    for (const Tensor& y : outputs) {
      require<DtypeError>(y.defined() && y.dtype() == DType::float64, name_, "the function returned ",
                          y.defined() ? name(y.dtype()) : "an undefined tensor", ", expected float64");
    }
    return outputs;
  }

  std::vector<Tensor> gradients(const Tensor& output, Array upstream) const {
    std::vector<Tensor> wanted;
    for (const std::size_t i : wanted_) {
      wanted.push_back(inputs_[i]);
    }
    const Tensor dy(strided_ ? strided_copy(upstream) : std::move(upstream));
    return grad({output}, wanted, {dy}, {.retain_graph = true, .allow_unused = true});
  }

  Jacobians analytic_jacobians() {
    const std::vector<Tensor> outputs = evaluate();
    Jacobians all;
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      const Tensor& y = outputs[o];
      shapes_.resize(outputs.size());
      shapes_[o] = y.shape();
      std::vector<Values>& jacobian = all.emplace_back(wanted_.size());
      for (std::size_t i = 0; i < wanted_.size(); ++i) {
        jacobian[i].assign(static_cast<std::size_t>(y.numel() * inputs_[wanted_[i]].numel()), 0.0);
      }
      if (y.requires_grad()) {
        check_repeatable(y, o);
        fill_rows(y, jacobian);
      }
    }
    return all;
  }

  void fill_rows(const Tensor& y, std::vector<Values>& jacobian) const {
    for (std::int64_t row = 0; row < y.numel(); ++row) {
      Array upstream = Array::zeros(y.shape(), DType::float64);
      upstream.mutable_data<double>()[row] = 1;
      const std::vector<Tensor> rows = gradients(y, std::move(upstream));
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].defined()) {
          const Values values = rows[i].to_vector<double>();
          std::copy(values.begin(), values.end(), jacobian[i].begin() + row * rows[i].numel());
        }
      }
    }
  }

  void check_repeatable(const Tensor& y, std::size_t output) {
    Generator generator(20);
    const Array upstream = random_normal(y.shape(), generator, 0, 1, DType::float64);
    const std::vector<Tensor> first = gradients(y, upstream.clone());
    const std::vector<Tensor> second = gradients(y, upstream.clone());
    const std::vector<Tensor> zero = gradients(y, Array::zeros(y.shape(), DType::float64));
    for (std::size_t i = 0; i < first.size(); ++i) {
      if (!same_bits(first[i], second[i])) {
        complain("Backward is not reentrant, i.e., running backward with same input and grad_output multiple times ",
                 "gives different values (input ", wanted_[i], ", output ", output, ")");
      }
      if (zero[i].defined() && !all_zero(zero[i])) {
        complain("backward not multiplied by grad_output: a zero upstream gradient of output ", output,
                 " gives a non-zero gradient of input ", wanted_[i]);
      }
    }
  }

  std::vector<Values> evaluate_at(std::size_t input, const Shape& index, double step) const {
    const Perturbation perturbation(inputs_[input], index, step);
    const std::vector<Tensor> outputs = evaluate();
    require(outputs.size() == shapes_.size(), name_, "the function's number of outputs changes");
    std::vector<Values> values;
    for (std::size_t o = 0; o < outputs.size(); ++o) {
      require<ShapeError>(outputs[o].shape() == shapes_[o], name_, "the function's output shape changes: ", shapes_[o],
                          " and ", outputs[o].shape());
      values.push_back(outputs[o].to_vector<double>());
    }
    return values;
  }

  Jacobians numerical_jacobians() const {
    Jacobians all(shapes_.size(), std::vector<Values>(wanted_.size()));
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      const Tensor& x = inputs_[wanted_[i]];
      const auto columns = static_cast<std::size_t>(x.numel());
      for (std::size_t o = 0; o < all.size(); ++o) {
        all[o][i].resize(static_cast<std::size_t>(numel(shapes_[o])) * columns);
      }
      for (std::size_t column = 0; column < columns; ++column) {
        const Shape index = index_of(static_cast<std::int64_t>(column), x.shape());
        const std::vector<Values> above = evaluate_at(wanted_[i], index, options_.eps);
        const std::vector<Values> below = evaluate_at(wanted_[i], index, -options_.eps);
        for (std::size_t o = 0; o < all.size(); ++o) {
          for (std::size_t row = 0; row < above[o].size(); ++row) {
            all[o][i][row * columns + column] = (above[o][row] - below[o][row]) / (2 * options_.eps);
          }
        }
      }
    }
    return all;
  }

  void compare(const Jacobians& analytic, const Jacobians& numerical) {
    for (std::size_t o = 0; o < analytic.size(); ++o) {
      for (std::size_t i = 0; i < wanted_.size(); ++i) {
        const Shape& shape = inputs_[wanted_[i]].shape();
        const std::int64_t columns = numel(shape);
        for (std::size_t k = 0; k < analytic[o][i].size(); ++k) {
          const double a = analytic[o][i][k];
          const double n = numerical[o][i][k];
          const double error = a == n ? 0 : std::abs(a - n);
          report_.worst_error = error > report_.worst_error || std::isnan(error) ? error : report_.worst_error;
          if (!(error <= options_.atol + options_.rtol * std::abs(n))) {
            const auto element = static_cast<std::int64_t>(k);
            complain("Jacobian mismatch for output ", o, " with respect to input ", wanted_[i], ": input element ",
                     index_of(element % columns, shape), ", output element ", index_of(element / columns, shapes_[o]),
                     ": numerical ", n, ", analytic ", a, ", error ", error);
          }
        }
      }
    }
  }

  std::string name_;
  MultiFunction fn_;
  std::vector<Tensor> inputs_;
  const GradcheckOptions& options_;
  std::vector<std::size_t> wanted_;  // inputs that require a gradient
  std::vector<Shape> shapes_;        // of the outputs
  bool strided_ = false;
  std::string layout_;
  int lines_ = 0;
  GradcheckReport report_;
};

}  // namespace

GradcheckReport gradcheck(const TensorFunction& fn, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  const auto outputs = [&fn](const std::vector<Tensor>& x) { return std::vector<Tensor>{fn(x)}; };
  return Checker("gradcheck", outputs, inputs, options).run();
}

GradcheckReport gradgradcheck(const TensorFunction& fn, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options) {
  options.reset();
  const Tensor y = fn(inputs);
  require(y.defined() && y.requires_grad(), "gradgradcheck", "the function's output does not require a gradient");
  Generator generator(21);
  std::vector<Tensor> all = inputs;
  all.push_back(randn(y.shape(), generator, {.dtype = y.dtype(), .requires_grad = true}));
  const auto first_gradients = [&fn](const std::vector<Tensor>& x) {
    const std::vector<Tensor> originals(x.begin(), x.end() - 1);
    std::vector<Tensor> wanted;
    std::copy_if(originals.begin(), originals.end(), std::back_inserter(wanted),
                 [](const Tensor& t) { return t.requires_grad(); });
    std::vector<Tensor> grads = grad({fn(originals)}, wanted, {x.back()}, {.create_graph = true, .allow_unused = true});
    for (std::size_t i = 0; i < grads.size(); ++i) {
      grads[i] = grads[i].defined() ? grads[i] : zeros(wanted[i].shape(), {.dtype = wanted[i].dtype()});
    }
    return grads;
  };
  return Checker("gradgradcheck", first_gradients, all, options).run();
}

}  // namespace evenkeel
