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

/// The level "0" of the names: the vectors of the power iteration.
class SingularVectors : public Module {
 public:
  SingularVectors(std::int64_t rows, std::int64_t columns, DType dtype, Generator& generator, double eps)
      : u(buffer("_u", unit(randn({rows}, generator, {.dtype = dtype}), eps).array())),
        v(buffer("_v", unit(randn({columns}, generator, {.dtype = dtype}), eps).array())) {}

  Tensor& u;
  Tensor& v;
};

class SpectralNorm : public WeightParametrization {
 public:
  SpectralNorm(const Tensor& weight, std::int64_t dim, Generator& generator, const SpectralNormOptions& options)
      : options_(options),
        dim_(dim),
        original_(parameter("original", weight.array())),
        vectors_(add<SingularVectors>("0", weight.size(dim), weight.numel() / weight.size(dim), weight.dtype(),
                                      generator, options.eps)) {
    original_ = weight;
    next_ = iterated(15);
    commit();
  }

  Tensor value() override {
    next_ = training() ? iterated(options_.n_power_iterations) : Vectors{};
    // Of the buffers copies: the next commit() may come before this graph's backward.
    const auto [u, v] =
        training() ? next_ : Vectors{Tensor(vectors_->u.array().clone()), Tensor(vectors_->v.array().clone())};
    return original_ / sum(u * matmul(matrix(original_), v));
  }

  void commit() override {
    if (next_.u.defined()) {
      vectors_->u.mutable_array().copy_(next_.u.array());
      vectors_->v.mutable_array().copy_(next_.v.array());
      next_ = {};
    }
  }

 protected:
  void upgrade_state(const std::string& prefix, StateDict& state) const override {
    rename_old(prefix, {{"weight_orig", "original"}, {"weight_u", "0._u"}, {"weight_v", "0._v"}}, state);
  }

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
  Vectors iterated(std::int64_t times) const {
    const NoGradGuard guard;
    const Tensor w = matrix(original_);
    Vectors now{vectors_->u, vectors_->v};
    for (std::int64_t i = 0; i < times; ++i) {
      now.u = unit(matmul(w, now.v), options_.eps);
      now.v = unit(matmul(transpose(w, 0, 1), now.u), options_.eps);
    }
    return now;
  }

  const SpectralNormOptions options_;
  const std::int64_t dim_;
  Tensor& original_;
  Child<SingularVectors> vectors_;
  Vectors next_;  ///< for commit()
};

}  // namespace

void spectral_norm(Module& layer, Generator& generator, const SpectralNormOptions& options) {
  WeightedLayer& weighted = as_weighted("spectral_norm", layer);
  require<StateError>(!weighted.parametrized(), "spectral_norm", "the weight of this ", layer.type_name(),
                      " has a parametrization already");
  require(options.n_power_iterations >= 1, "spectral_norm",
          "Expected n_power_iterations to be positive, but got n_power_iterations=", options.n_power_iterations);
  require(options.eps > 0 && std::isfinite(options.eps), "spectral_norm", "eps must be positive, got ", options.eps);
  const std::int64_t dim = options.dim.value_or(dynamic_cast<ConvTranspose2d*>(&layer) != nullptr ? 1 : 0);
  const int rank = weighted.weight.rank();
  require<IndexError>(dim >= 0 && dim < rank, "spectral_norm", "dim must lie in [0, ", rank, "), got ", dim);
  require(weighted.weight.numel() > 0, "spectral_norm", "the weight of shape ", weighted.weight.shape(), " is empty");
  weighted.parametrize(std::make_unique<SpectralNorm>(weighted.weight, dim, generator, options));
}

}  // namespace evenkeel::nn
