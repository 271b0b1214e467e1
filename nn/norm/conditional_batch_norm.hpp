#pragma once

#include "evenkeel/nn/norm/batch_norm.hpp"

#include <optional>

namespace evenkeel::nn {

struct ConditionalBatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value; see BatchNormOptions
  bool track_running_stats = true;
};

/// BatchNorm2d with a scale and a shift for each class, as generators of class-conditional images have it:
///   y[n] = (x[n] - E[x]) / sqrt(Var[x] + eps) * scale[labels[n]] + shift[labels[n]]
///   x, y: (N, C, H, W); labels: int64 (N), from 0 to num_classes - 1
/// The statistics are those of all classes together; the child "bn" is a BatchNorm2d without affine. The child "embed"
/// has the table as its parameter weight: (num_classes, 2 C), a class's scales (from 1) and then its shifts (from 0),
/// so that at first it is BatchNorm2d. These are the names that PyTorch programs give to a BatchNorm2d and an
/// Embedding.
/// forward(x, labels) takes the labels beside x. Where a Sequential or another network hands on x alone, set_labels
/// says them before: they hold until others are set, and are no part of state_dict().
/// Throws as BatchNorm2d; ShapeError, DtypeError: labels that are no int64 (N); IndexError: a label that is no class;
/// StateError: no labels; ValueError: fewer than 1 class.
/// Dumoulin, Shlens & Kudlur 2017, arXiv:1610.07629; de Vries et al. 2017, arXiv:1707.00683.
class ConditionalBatchNorm2d : public Layer {
 public:
  using Options = ConditionalBatchNormOptions;
  ConditionalBatchNorm2d(std::int64_t num_classes, std::int64_t num_features, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<ConditionalBatchNorm2d>(num_classes, num_features, options);
  }
  Tensor forward(const Tensor& x) override;
  Tensor forward(const Tensor& x, const Tensor& labels);

  /// Undefined until they are set.
  const Tensor& labels() const { return labels_; }
  void set_labels(const Tensor& labels);

  const std::int64_t num_classes, num_features;
  const ConditionalBatchNormOptions options;
  Child<BatchNorm2d> bn;
  Child<Module> embed;
  Tensor& weight;  ///< of embed

 protected:
  void on_clone(const Module& original) override;

 private:
  friend std::int64_t set_labels(Module& model, const Tensor& labels);
  /// Throws unless they are int64 of one dim, each a class.
  void check_labels(const Tensor& labels) const;

  Tensor labels_;
};

/// Tells every ConditionalBatchNorm2d of the model, the model itself included, the labels of the batch that comes next.
/// Returns their number. Throws, changing nothing, as set_labels of one of them.
std::int64_t set_labels(Module& model, const Tensor& labels);

}  // namespace evenkeel::nn
