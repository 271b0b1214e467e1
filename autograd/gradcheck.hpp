#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/tensor.hpp"

namespace evenkeel {

/// Defaults are torch.autograd.gradcheck's.
struct GradcheckOptions {
  double eps = 1e-6;   ///< step of the central difference
  double atol = 1e-5;
  double rtol = 1e-3;
  bool check_noncontiguous = true;  ///< repeat with transposed copies of the inputs
  bool raise = true;                ///< throw std::runtime_error with the report instead of returning it
  /// Called before every evaluation of the function, to put back state that it changes (buffers, generators).
  std::function<void()> reset = [] {};
};

/// One mismatch per line: input, element, numerical and analytic value, error; empty `text` if all agree.
struct GradcheckReport {
  bool ok = true;
  std::string text;
  double worst_error = 0;  ///< the largest |analytic - numerical|
  explicit operator bool() const { return ok; }
};

using TensorFunction = std::function<Tensor(const std::vector<Tensor>&)>;

/// Compares reverse mode with central differences for every element of every input that requires a gradient and every
/// output element: |a - n| <= atol + rtol |n|. Inputs must be float64 (anything else throws); they are perturbed in
/// place and restored. Also checks that backward is repeatable bit for bit and that a zero upstream gradient gives zero.
GradcheckReport gradcheck(const TensorFunction& fn, const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});
/// The same for the gradient itself, as a function of the inputs and a random upstream gradient.
GradcheckReport gradgradcheck(const TensorFunction& fn, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options = {});

}  // namespace evenkeel
