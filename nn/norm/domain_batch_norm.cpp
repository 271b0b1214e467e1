#include "evenkeel/nn/norm/domain_batch_norm.hpp"

#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/norm_common.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {
namespace {

std::int64_t checked_domains(std::int64_t domains) {
  require(domains > 0, "DomainBatchNorm2d", "the number of domains must be positive, got ", domains);
  return domains;
}

}  // namespace

DomainBatchNorm2d::DomainBatchNorm2d(std::int64_t num_domains, std::int64_t num_features, Options options)
    : num_domains(checked_domains(num_domains)),
      num_features(checked_channels("DomainBatchNorm2d", "num_features", num_features)),
      options(checked("DomainBatchNorm2d", options)),
      weight(parameter("weight", value_if(options.affine, {num_features}, 1))),
      bias(parameter("bias", value_if(options.affine, {num_features}, 0))) {
  for (std::int64_t i = 0; i < num_domains; ++i) {
    add<BatchNorm2d>(std::to_string(i), num_features,
                     {.eps = options.eps, .momentum = options.momentum, .affine = false});
  }
}

std::string DomainBatchNorm2d::extra_repr() const {
  return concat(num_domains, ", ", num_features, ", affine=", repr(options.affine), ", cycle=", repr(options.cycle));
}

void DomainBatchNorm2d::on_clone(const Module& original) {
  domain_ = dynamic_cast<const DomainBatchNorm2d&>(original).domain_;
}

void DomainBatchNorm2d::set_domain(std::int64_t domain) {
  if (domain < 0 || domain >= num_domains) {
    fail<IndexError>(type_name(), "there is no domain ", domain, ", only 0 to ", num_domains - 1);
  }
  domain_ = domain;
}

Tensor DomainBatchNorm2d::forward(const Tensor& x) {
  check_channels(*this, x, num_features, kImages);
  check_dtypes(*this, x, weight, bias);
  const Tensor y = (*children()[static_cast<std::size_t>(domain_)])(x);
  Tensor scaled = scale_and_shift(y, weight, bias);
  domain_ = options.cycle ? (domain_ + 1) % num_domains : domain_;
  return scaled;
}

std::int64_t set_domain(Module& model, std::int64_t domain) {
  std::int64_t count = 0;
  for (const auto& [name, module] : model.named_modules()) {
    if (auto* norm = dynamic_cast<DomainBatchNorm2d*>(module)) {
      norm->set_domain(domain);
      ++count;
    }
  }
  return count;
}

}  // namespace evenkeel::nn
