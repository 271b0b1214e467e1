#pragma once

#include "evenkeel/nn/module.hpp"

#include <optional>

namespace evenkeel::nn {

struct DomainBatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  ///< weight of the new value; see BatchNormOptions
  bool affine = true;
  bool cycle = false;  ///< after each forward the next domain's turn comes (feature levels, one after the other)
};

/// BatchNorm2d with statistics per domain and one weight and bias for all: images of different sources, sizes or
/// feature levels share a network and keep means and variances of their own.
///   x, y: (N, C, H, W), all of the current domain; weight, bias: (C)
/// Children "0", "1", ... are BatchNorm2d without affine. detectron2's CycleBatchNormList (same state names) always
/// cycles. The current domain is not in state_dict.
/// Throws ValueError: fewer than 1 domain; IndexError: a domain that does not exist; otherwise as BatchNorm2d.
/// Wu & Johnson 2021, arXiv:2105.07576.
class DomainBatchNorm2d : public Layer {
 public:
  using Options = DomainBatchNormOptions;
  DomainBatchNorm2d(std::int64_t num_domains, std::int64_t num_features, Options options = {});
  std::string extra_repr() const override;
  std::unique_ptr<Module> clone_structure() const override {
    return std::make_unique<DomainBatchNorm2d>(num_domains, num_features, options);
  }
  Tensor forward(const Tensor& x) override;

  std::int64_t domain() const { return domain_; }
  void set_domain(std::int64_t domain);

  const std::int64_t num_domains, num_features;
  const DomainBatchNormOptions options;
  Tensor& weight;
  Tensor& bias;

 protected:
  void on_clone(const Module& original) override;

 private:
  std::int64_t domain_ = 0;
};

/// Tells every DomainBatchNorm2d of the model, the model itself included, which domain comes next. Returns their
/// number.
std::int64_t set_domain(Module& model, std::int64_t domain);

}  // namespace evenkeel::nn
