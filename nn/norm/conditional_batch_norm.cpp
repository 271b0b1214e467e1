#include "evenkeel/nn/norm/conditional_batch_norm.hpp"

#include "evenkeel/autograd/ops/index.hpp"
#include "evenkeel/autograd/ops/row_function.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"

#include <vector>

namespace evenkeel::nn {
namespace {

/// The classes' scales and then shifts, printed as PyTorch prints the module that has them there.
class Table : public Module {
 public:
  Table(std::int64_t num_classes, std::int64_t num_features)
      : shape_{num_classes, 2 * num_features}, weight(parameter("weight", start(shape_))) {}
  std::string type_name() const override { return "Embedding"; }
  std::string extra_repr() const override { return concat(shape_[0], ", ", shape_[1]); }

 private:
  static Array start(const Shape& shape) {
    Array values = Array::zeros(shape);
    values.slice(1, 0, shape[1] / 2).fill_(1);
    return values;
  }

  const Shape shape_;

 public:
  Tensor& weight;
};

std::int64_t checked_classes(std::int64_t classes) {
  require(classes > 0, "ConditionalBatchNorm2d", "the number of classes must be positive, got ", classes);
  return classes;
}

}  // namespace

ConditionalBatchNorm2d::ConditionalBatchNorm2d(std::int64_t num_classes, std::int64_t num_features, Options options)
    : num_classes(checked_classes(num_classes)),
      num_features(checked_channels("ConditionalBatchNorm2d", "num_features", num_features)),
      options(options),
      bn(add<BatchNorm2d>("bn", num_features,
                          {.eps = options.eps,
                           .momentum = options.momentum,
                           .affine = false,
                           .track_running_stats = options.track_running_stats})),
      embed(add<Table>("embed", num_classes, num_features)),
      weight(embed->get_parameter("weight")) {}

std::string ConditionalBatchNorm2d::extra_repr() const { return concat(num_classes, ", ", num_features); }

void ConditionalBatchNorm2d::check_labels(const Tensor& labels) const {
  require(labels.defined(), type_name(), "the labels are an undefined tensor");
  require<DtypeError>(labels.dtype() == DType::int64, type_name(), "labels must be int64, got ", labels.dtype());
  require<ShapeError>(labels.rank() == 1, type_name(), "labels must be (N), one per sample, got shape ",
                      labels.shape());
  for (const std::int64_t label : labels.array().to_vector<std::int64_t>()) {
    if (label < 0 || label >= num_classes) {
      fail<IndexError>(type_name(), "there is no class ", label, ", only 0 to ", num_classes - 1);
    }
  }
}

void ConditionalBatchNorm2d::set_labels(const Tensor& labels) {
  check_labels(labels);
  labels_ = labels;
}

Tensor ConditionalBatchNorm2d::forward(const Tensor& x) {
  require<StateError>(labels_.defined(), type_name(), "no labels are set; call set_labels, or forward(x, labels)");
  return forward(x, labels_);
}

Tensor ConditionalBatchNorm2d::forward(const Tensor& x, const Tensor& labels) {
  const detail::ParameterScope table(*embed);
  check_channels(*this, x, num_features, kImages);
  check_dtype(*this, x, weight);
  check_labels(labels);
  require<ShapeError>(labels.size(0) == x.size(0), type_name(), "labels must be (", x.size(0),
                      "), one per sample, got shape ", labels.shape());
  const Tensor normalized = bn(x);
  const Tensor rows = index_select(weight, 0, labels);
  table.commit();
  const auto half = [&](std::int64_t first) { return flatten(slice(rows, 1, first, first + num_features)); };
  if (x.numel() == 0) {
    return empty_output(normalized, {rows});
  }
  return affine_rows(normalized, spatial_size(x.shape()), {}, half(0), half(num_features));
}

void ConditionalBatchNorm2d::on_clone(const Module& original) {
  labels_ = dynamic_cast<const ConditionalBatchNorm2d&>(original).labels_;
}

std::int64_t set_labels(Module& model, const Tensor& labels) {
  std::vector<ConditionalBatchNorm2d*> norms;
  for (const auto& [name, module] : model.named_modules()) {
    if (auto* norm = dynamic_cast<ConditionalBatchNorm2d*>(module)) {
      norm->check_labels(labels);
      norms.push_back(norm);
    }
  }
  for (ConditionalBatchNorm2d* norm : norms) {
    norm->labels_ = labels;
  }
  return static_cast<std::int64_t>(norms.size());
}

}  // namespace evenkeel::nn
