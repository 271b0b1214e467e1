#pragma once

#include "evenkeel/nn/module.hpp"

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace evenkeel::nn {

// Conversions of built models. They look at every layer below the model, and at the model itself; when one throws,
// nothing has changed. A new layer gets its predecessor's place (Slot references stay valid), mode and dtype, but not
// its hooks; one with parametrized parameters is refused. Parameters "taken over" are the same handles, so an optimizer
// made before goes on with them; where there are others, make the optimizer anew from model.parameters(): PyTorch's
// steps on removed parameters without a word, and so does this one, but the Conversions returned count them and say so
// where they are printed.

/// What a conversion is asked to convert: a module with everything below it. Given by its owner, a layer may itself be
/// replaced; given by reference, one that would have to be is an error.
class ConversionRoot {
 public:
  ConversionRoot(Module& module) : module_(&module) {}
  ConversionRoot(std::unique_ptr<Layer>& owner);
  ConversionRoot(Slot& slot) : module_(&*slot), slot_(&slot) {}

  /// The module, or what has taken its place.
  Module& module() const;
  bool replaceable() const { return owner_ != nullptr || slot_ != nullptr; }
  void replace(std::unique_ptr<Layer> layer) const;

 private:
  Module* module_;
  std::unique_ptr<Layer>* owner_ = nullptr;
  Slot* slot_ = nullptr;
};

/// A layer that was replaced: its name in the model ("" for the model itself), its type before and after.
struct Conversion {
  std::string name, from, to;
};

/// A norm that a conversion looked at and left where it is.
struct KeptNorm {
  std::string name, type;
  std::string why;  ///< "it has no running statistics to freeze"
};

/// What a conversion did. Printed, one line each: "bn1: BatchNorm2d -> GroupNorm", "bn2: BatchNorm2d stays: ..." and
/// "note: ...".
struct Conversions : std::vector<Conversion> {
  std::vector<KeptNorm> kept;
  /// What to know of it: statistics frozen that never saw a batch, GroupNorms that are InstanceNorms, an optimizer made
  /// before that must be made anew.
  std::vector<std::string> notes;
  /// Parameters of before that the model has no more: an optimizer made before steps on them, and nothing reads them.
  std::int64_t removed_parameters = 0;
  /// Parameters that were not there: an optimizer made before does not know them.
  std::int64_t new_parameters = 0;
};
std::string to_string(const Conversions& conversions);
std::ostream& operator<<(std::ostream& out, const Conversions& conversions);

namespace detail {

/// Counts the parameters that went and came, with the note on the optimizer.
void compare_parameters(Conversions& done, const std::vector<Tensor>& before, const std::vector<Tensor>& after);

/// Makes what takes the place of the layer of that name; null: it stays, and what is below it is looked at.
using MakeLayer = std::function<std::unique_ptr<Layer>(const std::string& name, Layer& layer)>;

/// Makes all that is to be new, each in the old one's mode, then puts it in place.
Conversions replace_layers(const char* op, const ConversionRoot& root, const MakeLayer& make);

}  // namespace detail

}  // namespace evenkeel::nn
