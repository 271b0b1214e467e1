#pragma once

#include "evenkeel/nn/container.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace evenkeel::nn {

// Parameters that are computed from others, as torch.nn.utils.parametrize: after
//   register_parametrization(conv, "weight", std::make_unique<Symmetric>());
// conv.weight is Symmetric's result. What the optimizer, parameters() and state_dict() see is the original, under
// PyTorch's name "parametrizations.weight.original". Each call of the module computes the parameter, once, in the
// graph, before its forward; outside of it `weight` is undefined (parametrized_value() computes it).

/// A parametrization that is more than a function of one tensor. (Any Layer can be a parametrization.)
class Parametrization : public Layer {
 public:
  /// The originals whose parametrized value is `value`; one that is `value` itself stays that very parameter. None, the
  /// default: what the parameter holds when it is registered becomes the original, and set_parametrized() is an error.
  /// Called without recording.
  virtual std::vector<Tensor> right_inverse(const Tensor& value);
  /// The parameter, from as many originals as right_inverse() gives; by default that of forward. What training moves is
  /// moved in commit().
  virtual Tensor combine(const std::vector<Tensor>& originals);
  /// Called when the module has its result, so that a forward that throws leaves the buffers alone.
  virtual void commit() {}

 protected:
  /// For upgrade_state: renames entries of PyTorch's older functions, which stand beside the module's other parameters
  /// ("weight" and a suffix: "weight_g"), to names of the list ("original0", "0._u").
  static void rename_old(const std::string& prefix,
                         std::initializer_list<std::pair<std::string_view, std::string_view>> suffixes,
                         StateDict& state);
};

/// The parametrizations of one parameter, which run one after the other, and its originals: the module's child
/// "parametrizations.weight", with parameters original (or original0, original1, ...) and children 0, 1, ...
class ParametrizationList : public ModuleList {
 public:
  ParametrizationList() = default;
  /// Of `value`, with the originals that the parametrization gives for it.
  ParametrizationList(const Tensor& value, std::unique_ptr<Layer> parametrization);
  std::string printed() const override;

  std::vector<Tensor> originals() const;
  /// The parameter, in the graph.
  Tensor value();
  /// Parametrization::commit of each.
  void commit();

 protected:
  std::unique_ptr<Module> clone_structure() const override { return std::make_unique<ParametrizationList>(); }
};

/// From now on the parameter `name` of `module` (of its own) is what `parametrization`, any Layer, makes of it; or,
/// where it is parametrized already, of what it has been. The parameter itself becomes the original, so that an
/// optimizer goes on, except where a Parametrization has several originals. Throws, changing nothing: no parameter of
/// that name; a result of another shape or dtype; several originals of one that is not the first.
void register_parametrization(Module& module, const std::string& name, std::unique_ptr<Layer> parametrization);

/// Makes `name` a parameter again: with the value that eval() uses, or, without leave_parametrized, its original. One
/// original becomes the parameter; of several, the parameter is new: give it to the optimizer. Throws: `name` is not
/// parametrized; several originals, and not leave_parametrized.
void remove_parametrizations(Module& module, const std::string& name, bool leave_parametrized = true);
/// remove_parametrizations(module, "weight").
void remove_parametrization(Module& module);

/// Whether the parameter `name` of `module` is parametrized; by default, whether any of its own is.
bool is_parametrized(const Module& module, const std::string& name = "");

/// The parametrized parameter as the next forward would compute it, in the graph. Throws if it is none.
Tensor parametrized_value(const Module& module, const std::string& name);

/// Writes originals whose parametrized value is `value` (right_inverse of all, the last one first). Throws: a
/// parametrization without right_inverse; originals of other shapes or dtypes.
void set_parametrized(Module& module, const std::string& name, const Tensor& value);

namespace detail {
/// The parameter `name` of `module` for `op` to parametrize, of at least that rank; throws if there is none or it is
/// parametrized already.
Tensor parameter_for(const char* op, const Module& module, const std::string& name, int least_rank);
}  // namespace detail

}  // namespace evenkeel::nn
