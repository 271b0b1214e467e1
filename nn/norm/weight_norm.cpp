#include "evenkeel/nn/norm/weight_norm.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"

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

class WeightNorm : public Parametrization {
 public:
  WeightNorm(const Dims& dims, bool keepdim) : dims_(dims), keepdim_(keepdim) {}

  Tensor forward(const Tensor& /*x*/) override { fail(type_name(), "the originals must be two, got one"); }
  std::vector<Tensor> right_inverse(const Tensor& value) override { return {norm(value, 2, dims_, keepdim_), value}; }
  Tensor combine(const std::vector<Tensor>& originals) override {
    const Tensor &g = originals.at(0), &v = originals.at(1);
    const Tensor length = norm(v, 2, dims_, keepdim_);
    check(length, v);
    return v * (g / length);
  }

 protected:
  void upgrade_state(const std::string& prefix, StateDict& state) const override {
    rename_old(prefix, {{"_g", "original0"}, {"_v", "original1"}}, state);
  }
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<WeightNorm>(dims_, keepdim_); }

 private:
  void check(const Tensor& length, const Tensor& v) const {
    const std::vector<double> norms = length.array().to(DType::float64).to_vector<double>();
    const auto zero = std::find(norms.begin(), norms.end(), 0.0);
    if (zero != norms.end()) {
      fail(type_name(), "slice ", zero - norms.begin(), " of the weight of shape ", v.shape(),
           " has norm 0 and so no direction");
    }
  }

  const Dims dims_;
  const bool keepdim_;
};

}  // namespace

void weight_norm(Module& layer, std::optional<std::int64_t> dim, const std::string& name) {
  const int rank = detail::parameter_for("weight_norm", layer, name, 0).rank();
  require<IndexError>(!dim || (*dim >= 0 && *dim < rank), "weight_norm", "dim must lie in [0, ", rank, "), got ",
                      dim.value_or(0));
  register_parametrization(layer, name, std::make_unique<WeightNorm>(other_dims(rank, dim), dim.has_value()));
}

void remove_weight_norm(Module& layer, const std::string& name) {
  const bool found = is_parametrized(layer, name) &&
                     dynamic_cast<WeightNorm*>(&*layer.child(concat("parametrizations.", name, ".0"))) != nullptr;
  require<StateError>(found, "remove_weight_norm", "weight_norm of '", name, "' not found in this ", layer.type_name());
  remove_parametrizations(layer, name);
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
