#pragma once

#include "evenkeel/autograd/ops/elementary.hpp"
#include "evenkeel/autograd/tensor.hpp"
#include "evenkeel/core/kernels/norm/views.hpp"

#include <optional>
#include <string_view>

namespace evenkeel {

// Activations and softmax. float32 or float64; shapes are kept unless said.

Tensor relu(const Tensor& x);  ///< max(x, 0); derivative 0 at 0; NaN stays NaN
Tensor& relu_(Tensor& x);      ///< in place
/// relu(a + b), the end of a residual block, in one pass over memory forward and one backward: both inputs get the same
/// gradient tensor. Of different shapes, which broadcast, it is just that.
Tensor add_relu(const Tensor& a, const Tensor& b);
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);

// Straight lines, with PyTorch's derivatives at the corners. At NaN the gradient passes (PyTorch: by the place).
Tensor hardtanh(const Tensor& x, double min_val = -1, double max_val = 1);  ///< clamped; derivative 0 on the bounds
Tensor relu6(const Tensor& x);                                              ///< hardtanh(x, 0, 6)
Tensor hardsigmoid(const Tensor& x);                                        ///< clamp(x + 3, 0, 6) / 6
Tensor softshrink(const Tensor& x, double lambda = 0.5);            ///< x, nearer to 0 by lambda; 0 where |x| <= lambda
Tensor hardshrink(const Tensor& x, double lambda = 0.5);            ///< x; 0 where |x| <= lambda
Tensor threshold(const Tensor& x, double threshold, double value);  ///< x where x > threshold, else value
/// x where x > 0, else weight x. weight: one number, or one for each channel of (N, C, *); of at most one dim.
Tensor prelu(const Tensor& x, const Tensor& weight);

// At -inf and inf, values and derivatives of the following are their limits. PyTorch multiplies infinity by 0 instead:
// silu, gelu (both), mish and hardswish give NaN at -inf, softsign at both, and the derivatives of silu, gelu and mish
// are NaN at both, as they are here under create_graph. At NaN the derivatives of hardswish, elu, celu and selu are
// NaN, where PyTorch's of float32 are 1; that of leaky_relu is the slope, as in PyTorch. At -3 and 3 hardswish's are
// those from inside, -1/2 and 3/2 (PyTorch: 0 and 1); second derivatives of elu, celu and selu at 0 are those from the
// left (PyTorch: 0).
Tensor silu(const Tensor& x);  ///< x sigmoid(x)
Tensor& silu_(Tensor& x);      ///< in place; copies x first if a gradient is wanted, so it saves no memory then
enum class GeluApproximation { none, tanh };
Tensor gelu(const Tensor& x, GeluApproximation approximate = GeluApproximation::none);  ///< x Phi(x)
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
Tensor elu(const Tensor& x, double alpha = 1.0);
Tensor celu(const Tensor& x, double alpha = 1.0);  ///< x where x > 0, else alpha (exp(x / alpha) - 1). arXiv:1704.07483
/// s x where x > 0, else s a (exp(x) - 1), with a = 1.6732632423543772 and s = 1.0507009873554805. arXiv:1706.02515
Tensor selu(const Tensor& x);
Tensor mish(const Tensor& x);        ///< x tanh(softplus(x)). arXiv:1908.08681
Tensor hardswish(const Tensor& x);   ///< x clamp(x + 3, 0, 6) / 6
Tensor softsign(const Tensor& x);    ///< x / (1 + |x|)
Tensor tanhshrink(const Tensor& x);  ///< x - tanh(x)
Tensor logsigmoid(const Tensor& x);  ///< log(sigmoid(x))
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
/// a sigmoid(b) for the halves a and b of x along dim, which must be even. arXiv:1612.08083
Tensor glu(const Tensor& x, std::int64_t dim = -1);
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
