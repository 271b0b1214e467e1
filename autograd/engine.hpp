#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <vector>

namespace evenkeel {

/// Back-propagates `gradients` (undefined: 1, for a one-element tensor only) from `tensors` into the grad() of every
/// leaf below that requires gradients; grads accumulate. Contract:
///   - nodes run once each, in reverse topological order by counting consumers, without recursion;
///   - a gradient returned by an op must have the input's dtype and a shape that reduces to the input's by summing
///     broadcast axes (done here, so no formula mentions broadcasting), else an error names op, input and both shapes;
///   - the first gradient of a tensor is borrowed, sums are owned and added in place;
///   - saved values are freed as soon as a node has run, unless retain_graph (default: create_graph);
///   - a second backward through freed nodes is an error; so is a non-scalar without gradient, a gradient of another
///     shape, and a tensor that requires no gradient;
///   - with create_graph the backward formulas are recorded themselves; an op without second derivative says so;
///   - if a backward throws, the graph stays destructible, and no grad() was changed.
/// A grad shares memory with nothing else. Graphs that have a tensor in common belong to one thread at a time.
/// After create_graph, a leaf's grad refers to the leaf by its graph: zero_grad() it, or both stay in memory.
void backward(const std::vector<Tensor>& tensors, const std::vector<Tensor>& gradients = {}, bool retain_graph = false,
              bool create_graph = false);

struct GradOptions {
  bool retain_graph = false;
  bool create_graph = false;
  bool allow_unused = false;  ///< an input that outputs do not depend on: undefined instead of an error
};
/// d sum(outputs . grad_outputs) / d inputs, one per input (leaves or not), without touching any grad().
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs = {}, GradOptions options = {});

}  // namespace evenkeel
