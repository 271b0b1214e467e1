#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace evenkeel {

/// Ops that a picture of the graph shows as one box: all that lie between the outputs and the inputs, as these are now
/// (what in-place ops make of them later lies outside). A box whose output is one of its inputs is not drawn.
class DotBox {
 public:
  DotBox(std::string label, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs);

 private:
  friend class DotPicture;
  using Places = std::vector<std::shared_ptr<AutogradMeta>>;  // in the graph; tensors that have none are left out
  std::string label_;
  Places inputs_, outputs_;
};

struct DotOptions {
  /// What leaves are called, as module.named_parameters() gives them; others are called "leaf".
  std::vector<std::pair<std::string, Tensor>> names = {};
  std::vector<DotBox> boxes = {};
};

/// The graph that `result` was recorded in, in Graphviz's language DOT: ops (boxes) and leaves (ellipses) from top to
/// bottom, edges with the shapes of what goes along them. Constants, which want no gradient, are left out. Render it by
/// `dot -Tsvg graph.dot -o graph.svg`. It shows backward()'s order from the bottom up, also after backward().
/// Throws for an undefined tensor and one that was not recorded.
std::string to_dot(const Tensor& result, const DotOptions& options = {});

}  // namespace evenkeel
