#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <functional>
#include <string>
#include <vector>

namespace evenkeel {

/// Defaults are torch.autograd.gradcheck's.
struct GradcheckOptions {
  double eps = 1e-6;  ///< step of the central difference
  double atol = 1e-5;
  double rtol = 1e-3;
  bool check_noncontiguous = true;  ///< repeat with transposed, strided inputs and upstream gradients
  bool raise = true;                ///< throw GradcheckError with the report instead of returning it
  /// Called before every evaluation of the function, to put back state that it changes (buffers, generators).
  std::function<void()> reset = [] {};
};

/// What gradcheck found wrong; the text is the report's.
class GradcheckError : public ErrorOf<std::runtime_error> {
  using ErrorOf::ErrorOf;
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
/// output element: |a - n| <= atol + rtol |n|. Also checks that backward is repeatable bit for bit and that a zero
/// upstream gradient gives zero. An output that needs no gradient is compared with derivatives of zero.
///
/// Inputs must be float64, apart from integer inputs, which are passed through (anything else throws). They are
/// perturbed in place and restored, so a module's parameters can be inputs, although the function reaches them by
/// another way:
///   gradcheck([&](const std::vector<Tensor>& in) { return layer(in[0]); }, {x, layer.weight, layer.bias},
///             {.reset = [&] { layer.running_mean.mutable_array().fill_(0); }});  // what forward changes
/// reset must leave the inputs alone: they are perturbed when it is called.
GradcheckReport gradcheck(const TensorFunction& fn, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});
/// The same for the gradient itself, as a function of the inputs and a random upstream gradient.
GradcheckReport gradgradcheck(const TensorFunction& fn, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options = {});

}  // namespace evenkeel
