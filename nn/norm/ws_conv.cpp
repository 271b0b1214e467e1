#include "evenkeel/nn/norm/ws_conv.hpp"

#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/constant.hpp"
#include "evenkeel/autograd/ops/group_moments.hpp"
#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/autograd/ops/row_function.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/nn/parametrize.hpp"
#include "evenkeel/nn/repr.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::nn {
namespace {

using Mode = WeightStandardization;

struct ModeEntry {
  std::string_view name;
  int correction;
  bool eps_in_root;
  double eps;
};

Mode mode_of(const WSOptions& options) { return options.mode.value_or(Mode::seed); }

const ModeEntry& mode_entry(Mode mode) {
  static constexpr ModeEntry kModes[] = {
      {"seed", 1, false, 1e-5},   {"bcn", 1, true, 1e-5}, {"tensorflow", 0, false, 1e-5}, {"timm", 0, true, 1e-6},
      {"chainer", 0, true, 1e-5}, {"aws", 1, true, 1e-5}, {"scaled", 0, true, 1e-6},      {"nfnet", 0, true, 1e-4},
  };
  return kModes[static_cast<std::size_t>(mode)];
}

bool has_gain(Mode mode) { return mode == Mode::scaled || mode == Mode::nfnet; }

double eps_of(const WSOptions& options) { return options.eps.value_or(mode_entry(mode_of(options)).eps); }

Normalization standardization_of(const WSOptions& options) {
  const ModeEntry& mode = mode_entry(mode_of(options));
  return {.eps = eps_of(options), .correction = mode.correction, .eps_in_root = mode.eps_in_root};
}

// Filters of each weight layout.
GroupView filters(const Conv2d& conv) { return {1, 1, conv.out_channels, conv.weight.numel() / conv.out_channels}; }
GroupView filters(const Linear& linear) { return {1, 1, linear.out_features, linear.in_features}; }
/// (in, out/groups, KH, KW): input channels of one group of the convolution are neighbours.
template <int D>
GroupView filters(const ConvTranspose<D>& conv) {
  const std::int64_t groups = conv.options.groups, in = conv.in_channels / groups, out = conv.out_channels / groups;
  return {groups, in, out, conv.weight.numel() / (conv.in_channels * out)};
}

GroupView checked(const char* layer, const GroupView& view, const Shape& weight) {
  require<ShapeError>(view.count() > 1, layer, "a filter of fan-in ", view.count(), " (weight of shape ", weight,
                      ") has no standard deviation to divide by; use the layer without weight standardization");
  return view;
}

/// With the mode that they mean.
WSOptions checked(const char* layer, WSOptions options) {
  options.mode = mode_of(options);
  const double eps = eps_of(options);
  require(eps > 0 && std::isfinite(eps), layer, "eps must be positive, got ", eps);
  require(options.gamma == 1 || has_gain(*options.mode), layer, "gamma is for the modes scaled and nfnet, got ",
          options.gamma, " with mode ", mode_entry(*options.mode).name);
  return options;
}

WSOptions of_scaled(WSOptions options) {
  options.mode = options.mode.value_or(Mode::scaled);
  require(has_gain(*options.mode), "ScaledStdConv2d", "mode must be scaled or nfnet, got ",
          mode_entry(*options.mode).name);
  return options;
}

/// (filters, 1, ...), of the weight's rank.
Array per_filter(bool wanted, const GroupView& view, int rank, double value) {
  Shape shape = Shape::filled(rank, 1);
  shape[0] = view.statistics();
  return wanted ? Array::full(shape, value) : Array();
}

/// The filters with their gain and shift, each one row.
Tensor standardized_rows(const Tensor& w, std::int64_t filters, std::int64_t fan_in, const WSOptions& options,
                         const Tensor& gain, const Tensor& shift) {
  const auto n = static_cast<double>(fan_in);
  const double factor = options.gamma / (options.mode == Mode::scaled ? std::sqrt(n) : 1);
  const Tensor scale = factor == 1      ? gain
                       : gain.defined() ? gain * factor
                                        : Tensor(Array::full({filters}, factor, w.dtype()));
  const GroupView view{1, 1, filters, fan_in};
  if (options.mode != Mode::nfnet) {
    return normalize_groups(w, scale, shift, view, {filters, fan_in}, standardization_of(options)).y;
  }
  const GroupMoments s =
      group_moments(w, view);  // the limit stands under the product, so this is no row of normalize_groups()
  const Tensor limited = rsqrt(maximum(s.var * n, constant(eps_of(options), s.var)));
  const Tensor by_filter = scale.defined() ? limited * flatten(to(scale, limited.dtype())) : limited;
  return affine_rows(s.x, fan_in, s.mean, by_filter, shift);
}

/// The parametrization of weight_standardization.
class StandardizedWeight : public Parametrization {
 public:
  StandardizedWeight(const GroupView& view, const WSOptions& options) : view_(view), options_(options) {}
  std::string extra_repr() const override { return std::string(mode_entry(mode_of(options_)).name); }
  Tensor forward(const Tensor& x) override { return standardize_weight(x, view_, options_); }
  std::vector<Tensor> right_inverse(const Tensor& value) override { return {value}; }

 protected:
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<StandardizedWeight>(view_, options_);
  }

 private:
  const GroupView view_;
  const WSOptions options_;
};

}  // namespace

void weight_standardization(Module& layer, const WSOptions& options, const std::string& name) {
  const Tensor weight = detail::parameter_for("weight_standardization", layer, name, 1);
  const std::int64_t slices = std::max<std::int64_t>(1, weight.size(0));
  GroupView view{1, 1, weight.size(0), weight.numel() / slices};
  const auto of_transposed = [&]<int D>(const ConvTranspose<D>* conv) {
    view = conv != nullptr && name == "weight" ? filters(*conv) : view;
  };
  of_transposed(dynamic_cast<const ConvTranspose1d*>(&layer));
  of_transposed(dynamic_cast<const ConvTranspose2d*>(&layer));
  of_transposed(dynamic_cast<const ConvTranspose3d*>(&layer));
  register_parametrization(layer, name, std::make_unique<StandardizedWeight>(view, options));
}

Tensor standardize_weight(const Tensor& weight, const GroupView& view, const WSOptions& options, const Tensor& gain,
                          const Tensor& shift) {
  require(weight.defined(), "standardize_weight", "the weight is undefined");
  require<ShapeError>(weight.numel() == view.numel(), "standardize_weight", "weight of shape ", weight.shape(),
                      " does not have ", view.numel(), " elements");
  checked("standardize_weight", view, weight.shape());
  checked("standardize_weight", options);
  // A row per filter: where its elements are apart (several input channels of a transposed convolution), of a copy.
  const bool apart = view.outer > 1;
  const Tensor rows =
      apart ? transpose(reshape(weight, {view.slices, view.outer, view.groups, view.inner}), 1, 2) : weight;
  const Tensor w = reshape(standardized_rows(rows, view.statistics(), view.count(), options, gain, shift),
                           apart ? Shape{view.slices, view.groups, view.outer, view.inner} : weight.shape());
  return apart ? reshape(transpose(w, 1, 2), weight.shape()) : w;
}

template <class Base>
template <class Options>
Standardized<Base>::Standardized(const char* layer, std::int64_t in, std::int64_t out, Generator& generator,
                                 const Options& options, const WSOptions& ws)
    : Base(in, out, generator, options),
      standardization(checked(layer, ws)),
      gain(this->parameter("gain", per_filter(has_gain(mode_of(ws)), filters(*this), this->weight.rank(), 1))),
      weight_gamma(
          this->buffer("weight_gamma", per_filter(ws.mode == Mode::aws, filters(*this), this->weight.rank(), 1))),
      weight_beta(
          this->buffer("weight_beta", per_filter(ws.mode == Mode::aws, filters(*this), this->weight.rank(), 0))),
      view_(checked(layer, filters(*this), this->weight.shape())) {}

template <class Base>
std::string Standardized<Base>::extra_repr() const {
  const WSOptions& o = standardization;
  return concat(Base::extra_repr(), o.mode == Mode::seed ? "" : concat(", standardization=", mode_entry(*o.mode).name),
                o.eps ? concat(", eps=", repr(*o.eps)) : "", o.gamma == 1 ? "" : concat(", gamma=", repr(o.gamma)));
}

template <class Base>
Tensor Standardized<Base>::effective_weight() {
  const bool aws = standardization.mode == Mode::aws;
  return standardize_weight(this->stored_weight(), view_, standardization, aws ? weight_gamma : gain, weight_beta);
}

/// A plain convolution's weight in mode aws: its own deviation and mean, so that standardizing gives it back.
template <class Base>
void Standardized<Base>::upgrade_state(const std::string& prefix, StateDict& state) const {
  Array given;
  for (const auto& [name, value] : state) {
    if (name == prefix + "weight_gamma" || name == prefix + "weight_beta") {
      return;
    }
    given = name == prefix + "weight" ? value : given;
  }
  if (standardization.mode != Mode::aws || !given.defined() || given.numel() != view_.numel() ||
      !is_floating(given.dtype())) {
    return;  // nothing to do, or an error that load_state_dict reports
  }
  const Moments n = moments(Tensor(given), view_, standardization_of(standardization));
  const Tensor deviation = sqrt(Tensor(n.var) + eps_of(standardization));
  state.emplace_back(prefix + "weight_gamma", deviation.array().to(given.dtype()).reshape(weight_gamma.shape()));
  state.emplace_back(prefix + "weight_beta", n.mean.to(given.dtype()).reshape(weight_beta.shape()));
}

template <class Base>
void Standardized<Base>::take_over(Base& plain) {
  require<StateError>(!plain.parametrized(), this->type_name(), "the ", plain.type_name(),
                      "'s weight has a parametrization; remove it first");
  this->weight = plain.weight;
  this->bias = plain.bias;
  if (standardization.mode == Mode::aws) {
    StateDict state{{"weight", plain.weight.array()}};
    upgrade_state("", state);
    weight_gamma = Tensor(state[1].second);
    weight_beta = Tensor(state[2].second);
  } else if (has_gain(*standardization.mode)) {
    gain = Tensor(gain.array().to(plain.weight.dtype()), true);
  }
  this->train(plain.training());
}

template class Standardized<Conv2d>;
template class Standardized<ConvTranspose2d>;
template class Standardized<Linear>;

WSConv2d::WSConv2d(const char* layer, std::int64_t in, std::int64_t out, Generator& generator,
                   const Conv2dOptions& options, const WSOptions& ws)
    : Standardized<Conv2d>(layer, in, out, generator, options, ws) {}

WSConv2d::WSConv2d(Conv2d& conv, WSOptions ws) : WSConv2d(conv, ws, Generator(0)) {}

WSConv2d::WSConv2d(Conv2d& conv, const WSOptions& ws, Generator&& unused)
    : WSConv2d("WSConv2d", conv.in_channels, conv.out_channels, unused, conv.options, ws) {
  take_over(conv);
}

WSConvTranspose2d::WSConvTranspose2d(std::int64_t in, std::int64_t out, Generator& generator,
                                     ConvTranspose2dOptions options, WSOptions ws)
    : Standardized<ConvTranspose2d>("WSConvTranspose2d", in, out, generator, options, ws) {}

WSLinear::WSLinear(std::int64_t in, std::int64_t out, Generator& generator, LinearOptions options, WSOptions ws)
    : Standardized<Linear>("WSLinear", in, out, generator, options, ws) {}

ScaledStdConv2d::ScaledStdConv2d(std::int64_t in, std::int64_t out, Generator& generator, Conv2dOptions options,
                                 WSOptions ws)
    : WSConv2d("ScaledStdConv2d", in, out, generator, options, of_scaled(ws)) {}

}  // namespace evenkeel::nn
