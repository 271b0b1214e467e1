#pragma once

#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/kernels/norm/views.hpp"

#include <optional>
#include <string_view>

namespace evenkeel {

// Elementwise functions of one tensor. float32 or float64; shapes are kept.

Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);   ///< derivative inf at 0, as PyTorch's
Tensor rsqrt(const Tensor& x);  ///< 1 / sqrt(x)
Tensor abs(const Tensor& x);    ///< derivative 0 at 0
Tensor square(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor clamp(const Tensor& x, double min, double max);  ///< gradient passes where min <= x <= max

Tensor relu(const Tensor& x);  ///< max(x, 0); derivative 0 at 0; NaN stays NaN
Tensor& relu_(Tensor& x);      ///< in place
/// relu(a + b), the end of a residual block, in one pass over memory forward and one backward: both inputs get the same
/// gradient tensor. Of different shapes, which broadcast, it is just that.
Tensor add_relu(const Tensor& a, const Tensor& b);
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);

// At -inf and inf, values and derivatives of the following are their limits. PyTorch multiplies infinity by 0 instead:
// silu, gelu (both) and hardswish give NaN at -inf, and the derivatives of silu and gelu are NaN at both, as they are
// here under create_graph. At NaN the derivatives of hardswish and elu are NaN, where PyTorch's are 1; that of
// leaky_relu is the slope, as in PyTorch.
Tensor silu(const Tensor& x);  ///< x sigmoid(x)
Tensor& silu_(Tensor& x);      ///< in place; copies x first if a gradient is wanted, so it saves no memory then
enum class GeluApproximation { none, tanh };
Tensor gelu(const Tensor& x, GeluApproximation approximate = GeluApproximation::none);  ///< x Phi(x)
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
Tensor elu(const Tensor& x, double alpha = 1.0);
Tensor hardswish(const Tensor& x);  ///< x clamp(x + 3, 0, 6) / 6
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
Tensor softmax(const Tensor& x, std::int64_t dim);
Tensor log_softmax(const Tensor& x, std::int64_t dim);

/// What a function is that normalize_groups() can take into its pass, as it is or with its parameter; else nothing.
std::optional<FusedActivation> fused_form(Tensor (*function)(const Tensor& x));
std::optional<FusedActivation> fused_form(Tensor (*function)(const Tensor& x, double slope), double slope);
/// Whether `op` is the name of one, in place or not: "relu", "silu_".
bool is_fusible(std::string_view op);
/// f(x) and dy f'(x) of those that normalize_groups() can take into its pass; f = none: x and dy. Ordinary ops, all of
/// them differentiable.
Tensor activate(const Tensor& x, const FusedActivation& activation);
Tensor activation_gradient(const Tensor& x, const Tensor& dy, const FusedActivation& activation);

}  // namespace evenkeel
