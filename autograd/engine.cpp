#include "evenkeel/autograd/engine.hpp"

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/op_profile.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/reduce.hpp"

#include <atomic>
#include <limits>

namespace evenkeel {

namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

std::atomic<std::uint64_t> pass_count{0};

/// Where the gradients of one tensor add up.
struct Buffer {
  Tensor grad;
  Tensor result;  ///< the final gradient, of a tensor that grad() was asked for
  AutogradMeta* meta = nullptr;
  std::uint32_t step = kNone;  ///< of the node that made the tensor; kNone: a leaf
  std::uint32_t captures = 0;  ///< how often grad() was asked for it
};

/// One node of this pass.
struct Step {
  Node* node;
  std::uint32_t first_buffer;    ///< one per output of the node
  std::uint32_t first_edge = 0;  ///< in Pass::targets_, one per input of the node
  std::uint32_t consumers = 0;   ///< edges of this pass that end here
  bool active = true;            ///< false: no tensor that grad() was asked for lies below
};

/// A gradient that waits for the end of the pass, to be added to a tensor's grad().
struct Update {
  AutogradMeta* meta;
  Tensor value;
  bool in_place = false;
};

/// One run of backward() or grad(). Everything about the graph is found out first (discover, order, prune, check), by
/// indices, so that formulas and hooks may do what they like with tensors, even run another pass.
class Pass {
 public:
  Pass(const char* name, bool retain_graph, bool create_graph)
      : name_(name),
        retain_(retain_graph || create_graph),
        create_(create_graph),
        id_(++pass_count),
        mode_(create_graph) {}

  /// Finds out what lies below `outputs`, and puts the gradients there.
  void start(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients);
  /// Narrows the pass down to what the gradients of `inputs` need.
  void capture(const std::vector<Tensor>& inputs);
  void run();
  /// Adds the gradients of leaves, and of tensors that retain theirs, to their grad(): all or none.
  void accumulate_into_grads();
  /// The gradients of the captured inputs.
  std::vector<Tensor> results(bool allow_unused);

 private:
  /// Index of the tensor's buffer; a node seen for the first time becomes a step.
  std::uint32_t buffer_of(AutogradMeta& meta);
  Tensor root_gradient(const Tensor& output, std::size_t index, const std::vector<Tensor>& gradients) const;
  void discover();
  void sort();
  void prune();
  void check_not_freed() const;
  void run_step(Step& step);
  Grads call(Step& step, std::uint64_t wanted);
  std::uint64_t wanted_inputs(const Step& step) const;
  void finish(Buffer& buffer);
  void deliver(const Step& step, Grads& grads, std::uint64_t wanted);
  Tensor fit(Tensor grad, const AutogradMeta& input, const Node& node, std::size_t index) const;
  void accumulate(Tensor& sum, Tensor grad) const;
  Tensor own(Tensor grad) const;
  bool reusable(const Tensor& tensor) const;
  Update prepare(AutogradMeta* meta, Tensor grad) const;

  const char* name_;
  bool retain_, create_;
  bool pruned_ = false;  ///< only what lies above the captured tensors runs
  std::uint64_t id_;
  GradModeGuard mode_;
  std::vector<std::shared_ptr<AutogradMeta>> roots_;  // keep the graph alive while user code runs
  std::vector<Buffer> buffers_;
  std::vector<Step> steps_;
  std::vector<std::uint32_t> targets_;   // buffer of each edge of each step; kNone: no gradient wanted
  std::vector<std::uint32_t> order_;     // steps, consumers first
  std::vector<std::uint32_t> captured_;  // buffers of the inputs of grad(); kNone: not reached
  std::vector<Update> updates_;
};

std::uint32_t Pass::buffer_of(AutogradMeta& meta) {
  const auto next = static_cast<std::uint32_t>(buffers_.size());
  if (!meta.node) {
    if (meta.pass != id_) {
      meta.pass = id_;
      meta.buffer = next;
      buffers_.emplace_back().meta = &meta;
    }
    return meta.buffer;
  }
  Node& node = *meta.node;
  if (node.pass != id_) {
    node.pass = id_;
    node.step = static_cast<std::uint32_t>(steps_.size());
    steps_.push_back({.node = &node, .first_buffer = next});
    for (std::uint32_t i = 0; i < node.output_count; ++i) {
      buffers_.emplace_back().step = node.step;
    }
  }
  const std::uint32_t index = steps_[node.step].first_buffer + meta.output_index;
  buffers_[index].meta = &meta;
  return index;
}

Tensor Pass::root_gradient(const Tensor& output, std::size_t index, const std::vector<Tensor>& gradients) const {
  if (index < gradients.size() && gradients[index].defined()) {
    const Tensor& gradient = gradients[index];
    require<ShapeError>(gradient.shape() == output.shape(), name_, "Mismatch in shape: grad_output[", index,
                        "] has a shape of ", gradient.shape(), " and output[", index, "] (of '", output.op_name(),
                        "') has a shape of ", output.shape());
    require<DtypeError>(gradient.dtype() == output.dtype(), name_, "grad_output[", index, "] has dtype ",
                        gradient.dtype(), " and output[", index, "] (of '", output.op_name(), "') has dtype ",
                        output.dtype());
    return gradient;
  }
  require<ShapeError>(output.numel() == 1, name_, "grad can be implicitly created only for scalar outputs; output ",
                      index, " (of '", output.op_name(), "') has shape ", output.shape());
  return Tensor(Array::ones(output.shape(), output.dtype()));
}

void Pass::start(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients) {
  require(!outputs.empty(), name_, "there are no tensors to start from");
  require(gradients.empty() || gradients.size() == outputs.size(), name_, "got ", outputs.size(), " tensors and ",
          gradients.size(), " gradients");
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    require(outputs[i].defined(), name_, "element ", i, " of tensors is undefined");
    require<StateError>(!outputs[i].outdated(), name_, "element ", i, " of tensors", detail::kOutdated);
    require<StateError>(outputs[i].requires_grad(), name_, "element ", i,
                        " of tensors does not require grad and does not have a ", "grad_fn (shape ", outputs[i].shape(),
                        ")");
    Tensor gradient = root_gradient(outputs[i], i, gradients);
    roots_.push_back(outputs[i].meta());
    accumulate(buffers_[buffer_of(*roots_.back())].grad, std::move(gradient));
  }
  discover();
}

void Pass::discover() {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    steps_[i].first_edge = static_cast<std::uint32_t>(targets_.size());
    const Edges& edges = steps_[i].node->edges;
    for (std::size_t e = 0; e < edges.size(); ++e) {
      const std::uint32_t target = edges[e] ? buffer_of(*edges[e]) : kNone;
      targets_.push_back(target);
      if (target != kNone && buffers_[target].step != kNone) {
        ++steps_[buffers_[target].step].consumers;
      }
    }
  }
}

void Pass::sort() {
  order_.reserve(steps_.size());
  std::vector<std::uint32_t> ready;
  for (std::uint32_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].consumers == 0) {
      ready.push_back(i);
    }
  }
  while (!ready.empty()) {
    const Step& step = steps_[ready.back()];
    order_.push_back(ready.back());
    ready.pop_back();
    for (std::size_t e = 0; e < step.node->edges.size(); ++e) {
      const std::uint32_t target = targets_[step.first_edge + e];
      if (target != kNone && buffers_[target].step != kNone && --steps_[buffers_[target].step].consumers == 0) {
        ready.push_back(buffers_[target].step);
      }
    }
  }
}

void Pass::prune() {
  for (auto i = order_.rbegin(); i != order_.rend(); ++i) {
    steps_[*i].active = false;  // wanted_inputs() looks at the steps below, which are done
    steps_[*i].active = wanted_inputs(steps_[*i]) != 0;
  }
}

void Pass::check_not_freed() const {
  for (const Step& step : steps_) {
    if (step.active && step.node->freed) {
      fail<StateError>(name_, "the graph of '", step.node->name,
                       "' was already freed; call backward(..., retain_graph=true) the ", "first time");
    }
  }
}

std::uint64_t Pass::wanted_inputs(const Step& step) const {
  std::uint64_t wanted = 0;
  for (std::size_t e = 0; e < step.node->edges.size(); ++e) {
    const std::uint32_t target = targets_[step.first_edge + e];
    if (target == kNone) {
      continue;
    }
    const Buffer& buffer = buffers_[target];
    if (!pruned_ || buffer.captures > 0 || (buffer.step != kNone && steps_[buffer.step].active)) {
      wanted |= detail::wanted_bit(e);
    }
  }
  return wanted;
}

void Pass::capture(const std::vector<Tensor>& inputs) {
  pruned_ = true;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require(inputs[i].defined(), name_, "input ", i, " is undefined");
    require<StateError>(!inputs[i].outdated(), name_, "input ", i, detail::kOutdated);
    require<StateError>(inputs[i].requires_grad(), name_,
                        "One of the differentiated Tensors does not require grad: input ", i, " (shape ",
                        inputs[i].shape(), ")");
    AutogradMeta& meta = *inputs[i].meta();
    const bool reached = (meta.node ? meta.node->pass : meta.pass) == id_;
    captured_.push_back(reached ? buffer_of(meta) : kNone);
    if (reached) {
      ++buffers_[captured_.back()].captures;
    }
  }
}

void Pass::run() {
  sort();
  if (pruned_) {
    prune();
  }
  check_not_freed();
  for (const std::uint32_t index : order_) {
    run_step(steps_[index]);
  }
  for (Buffer& buffer : buffers_) {
    if (buffer.step == kNone && buffer.grad.defined() && (!pruned_ || buffer.captures > 0)) {
      finish(buffer);
    }
  }
}

void Pass::run_step(Step& step) {
  bool reached = false;
  for (std::uint32_t i = 0; i < step.node->output_count; ++i) {
    Buffer& buffer = buffers_[step.first_buffer + i];
    if (buffer.grad.defined()) {
      reached = true;
      finish(buffer);
    }
  }
  if (reached && step.active) {
    const std::uint64_t wanted = wanted_inputs(step);
    Grads grads = call(step, wanted);
    deliver(step, grads, wanted);
  }
}

Grads Pass::call(Step& step, std::uint64_t wanted) {
  Node& node = *step.node;
  require<StateError>(!node.freed, name_, "the graph of '", node.name,
                      "' was freed by another backward while this one ran");
  require(!create_ || node.twice_differentiable, name_, "'", node.name,
          "' has no second derivative, so it can't be part of a backward with create_graph=true");
  Grads grads;
  {
    const detail::FormulaScope scope;
    if (node.multi_backward) {
      std::vector<Tensor> dys(node.output_count);
      for (std::uint32_t i = 0; i < node.output_count; ++i) {
        dys[i] = std::move(buffers_[step.first_buffer + i].grad);
      }
      const detail::ProfileFormula profiled(node, dys[0].defined() ? dys[0].shape() : Shape(), wanted);
      grads = node.run(dys, wanted);
    } else {
      const Tensor dy = std::move(buffers_[step.first_buffer].grad);
      const detail::ProfileFormula profiled(node, dy.shape(), wanted);
      grads = node.run(dy, wanted);
    }
  }
  require(grads.size() == node.edges.size(), name_, "backward of '", node.name, "' gave ", grads.size(),
          " gradients, expected one for each of its ", node.edges.size(), " inputs");
  if (!retain_) {
    node.release();
  }
  return grads;
}

void Pass::finish(Buffer& buffer) {
  AutogradMeta& meta = *buffer.meta;
  if (meta.hooks) {
    const auto hooks = meta.hooks->list;  // a hook may remove itself
    for (const auto& [id, hook] : hooks) {
      Tensor replacement = hook(buffer.grad);
      if (replacement.defined()) {
        require_alike(replacement.dtype() == meta.dtype, replacement.shape() == meta.shape, name_, "a hook on ",
                      meta.node ? concat("the result of '", meta.node->name, "'") : std::string("a leaf"),
                      " returned shape ", replacement.shape(), " ", replacement.dtype(), ", expected ", meta.shape, " ",
                      meta.dtype);
        buffer.grad = std::move(replacement);
      }
    }
  }
  if (buffer.captures > 0) {
    buffer.result = buffer.grad;
  }
  if (buffer.step == kNone || meta.retain_grad) {
    updates_.push_back({&meta, buffer.grad});
  }
  if (buffer.step == kNone) {
    buffer.grad = Tensor();
  }
}

void Pass::deliver(const Step& step, Grads& grads, std::uint64_t wanted) {
  const Node& node = *step.node;
  const bool check = anomaly_enabled();
  for (std::size_t e = 0; e < grads.size(); ++e) {
    if (!grads[e].defined() || !node.edges[e] || !detail::wants(wanted, e)) {
      continue;
    }
    if (check) {
      detail::check_gradient(node.name, e, grads[e].array(), node.origin.get());
    }
    accumulate(buffers_[targets_[step.first_edge + e]].grad, fit(std::move(grads[e]), *node.edges[e], node, e));
  }
}

Tensor Pass::fit(Tensor grad, const AutogradMeta& input, const Node& node, std::size_t index) const {
  require<DtypeError>(grad.dtype() == input.dtype, name_, "backward of '", node.name,
                      "' returned an invalid gradient at index ", index, " - got dtype ", grad.dtype(),
                      " but expected ", input.dtype, " (shape ", input.shape, ")");
  if (grad.shape() == input.shape) {
    return grad;
  }
  const int extra = grad.rank() - input.shape.rank();
  bool reducible = extra >= 0;
  for (int d = 0; reducible && d < input.shape.rank(); ++d) {
    reducible = input.shape[d] == 1 || input.shape[d] == grad.shape()[d + extra];
  }
  require<ShapeError>(reducible, name_, "backward of '", node.name, "' returned an invalid gradient at index ", index,
                      " - got ", grad.shape(), " but expected shape compatible with ", input.shape);
  return create_ ? sum_to(grad, input.shape) : Tensor(sum_to(grad.array(), input.shape));
}

bool Pass::reusable(const Tensor& tensor) const {
  return !create_ && tensor.is_unshared() && !tensor.meta() && tensor.array().is_contiguous();
}

void Pass::accumulate(Tensor& sum, Tensor grad) const {
  if (!sum.defined()) {
    sum = std::move(grad);
    return;
  }
  const detail::ProfileSum profiled;
  if (reusable(sum)) {
    add_scaled_(sum.mutable_array(), grad.array());
  } else if (reusable(grad)) {
    add_scaled_(grad.mutable_array(), sum.array());
    sum = std::move(grad);
  } else {
    sum = add(sum, grad);
  }
}

/// A gradient that shares memory with nothing, to be handed to the user.
Tensor Pass::own(Tensor grad) const {
  if (reusable(grad)) {
    return grad;
  }
  if (create_) {
    return grad.is_unshared() && grad.array().is_contiguous() ? grad : clone(grad);
  }
  return Tensor(grad.array().clone());
}

Update Pass::prepare(AutogradMeta* meta, Tensor grad) const {
  const Tensor& old = meta->grad;
  if (!old.defined()) {
    return {meta, own(std::move(grad))};
  }
  require_alike(old.dtype() == grad.dtype(), old.shape() == grad.shape(), name_, "a tensor's grad has shape ",
                old.shape(), " and dtype ", old.dtype(), ", the new gradient has ", grad.shape(), " and ",
                grad.dtype());
  if (reusable(old)) {
    return {meta, std::move(grad), true};
  }
  return {meta, add(old, grad)};
}

void Pass::accumulate_into_grads() {
  std::erase_if(updates_, [](const Update& update) { return !update.meta->requires_grad; });
  for (Update& update : updates_) {
    update = prepare(update.meta, std::move(update.value));
  }
  for (Update& update : updates_) {  // nothing below throws
    if (update.in_place) {
      add_scaled_(update.meta->grad.mutable_array(), update.value.array());
    } else {
      update.meta->grad = std::move(update.value);
    }
  }
}

std::vector<Tensor> Pass::results(bool allow_unused) {
  std::vector<Tensor> grads(captured_.size());
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (captured_[i] != kNone && buffers_[captured_[i]].result.defined()) {
      Buffer& buffer = buffers_[captured_[i]];
      buffer.grad = Tensor();
      grads[i] = own(--buffer.captures == 0 ? std::move(buffer.result) : buffer.result);
      continue;
    }
    require(allow_unused, name_, "One of the differentiated Tensors appears to not have been used in the graph: input ",
            i, ". Set allow_unused=true if this is the desired behavior");
  }
  return grads;
}

}  // namespace

void backward(const std::vector<Tensor>& tensors, const std::vector<Tensor>& gradients, bool retain_graph,
              bool create_graph) {
  Pass pass("backward", retain_graph, create_graph);
  pass.start(tensors, gradients);
  pass.run();
  pass.accumulate_into_grads();
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs, GradOptions options) {
  require(!inputs.empty(), "grad", "there are no inputs");
  Pass pass("grad", options.retain_graph, options.create_graph);
  pass.start(outputs, grad_outputs);
  pass.capture(inputs);
  pass.run();
  return pass.results(options.allow_unused);
}

}  // namespace evenkeel
