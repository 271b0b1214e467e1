#pragma once

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/core/pooled.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

// The graph's own types, for the files of autograd/ that build and walk it. Ops and users need node.hpp only.

namespace evenkeel {

/// What users registered on a tensor, by number.
struct Hooks {
  std::vector<std::pair<std::size_t, Hook>> list;

 private:
  friend struct AutogradMeta;
  Tensor grad_;            // that goes with them
  Hooks* next_ = nullptr;  // in the list of those that wait for their destruction
};

/// Ownership runs from results to inputs only: AutogradMeta -> the Node that made it -> the AutogradMeta of its inputs.
/// Values hang on tensors and, where kept, on nodes, so that what nobody needs is freed.
struct AutogradMeta {
  AutogradMeta() = default;
  AutogradMeta(const Array& array, bool wants_grad)
      : requires_grad(wants_grad), dtype(array.dtype()), shape(array.shape()) {}
  /// Takes apart without recursion whatever hangs on this alone: the nodes below, what hooks hold, the graph of a grad.
  ~AutogradMeta();
  AutogradMeta(const AutogradMeta&) = delete;
  AutogradMeta& operator=(const AutogradMeta&) = delete;

  std::shared_ptr<Node> node;  ///< null for a leaf
  std::uint32_t output_index = 0;
  bool requires_grad = false;
  bool retain_grad = false;
  DType dtype = DType::float32;
  Shape shape;
  Tensor grad;
  std::unique_ptr<Hooks> hooks;

  // Scratch of the backward pass that saw this leaf last.
  std::uint64_t pass = 0;
  std::uint32_t buffer = 0;
};

/// The inputs of a node; the first three live in the node itself.
class Edges {
 public:
  void push_back(std::shared_ptr<AutogradMeta> meta) {
    if (size_ < first_.size()) {
      first_[size_] = std::move(meta);
    } else {
      rest_.push_back(std::move(meta));
    }
    ++size_;
  }
  std::size_t size() const { return size_; }
  const std::shared_ptr<AutogradMeta>& operator[](std::size_t i) const {
    return i < first_.size() ? first_[i] : rest_[i - first_.size()];
  }

 private:
  std::array<std::shared_ptr<AutogradMeta>, 3> first_;
  std::vector<std::shared_ptr<AutogradMeta>> rest_;
  std::size_t size_ = 0;
};

/// A value kept for backward; an output has a weak way back to its place in the graph.
struct SavedValue {
  enum class Kind : std::uint8_t { input, output, extra };
  Array value;
  std::uint64_t version = 0;
  std::uint32_t index = 0;  ///< among the inputs, outputs or extras
  Kind kind = Kind::input;
  std::weak_ptr<AutogradMeta> meta;
};

namespace detail {
/// Inputs of an op as bits; those from the 64th on share the last bit.
constexpr std::uint64_t wanted_bit(std::size_t input) { return std::uint64_t{1} << (input < 63 ? input : 63); }
constexpr bool wants(std::uint64_t bits, std::size_t input) { return (bits & wanted_bit(input)) != 0; }
}  // namespace detail

/// One recorded op.
class Node : public std::enable_shared_from_this<Node> {
 public:
  explicit Node(std::string_view op);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Calls the formula with one gradient per output; bit i of `wanted` tells whether input i wants one.
  Grads run(std::vector<Tensor>& gradients, std::uint64_t wanted);
  Grads run(const Tensor& gradient, std::uint64_t wanted);
  /// Frees the kept values and the formula; the edges stay.
  void release();
  /// The kept value; throws unless it was kept and is unchanged.
  const SavedValue& saved_value(std::size_t index, SavedValue::Kind kind) const;

  std::string_view name;
  Edges edges;  ///< null where an input wants no gradient
  std::vector<SavedValue, PoolAllocator<SavedValue>> saved;
  Backward backward;             ///< of an op with one output
  MultiBackward multi_backward;  ///< of an op with several
  std::uint32_t output_count = 1;
  bool twice_differentiable = true;
  bool freed = false;
  std::unique_ptr<detail::Origin> origin;  ///< where it was made; in anomaly mode only

  // Scratch: the backward pass that saw this node last, its place there, and the inputs it wants gradients for.
  std::uint64_t pass = 0;
  std::uint32_t step = 0;
  std::uint64_t wanted = ~std::uint64_t{0};

 private:
  friend struct AutogradMeta;
  // Links of the list of nodes that wait for their destruction.
  std::shared_ptr<Node> self_;
  Node* next_ = nullptr;
};

namespace detail {
/// What an error says of a tensor that is outdated().
inline constexpr std::string_view kOutdated =
    " shares storage with a tensor that was changed in place by an op that recorded gradients, and is no view of it "
    "that autograd follows (it was made under NoGradGuard, by detach() or around the same array); make it again";

/// The place in the graph of `view`, which shares storage with `base`, after base's place has changed: the result of
/// "as_strided" of base.
std::shared_ptr<AutogradMeta> place_of_view(const Tensor& base, const Array& view);
}  // namespace detail

/// Live nodes in this process, for leak tests.
std::int64_t live_nodes();

}  // namespace evenkeel
