#include "evenkeel/nn/norm/weight_norm.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <algorithm>

namespace evenkeel::nn {
namespace {

/// All dims of a weight but `dim`; none, which means all, without it.
Dims other_dims(int rank, std::optional<std::int64_t> dim) {
  Dims dims;
  for (std::int64_t d = 0; dim && d < rank; ++d) {
    if (d != *dim) {
      dims.push_back(d);
    }
  }
  return dims;
}

class WeightNorm : public WeightParametrization {
 public:
  WeightNorm(const Tensor& weight, std::optional<std::int64_t> dim)
      : dims_(other_dims(weight.rank(), dim)),
        keepdim_(dim.has_value()),
        g_(parameter("original0", no_grad([&] { return norm(weight, 2, dims_, keepdim_); }).array())),
        v_(parameter("original1", weight.array())) {
    v_ = weight;
  }

  Tensor value() override {
    const Tensor length = norm(v_, 2, dims_, keepdim_);
    check(length);
    return v_ * (g_ / length);
  }

 protected:
  void upgrade_state(const std::string& prefix, StateDict& state) const override {
    rename_old(prefix, {{"weight_g", "original0"}, {"weight_v", "original1"}}, state);
  }

 private:
  void check(const Tensor& length) const {
    const std::vector<double> norms = length.array().to(DType::float64).to_vector<double>();
    const auto zero = std::find(norms.begin(), norms.end(), 0.0);
    if (zero != norms.end()) {
      fail(type_name(), "slice ", zero - norms.begin(), " of the weight of shape ", v_.shape(),
           " has norm 0 and so no direction");
    }
  }

  const Dims dims_;
  const bool keepdim_;
  Tensor& g_;
  Tensor& v_;
};

}  // namespace

void weight_norm(Module& layer, std::optional<std::int64_t> dim) {
  WeightedLayer& weighted = as_weighted("weight_norm", layer);
  require<StateError>(!weighted.parametrized(), "weight_norm", "the weight of this ", layer.type_name(),
                      " has a parametrization already");
  const int rank = weighted.weight.rank();
  require<IndexError>(!dim || (*dim >= 0 && *dim < rank), "weight_norm", "dim must lie in [0, ", rank, "), got ",
                      dim.value_or(0));
  auto parametrization = std::make_unique<WeightNorm>(weighted.weight, dim);
  no_grad([&] { return parametrization->value(); });  // refuses a norm of 0
  weighted.parametrize(std::move(parametrization));
}

void remove_weight_norm(Module& layer) {
  WeightedLayer& weighted = as_weighted("remove_weight_norm", layer);
  require<StateError>(
      weighted.parametrized() && dynamic_cast<WeightNorm*>(&*weighted.child("parametrizations.weight")) != nullptr,
      "remove_weight_norm", "weight_norm of 'weight' not found in this ", layer.type_name());
  weighted.remove_parametrization();
}

StateDict old_weight_norm_names(StateDict state) {
  constexpr std::string_view kOurs = "parametrizations.weight.original";
  for (auto& [name, value] : state) {
    const std::size_t length = std::min(name.size(), kOurs.size() + 1);
    const std::size_t at = name.size() - length;
    const bool inside = at == 0 || name[at - 1] == '.';
    if (inside && name.compare(at, kOurs.size(), kOurs) == 0 && (name.back() == '0' || name.back() == '1')) {
      name.replace(at, length, name.back() == '0' ? "weight_g" : "weight_v");
    }
  }
  return state;
}

}  // namespace evenkeel::nn
