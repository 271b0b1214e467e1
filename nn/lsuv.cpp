#include "evenkeel/nn/lsuv.hpp"

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/reduce.hpp"
#include "evenkeel/nn/init.hpp"
#include "evenkeel/nn/parametrize.hpp"
#include "evenkeel/nn/scoped_hooks.hpp"
#include "evenkeel/nn/weighted_layer.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>

namespace evenkeel::nn {
namespace {

/// A model's values and generators at one time.
class Before {
 public:
  explicit Before(Module& model) : model_(model), generators_(model.generator_state()) {
    for (const auto& all : {model.named_parameters(), model.named_buffers()}) {
      for (const auto& [name, tensor] : all) {
        values_.push_back({tensor, tensor.array().clone(), tensor.array().version()});
      }
    }
  }
  /// All values again, where they were written, but those of the `kept` tensors.
  void restore(const std::vector<Tensor>& kept) {
    for (Value& v : values_) {
      const bool is_kept = std::any_of(kept.begin(), kept.end(), [&](const Tensor& k) { return k.is(v.tensor); });
      if (!is_kept && v.tensor.array().version() != v.version) {
        v.tensor.mutable_array().copy_(v.before);
        v.version = v.tensor.array().version();
      }
    }
    model_.load_generator_state(generators_);
  }

 private:
  struct Value {
    Tensor tensor;
    Array before;
    std::uint64_t version;
  };
  Module& model_;
  StateDict generators_;
  std::vector<Value> values_;
};

/// Sees every layer's output, and sets the first layer of each run that is not set yet.
class Setter {
 public:
  Setter(Module& model, const LsuvOptions& options) : options_(options) {
    for (const auto& [name, module] : model.named_modules()) {
      if (auto* layer = dynamic_cast<WeightedLayer*>(module)) {
        waiting_.push_back({layer, {.name = name, .type = layer->type_name()}});
        hooks_.add(*layer, [this](const Module& m, const auto& in, const auto& out) { see(m, in[0], out[0]); });
      }
    }
  }

  /// The weights that may be set.
  std::vector<Tensor> weights() const {
    std::vector<Tensor> all;
    for (const Waiting& each : waiting_) {
      if (!is_parametrized(*each.layer, "weight")) {
        all.push_back(each.layer->weight);
      }
    }
    return all;
  }
  /// To be called before each run; false if all layers are set.
  bool next() {
    set_one_ = false;
    return !waiting_.empty();
  }
  bool set_one() const { return set_one_; }
  LsuvReport report() {
    for (Waiting& each : waiting_) {
      each.row.skipped = is_parametrized(*each.layer, "weight") ? "its weight is parametrized" : "did not run";
      report_.layers.push_back(std::move(each.row));
    }
    return std::move(report_);
  }

 private:
  struct Waiting {
    WeightedLayer* layer;
    LsuvLayer row;
  };

  void see(const Module& module, const Tensor& x, const Tensor& y) {
    const auto found =
        std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& w) { return w.layer == &module; });
    if (set_one_ || found == waiting_.end() || is_parametrized(*found->layer, "weight")) {
      return;
    }
    set_one_ = true;
    report_.layers.push_back(std::move(found->row));
    set(*found->layer, report_.layers.back(), x, y);
    waiting_.erase(found);
  }

  void set(WeightedLayer& layer, LsuvLayer& row, const Tensor& x, const Tensor& y) const {
    const auto variance = [](const Tensor& output) { return var(output.array(), {}, 0).item(); };
    row.before = row.variance = variance(y);
    while (std::abs(row.variance - 1) >= options_.tol && row.iterations < options_.max_iterations) {
      if (!(row.variance > 0) || !std::isfinite(row.variance)) {
        row.skipped = "its output has no variance";
        return;
      }
      map_<kernels::MulScalar>(layer.weight.mutable_array(), {.a = 1 / std::sqrt(row.variance)});
      row.variance = variance(layer.forward(x));
      ++row.iterations;
    }
  }

  const LsuvOptions options_;
  std::vector<Waiting> waiting_;
  ScopedHooks hooks_;
  LsuvReport report_;
  bool set_one_ = false;
};

}  // namespace

LsuvReport lsuv_init_(Module& model, const std::function<void()>& run, Generator& generator,
                      const LsuvOptions& options) {
  require(options.tol > 0, "lsuv_init_", "tol must be positive, got ", options.tol);
  require(options.max_iterations >= 0, "lsuv_init_", "max_iterations must not be negative, got ",
          options.max_iterations);
  const NoGradGuard no_grad;
  const Generator::State state = generator.state();
  Before before(model);
  Setter setter(model, options);
  const std::vector<Tensor> weights = setter.weights();
  try {
    for (Tensor weight : weights) {
      if (options.orthonormal) {
        init::orthogonal_(weight, generator);
      }
    }
    while (setter.next()) {
      run();
      before.restore(weights);
      if (!setter.set_one()) {
        break;
      }
    }
  } catch (...) {
    before.restore({});
    generator.set_state(state);
    throw;
  }
  return setter.report();
}

LsuvReport lsuv_init_(Layer& model, const Tensor& batch, Generator& generator, const LsuvOptions& options) {
  return lsuv_init_(
      model, [&] { model(batch); }, generator, options);
}

std::string to_string(const LsuvReport& report) {
  std::string text;
  for (const LsuvLayer& layer : report.layers) {
    text += concat(layer.name.empty() ? "model" : layer.name, " (", layer.type, "): ");
    text += layer.skipped.empty() ? concat("variance ", layer.before, " -> ", layer.variance, ", scaled ",
                                           layer.iterations, layer.iterations == 1 ? " time" : " times")
                                  : concat("left alone, ", layer.skipped);
    text += "\n";
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const LsuvReport& report) { return out << to_string(report); }

}  // namespace evenkeel::nn
