#include "evenkeel/autograd/graph.hpp"

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

namespace evenkeel {

namespace {

std::atomic<std::int64_t> node_count{0};

// What waits for its destruction in this thread. Plain pointers, so that tensors may die at any time, also after the
// thread's other variables.
thread_local Node* doomed = nullptr;
thread_local Hooks* doomed_hooks = nullptr;
thread_local bool draining = false;

}  // namespace

AutogradMeta::~AutogradMeta() {
  if (grad.has_meta()) {
    if (!hooks) {
      hooks.reset(new (std::nothrow) Hooks);
    }
    if (hooks) {
      hooks->grad_ = std::move(grad);
    }
  }
  if (hooks) {
    hooks->next_ = doomed_hooks;
    doomed_hooks = hooks.release();
  }
  if (node && node.use_count() == 1) {
    Node* last = node.get();
    last->self_ = std::move(node);
    last->next_ = doomed;
    doomed = last;
  }
  if (draining) {
    return;
  }
  draining = true;
  while (doomed != nullptr || doomed_hooks != nullptr) {
    if (doomed != nullptr) {
      Node* next = doomed;
      doomed = next->next_;
      const std::shared_ptr<Node> owner = std::move(next->self_);
    } else {
      const std::unique_ptr<Hooks> next(std::exchange(doomed_hooks, doomed_hooks->next_));
    }
  }
  draining = false;
}

Node::Node(std::string_view op) : name(op) { node_count.fetch_add(1, std::memory_order_relaxed); }
Node::~Node() { node_count.fetch_sub(1, std::memory_order_relaxed); }

std::int64_t live_nodes() { return node_count.load(std::memory_order_relaxed); }

Grads Node::run(const Tensor& gradient, std::uint64_t wanted_inputs) {
  wanted = wanted_inputs;
  return backward(Saved(*this), gradient);
}

Grads Node::run(std::vector<Tensor>& gradients, std::uint64_t wanted_inputs) {
  wanted = wanted_inputs;
  return multi_backward(Saved(*this), gradients);
}

void Node::release() {
  freed = true;
  saved = {};
  backward = nullptr;
  multi_backward = nullptr;
}

const SavedValue& Node::saved_value(std::size_t index, SavedValue::Kind kind) const {
  const auto found = std::find_if(saved.begin(), saved.end(),
                                  [&](const SavedValue& value) { return value.index == index && value.kind == kind; });
  constexpr std::array<std::string_view, 3> kNames = {"input", "output", "extra array"};
  const std::string_view kind_name = kNames[static_cast<std::size_t>(kind)];
  require<StateError>(found != saved.end(), "backward", "'", name, "' did not keep its ", kind_name, " ", index);
  if (found->value.version() != found->version) {
    const bool only_one = kind == SavedValue::Kind::output && output_count == 1;
    const std::string which = only_one ? std::string(kind_name) : concat(kind_name, " ", index);
    fail<StateError>("backward", "'", name, "' needs its ", which,
                     " for backward, but it was changed in place: version ", found->value.version(), ", expected ",
                     found->version);
  }
  return *found;
}

}  // namespace evenkeel
