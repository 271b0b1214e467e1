#include "evenkeel/autograd/node.hpp"

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/graph.hpp"
#include "evenkeel/autograd/op_profile.hpp"
#include "evenkeel/autograd/window.hpp"
#include "evenkeel/core/pooled.hpp"

#include <algorithm>

namespace evenkeel {

namespace {

bool wants_graph(const OpInfo& info) {
  return grad_enabled() && std::any_of(info.inputs.begin(), info.inputs.end(),
                                       [](const Tensor& t) { return t.requires_grad() || t.outdated(); });
}

/// The edge to one input. One that does not know what its values have become would lose a gradient.
std::shared_ptr<AutogradMeta> edge_to(const Tensor& input, std::string_view op, std::size_t index) {
  require<StateError>(!input.outdated(), op, "input ", index, detail::kOutdated);
  if (!input.requires_grad()) {
    return nullptr;
  }
  const std::shared_ptr<AutogradMeta>& meta = input.meta();
  const Array& array = input.array();
  if (!meta->node && (meta->dtype != array.dtype() || meta->shape != array.shape())) {
    meta->dtype = array.dtype();  // a parameter that was converted or given another array
    meta->shape = array.shape();
  }
  return meta;
}

std::shared_ptr<Node> make_node(const OpInfo& info) {
  auto node = make_pooled<Node>(info.name);
  node->twice_differentiable = info.twice_differentiable;
  node->origin = detail::capture_origin();
  node->saved.reserve(info.keep.count());
  for (std::size_t i = 0; i < info.inputs.size(); ++i) {
    node->edges.push_back(edge_to(info.inputs[i], info.name, i));
    if (info.keep.has_input(i) && info.inputs[i].defined()) {
      const Array& array = info.inputs[i].array();
      node->saved.push_back({array, array.version(), static_cast<std::uint32_t>(i), SavedValue::Kind::input, {}});
    }
  }
  const std::span<const Array> extras = info.keep.extras();
  for (std::size_t i = 0; i < extras.size(); ++i) {
    const auto index = static_cast<std::uint32_t>(i);
    node->saved.push_back({extras[i], extras[i].version(), index, SavedValue::Kind::extra, {}});
  }
  return node;
}

std::shared_ptr<AutogradMeta> make_output(const std::shared_ptr<Node>& node, std::uint32_t index, const Array& value,
                                          const Keep& keep) {
  auto meta = make_pooled<AutogradMeta>(value, true);
  meta->node = node;
  meta->output_index = index;
  if (keep.has_output(index)) {
    node->saved.push_back({value, value.version(), index, SavedValue::Kind::output, meta});
  }
  return meta;
}

/// Tells `result` whose storage it has, if an input's.
void relate(const Tensor& result, const OpInfo& info) {
  if (info.view) {
    if (result.array().shares_storage(info.inputs[0].array())) {
      result.become_view_of(info.inputs[0]);
    }
  } else if (std::any_of(info.inputs.begin(), info.inputs.end(),
                         [&](const Tensor& x) { return x.defined() && result.array().shares_storage(x.array()); })) {
    result.become_alias();
  }
}

Tensor attach(const std::shared_ptr<Node>& node, std::uint32_t index, Array value, const OpInfo& info) {
  std::shared_ptr<AutogradMeta> meta = make_output(node, index, value, info.keep);
  Tensor result(std::move(value));
  result.set_meta(std::move(meta));
  relate(result, info);
  return result;
}

/// The result of an op that is not recorded.
Tensor plain(Array value, const OpInfo& info) {
  Tensor result(std::move(value));
  if (info.view) {
    relate(result, info);
  }
  return result;
}

/// What a tensor becomes when elements of it, `view`, change: the former values but for those, and the changed ones.
std::shared_ptr<AutogradMeta> place_of_whole(const Tensor& whole, const Tensor& changed) {
  const Window window(whole.array(), changed.array());
  const bool all = window.is_all();
  const std::shared_ptr<Node> node = make_node({.name = "copy_slices", .inputs = {all ? Tensor() : whole, changed}});
  node->backward = [window](const Saved& saved, const Tensor& dy) -> Grads {
    return {saved.needs(0) ? window.cut_from(dy) : Tensor(), saved.needs(1) ? window.of(dy) : Tensor()};
  };
  return make_output(node, 0, whole.array(), Keep::nothing());
}

}  // namespace

std::shared_ptr<AutogradMeta> detail::place_of_view(const Tensor& base, const Array& view) {
  const std::shared_ptr<Node> node = make_node({.name = "as_strided", .inputs = {base}});
  node->backward = [window = Window(base.array(), view)](const Saved&, const Tensor& dy) -> Grads {
    return {window.put_into_zeros(dy)};
  };
  return make_output(node, 0, view, Keep::nothing());
}

Tensor Saved::input(std::size_t i) const {
  require<IndexError>(i < node_.edges.size(), "backward", "'", node_.name, "' has ", node_.edges.size(),
                      " inputs, no input ", i);
  Tensor result(node_.saved_value(i, SavedValue::Kind::input).value);
  if (node_.edges[i]) {
    result.set_meta(node_.edges[i]);
  }
  return result;
}

Tensor Saved::output(std::size_t i) const {
  const SavedValue& kept = node_.saved_value(i, SavedValue::Kind::output);
  Tensor result(kept.value);
  if (grad_enabled()) {
    std::shared_ptr<AutogradMeta> meta = kept.meta.lock();
    if (!meta) {
      meta = make_pooled<AutogradMeta>(kept.value, true);
      meta->node = std::const_pointer_cast<Node>(node_.shared_from_this());
      meta->output_index = kept.index;
    }
    result.set_meta(std::move(meta));
  }
  return result;
}

Array Saved::extra(std::size_t i) const { return node_.saved_value(i, SavedValue::Kind::extra).value; }

bool Saved::needs(std::size_t i) const {
  return i < node_.edges.size() && node_.edges[i] != nullptr && detail::wants(node_.wanted, i);
}

Tensor record(const OpInfo& info, Array value, Backward backward) {
  detail::tell_op(info.name, info.inputs, value.shape());
  if (detail::check_results()) [[unlikely]] {
    detail::check_result(info.name, value);
  }
  if (!wants_graph(info) || !is_floating(value.dtype())) {
    return plain(std::move(value), info);
  }
  const std::shared_ptr<Node> node = make_node(info);
  node->backward = std::move(backward);
  return attach(node, 0, std::move(value), info);
}

std::vector<Tensor> record(const OpInfo& info, std::vector<Array> values, MultiBackward backward) {
  detail::tell_op(info.name, info.inputs, values.empty() ? Shape() : values[0].shape());
  std::vector<Tensor> results;
  results.reserve(values.size());
  if (detail::check_results()) [[unlikely]] {
    for (const Array& value : values) {
      detail::check_result(info.name, value);
    }
  }
  std::shared_ptr<Node> node;
  if (wants_graph(info)) {
    node = make_node(info);
    node->multi_backward = std::move(backward);
    node->output_count = static_cast<std::uint32_t>(values.size());
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool recorded = node && is_floating(values[i].dtype());
    results.push_back(recorded ? attach(node, static_cast<std::uint32_t>(i), std::move(values[i]), info)
                               : plain(std::move(values[i]), info));
  }
  return results;
}

bool may_reuse(const Tensor& dy) {
  return !grad_enabled() && dy.is_unshared() && !dy.meta() && dy.array().is_contiguous();
}

void check_in_place(std::string_view op, const Tensor& target, const OpInputs& others) {
  const auto check_overlap = [op](const Array& array, std::string_view what) {
    require(!array.has_overlap(), op, "unsupported operation: more than one element of the ", what,
            " tensor refers to a single memory location (shape ", array.shape(), ", strides ", array.strides(),
            "); clone() it first");
  };
  check_overlap(target.array(), "written-to");
  if (!grad_enabled()) {
    return;
  }
  require<StateError>(!target.outdated(), op, "the target", detail::kOutdated);
  bool recorded = target.requires_grad();
  for (const Tensor& other : others) {
    require<StateError>(!other.outdated(), op, "an input", detail::kOutdated);
    recorded |= other.requires_grad() && is_floating(target.dtype());
  }
  const bool followed = target.may_be_recorded_in_place();
  if (!recorded && followed) {
    return;
  }
  require<StateError>(followed, op, "the target is a view made by ",
                      target.is_leaf() ? std::string("an op under NoGradGuard") : concat("'", target.op_name(), "'"),
                      "; changing it in place would change what it views behind the graph's back; clone() it first");
  const Tensor whole = target.base();
  require<StateError>(!whole.requires_grad() || !whole.is_leaf(), op, whole.is(target) ? "a" : "a view of a",
                      " leaf Variable that requires grad is being used in an in-place operation (shape ", whole.shape(),
                      "); use NoGradGuard to change a parameter");
  check_overlap(whole.array(), "viewed");
}

void record_in_place(const OpInfo& info, Tensor& target, Backward backward) {
  const bool wanted = wants_graph(info);
  check_in_place(info.name, target, info.inputs);
  const Array& value = target.array();
  detail::tell_op(info.name, info.inputs, value.shape());
  if (detail::check_results()) [[unlikely]] {
    detail::check_result(info.name, value);
  }
  if (!wanted || !is_floating(value.dtype())) {
    return;
  }
  const std::shared_ptr<Node> node = make_node(info);
  for (SavedValue& kept : node->saved) {
    if (kept.value.shares_storage(value)) {
      --kept.version;  // what was kept is the value before the change, and that is gone
    }
  }
  node->backward = std::move(backward);
  std::shared_ptr<AutogradMeta> meta = make_output(node, 0, value, info.keep);
  const Tensor whole = target.base();
  if (!whole.is(target)) {
    Tensor changed(value);
    changed.set_meta(std::move(meta));
    meta = place_of_whole(whole, changed);
  }
  ++value.storage()->recorded;
  whole.move_to(std::move(meta));
}

}  // namespace evenkeel
