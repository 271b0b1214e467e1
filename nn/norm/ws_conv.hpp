#pragma once

#include "evenkeel/core/kernels/norm/views.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/linear.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace evenkeel::nn {

/// What "standardized" means; which checkpoints mean it. m: mean, v: biased, vu: unbiased variance of a filter's
/// fan_in values, e: eps.
enum class WeightStandardization {
  seed,        ///< (w - m) / (sqrt(vu) + 1e-5): the authors' PyTorch code, mmcv ConvWS
  bcn,         ///< (w - m) / sqrt(vu + 1e-5): the authors' code of batch-channel normalization
  tensorflow,  ///< (w - m) / (sqrt(v) + 1e-5): the authors' TensorFlow code, early timm, vision_transformer
  timm,        ///< (w - m) / sqrt(v + 1e-6): timm StdConv2d, BiT
  chainer,     ///< (w - m) / sqrt(v + 1e-5)
  aws,         ///< weight_gamma (w - m) / sqrt(vu + 1e-5) + weight_beta: mmcv ConvAWS, DetectoRS
  scaled,      ///< gamma gain (w - m) / sqrt(fan_in (v + 1e-6)): timm ScaledStdConv2d
  nfnet,       ///< gamma gain (w - m) / sqrt(max(fan_in v, 1e-4)): DeepMind's NFNets
};

/// gamma of `scaled` and `nfnet` for the activation in front: 1 / std(f(z)) for standard normal z. arXiv:2101.08692.
inline constexpr double kGammaRelu = 1.7139588594436646;
inline constexpr double kGammaSilu = 1.7881293296813965;

struct WSOptions {
  std::optional<WeightStandardization> mode = {};  ///< the layer's if not given: scaled of ScaledStdConv2d, else seed
  std::optional<double> eps = {};                  ///< the mode's if not given
  double gamma = 1;                                ///< of `scaled` and `nfnet`
};

/// Weight standardization by itself: a weight whose filters are `view`'s (slice, group) pairs, by the formula of
/// options.mode; gain (weight_gamma in mode aws) and shift (weight_beta): one value per filter or undefined.
/// A constant filter gives 0 (or the shift) and finite gradients. Throws for filters of one value.
/// Qiao et al. 2019, arXiv:1903.10520.
Tensor standardize_weight(const Tensor& weight, const GroupView& view, const WSOptions& options,
                          const Tensor& gain = {}, const Tensor& shift = {});

/// Standardizes the parameter `name` of any layer: a parametrization (see nn/parametrize.hpp) by standardize_weight,
/// without gain and shift, of the slices along dim 0, for a ConvTranspose2d of its filters. (The layers below compute
/// the same; in their state the raw weight is `weight`.) Throws: a layer without such a parameter; slices of one value.
/// StateError: one that is parametrized already. Qiao et al. 2019, arXiv:1903.10520.
void weight_standardization(Module& layer, const WSOptions& options = {}, const std::string& name = "weight");

/// `Base` (Conv2d, ConvTranspose2d or Linear) with weight standardization in its forward; see WSConv2d.
template <class Base>
class Standardized : public Base {
 public:
  std::string extra_repr() const override;
  Tensor effective_weight() override;

  const WSOptions standardization;  ///< with its mode
  Tensor& gain;                     ///< parameter from 1, only in modes scaled and nfnet: (filters, 1, ...)
  Tensor& weight_gamma;             ///< buffer from 1, only in mode aws
  Tensor& weight_beta;              ///< buffer from 0, only in mode aws

 protected:
  template <class Options>
  Standardized(const char* layer, std::int64_t in, std::int64_t out, Generator& generator, const Options& options,
               const WSOptions& ws);
  /// Takes over the parameters, hooks excepted; in mode aws also keeps the function.
  void take_over(Base& plain);
  void upgrade_state(const std::string& prefix, StateDict& state) const override;

 private:
  GroupView view_;
};

extern template class Standardized<Conv2d>;
extern template class Standardized<ConvTranspose2d>;
extern template class Standardized<Linear>;

/// Conv2d whose filters are standardized over (in_channels/groups, KH, KW) in every forward, in train and eval alike:
///   w_hat = (w - mean(w)) / (std(w) + 1e-5), std unbiased;  y = conv2d(x, w_hat, bias)
/// Other formulas by WSOptions::mode. `weight` is the raw weight, which the optimizer and state_dict see. Use it where
/// a norm follows, best GroupNorm. Mode aws: a file without weight_gamma and weight_beta (a plain convolution's) loads,
/// and they are computed so that the function is the file's. Throws invalid_argument: what Conv2d does not take; fan-in
/// 1 (a 1x1 depthwise convolution), whose filters have no deviation. Qiao et al. 2019, arXiv:1903.10520.
class WSConv2d : public Standardized<Conv2d> {
 public:
  WSConv2d(std::int64_t in, std::int64_t out, Generator& generator, Conv2dOptions options, WSOptions ws = {})
      : WSConv2d("WSConv2d", in, out, generator, options, ws) {}
  /// With the options, parameters (the same handles: an optimizer goes on) and mode of `conv`.
  explicit WSConv2d(Conv2d& conv, WSOptions ws = {});
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<WSConv2d>(in_channels, out_channels, unused_generator(), options, standardization);
  }

 protected:
  WSConv2d(const char* layer, std::int64_t in, std::int64_t out, Generator& generator, const Conv2dOptions& options,
           const WSOptions& ws);

 private:
  WSConv2d(Conv2d& conv, const WSOptions& ws, Generator&& unused);
};

/// ConvTranspose2d standardized per output channel, over (in_channels/groups, KH, KW); otherwise as WSConv2d.
class WSConvTranspose2d : public Standardized<ConvTranspose2d> {
 public:
  WSConvTranspose2d(std::int64_t in, std::int64_t out, Generator& generator, ConvTranspose2dOptions options,
                    WSOptions ws = {});
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<WSConvTranspose2d>(in_channels, out_channels, unused_generator(), options, standardization);
  }
};

/// Linear standardized per output feature, over in_features; otherwise as WSConv2d.
class WSLinear : public Standardized<Linear> {
 public:
  WSLinear(std::int64_t in, std::int64_t out, Generator& generator, LinearOptions options = {}, WSOptions ws = {});
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<WSLinear>(in_features, out_features, unused_generator(), options, standardization);
  }
};

/// The convolution of normalizer-free networks: WSConv2d in mode scaled (timm's, the default) or nfnet, with a gain per
/// filter and the factor gamma of the activation in front of it (kGammaRelu, kGammaSilu).
///   w_hat = gamma gain (w - mean(w)) / sqrt(fan_in (var(w) + 1e-6)), var biased
/// Throws invalid_argument: as WSConv2d; another mode. Brock et al. 2021, arXiv:2101.08692 and 2102.06171.
class ScaledStdConv2d : public WSConv2d {
 public:
  ScaledStdConv2d(std::int64_t in, std::int64_t out, Generator& generator, Conv2dOptions options, WSOptions ws = {});
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<ScaledStdConv2d>(in_channels, out_channels, unused_generator(), options, standardization);
  }
};

}  // namespace evenkeel::nn
