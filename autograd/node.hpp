#pragma once

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/tensor.hpp"

#include <array>
#include <bit>
#include <concepts>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evenkeel {

/// One gradient per input of an op; an undefined Tensor means "no gradient".
using Grads = std::vector<Tensor>;

/// Which values an op keeps for its backward: Keep::input(0) | Keep::output(). Default nothing, so that memory is
/// reviewable in one line and in-place changes are noticed for exactly these values: a formula captures no arrays.
/// Only the first 32 inputs and outputs can be kept.
class Keep {
 public:
  static Keep nothing() { return Keep(0); }
  static Keep input(unsigned i) { return Keep(std::uint64_t{1} << i); }
  static Keep inputs(unsigned count) { return Keep((std::uint64_t{1} << count) - 1); }
  static Keep output(unsigned i = 0) { return Keep(std::uint64_t{1} << (32 + i)); }
  /// Arrays that are neither input nor output, as a norm's statistics: Saved::extra(0), extra(1) and so on. Each may be
  /// undefined.
  template <std::same_as<Array>... Arrays>
  static Keep extra(const Arrays&... arrays) {
    Keep keep(0);
    keep.extra_ = {arrays...};
    return keep;
  }
  friend Keep operator|(Keep a, const Keep& b) {
    a.bits_ |= b.bits_;
    a.extra_.insert(a.extra_.end(), b.extra_.begin(), b.extra_.end());
    return a;
  }
  bool has_input(std::size_t i) const { return i < 32 && (bits_ >> i & 1) != 0; }
  bool has_output(std::size_t i) const { return i < 32 && (bits_ >> (32 + i) & 1) != 0; }
  std::span<const Array> extras() const { return extra_; }
  std::size_t count() const { return static_cast<std::size_t>(std::popcount(bits_)) + extra_.size(); }

 private:
  explicit Keep(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_;
  std::vector<Array> extra_;
};

/// What a backward formula may look at.
class Saved {
 public:
  explicit Saved(const Node& node) : node_(node) {}
  /// Input i, attached to the graph it came from (so a formula in differentiable ops can be differentiated again).
  /// Throws unless kept, and if its values were changed in place since.
  Tensor input(std::size_t i) const;
  /// Output i, rebuilt from the node; keeping an output makes no reference cycle.
  Tensor output(std::size_t i = 0) const;
  /// The i-th array of Keep::extra. Throws unless kept, and if its values were changed in place since.
  Array extra(std::size_t i) const;
  /// False for inputs that want no gradient: skip their work.
  bool needs(std::size_t i) const;

 private:
  const Node& node_;
};

/// dy holds one gradient per output of the op; undefined where an output was not used.
using Backward = std::function<Grads(const Saved& saved, const Tensor& dy)>;
using MultiBackward = std::function<Grads(const Saved& saved, const std::vector<Tensor>& dy)>;

/// The inputs of an op: up to three in braces, without memory of their own, or a vector.
class OpInputs {
 public:
  OpInputs() = default;
  OpInputs(const Tensor& a) : few_{a}, size_(1) {}
  OpInputs(const Tensor& a, const Tensor& b) : few_{a, b}, size_(2) {}
  OpInputs(const Tensor& a, const Tensor& b, const Tensor& c) : few_{a, b, c}, size_(3) {}
  OpInputs(std::vector<Tensor> tensors) : many_(std::move(tensors)), size_(many_.size()) {}
  std::size_t size() const { return size_; }
  const Tensor* begin() const { return many_.empty() ? few_.data() : many_.data(); }
  const Tensor* end() const { return begin() + size_; }
  const Tensor& operator[](std::size_t i) const { return begin()[i]; }

 private:
  std::array<Tensor, 3> few_;
  std::vector<Tensor> many_;
  std::size_t size_ = 0;
};

struct OpInfo {
  std::string_view name;  ///< a literal; appears in errors, anomaly reports and the test table
  OpInputs inputs;
  Keep keep = Keep::nothing();
  bool twice_differentiable = true;  ///< false: backward under create_graph throws, naming the op
  bool view = false;                 ///< the result shows elements of input 0, and its gradient is just theirs
};

/// Wraps `value` as the result of an op. If grad mode is off or no input needs a gradient, nothing is recorded or kept.
Tensor record(const OpInfo& info, Array value, Backward backward);
/// The same for an op with several outputs; backward gets one dy per output.
std::vector<Tensor> record(const OpInfo& info, std::vector<Array> values, MultiBackward backward);
/// True if a formula may write its result over `dy`: nothing else refers to its values, they are contiguous, and the
/// formula is not being recorded.
bool may_reuse(const Tensor& dy);
/// For in-place ops: `target`'s values were changed by an op whose inputs were `info.inputs` (target among them, taken
/// before the change as an alias); from now on target is that op's result. So are, in their elements, all tensors that
/// share its storage by view ops (OpInfo::view) outside NoGradGuard: what target is a view of becomes the result of
/// "copy_slices", and views find their new place when they are next looked at, as in PyTorch. A kept input that shares
/// storage with target is gone by now, and backward says so: keep a clone.
/// Throws for an overlapping view and, while recording, for
///   - a leaf that requires gradients, and a view of one;
///   - a result that shares storage with an input of an op that is no view op, or with a tensor that requires
///     gradients by a view op under NoGradGuard, while anything else holds the storage;
///   - a handle that does not know what recorded ops did with its storage, see Tensor::outdated(). Every op refuses
///     such a handle, so a gradient may be refused, but is never lost.
void record_in_place(const OpInfo& info, Tensor& target, Backward backward);
/// Throws what record_in_place would throw, before the values are touched. `others`: the other inputs.
void check_in_place(std::string_view op, const Tensor& target, const OpInputs& others = {});

}  // namespace evenkeel
