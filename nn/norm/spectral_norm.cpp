#include "evenkeel/nn/norm/spectral_norm.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/linalg.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/nn/conv.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::nn {
namespace {

Tensor unit(const Tensor& x, double eps) { return x / std::max(norm(x).item(), eps); }

class SpectralNorm : public Parametrization {
 public:
  SpectralNorm(const Tensor& weight, std::int64_t dim, Generator& generator, const SpectralNormOptions& options)
      : SpectralNorm(dim, options) {
    const auto start = [&](std::int64_t size) {
      return unit(randn({size}, generator, {.dtype = weight.dtype()}), options.eps);
    };
    u_ = start(weight.size(dim));
    v_ = start(weight.numel() / weight.size(dim));
    next_ = iterated(weight, 15);
    commit();
  }
  /// With buffers to be filled in.
  SpectralNorm(std::int64_t dim, const SpectralNormOptions& options)
      : options_(options), dim_(dim), u_(buffer("_u", {})), v_(buffer("_v", {})) {}

  Tensor forward(const Tensor& weight) override {
    next_ = training() ? iterated(weight, options_.n_power_iterations) : Vectors{};
    // Of the buffers copies: the next commit() may come before this graph's backward.
    const auto [u, v] = training() ? next_ : Vectors{Tensor(u_.array().clone()), Tensor(v_.array().clone())};
    return weight / sum(u * matmul(matrix(weight), v));
  }
  std::vector<Tensor> right_inverse(const Tensor& value) override { return {value}; }

  void commit() override {
    if (next_.u.defined()) {
      u_.mutable_array().copy_(next_.u.array());
      v_.mutable_array().copy_(next_.v.array());
      next_ = {};
    }
  }

 protected:
  void upgrade_state(const std::string& prefix, StateDict& state) const override {
    rename_old(prefix, {{"_orig", "original"}, {"_u", "0._u"}, {"_v", "0._v"}}, state);
  }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<SpectralNorm>(dim_, options_); }

 private:
  Tensor matrix(const Tensor& weight) const {
    Dims order{dim_};
    for (std::int64_t d = 0; d < weight.rank(); ++d) {
      if (d != dim_) {
        order.push_back(d);
      }
    }
    return flatten(permute(weight, order), 1);
  }

  struct Vectors {
    Tensor u, v;
  };
  Vectors iterated(const Tensor& weight, std::int64_t times) const {
    const NoGradGuard guard;
    const Tensor w = matrix(weight);
    Vectors now{u_, v_};
    for (std::int64_t i = 0; i < times; ++i) {
      now.u = unit(matmul(w, now.v), options_.eps);
      now.v = unit(matmul(transpose(w, 0, 1), now.u), options_.eps);
    }
    return now;
  }

  const SpectralNormOptions options_;
  const std::int64_t dim_;
  Tensor& u_;
  Tensor& v_;
  Vectors next_;  ///< for commit()
};

}  // namespace

void spectral_norm(Module& layer, Generator& generator, const SpectralNormOptions& options, const std::string& name) {
  const Tensor weight = detail::parameter_for("spectral_norm", layer, name, 2);
  require(options.n_power_iterations >= 1, "spectral_norm",
          "Expected n_power_iterations to be positive, but got n_power_iterations=", options.n_power_iterations);
  require(options.eps > 0 && std::isfinite(options.eps), "spectral_norm", "eps must be positive, got ", options.eps);
  const bool transposed = dynamic_cast<ConvTranspose1d*>(&layer) != nullptr ||
                          dynamic_cast<ConvTranspose2d*>(&layer) != nullptr ||
                          dynamic_cast<ConvTranspose3d*>(&layer) != nullptr;
  const std::int64_t dim = options.dim.value_or(transposed ? 1 : 0);
  const int rank = weight.rank();
  require<IndexError>(dim >= 0 && dim < rank, "spectral_norm", "dim must lie in [0, ", rank, "), got ", dim);
  require(weight.numel() > 0, "spectral_norm", "the weight of shape ", weight.shape(), " is empty");
  register_parametrization(layer, name, std::make_unique<SpectralNorm>(weight, dim, generator, options));
}

}  // namespace evenkeel::nn
