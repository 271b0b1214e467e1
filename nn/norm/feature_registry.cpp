#include "nn/norm/feature_registry.hpp"

#include "nn/linear.hpp"
#include "nn/norm/batch_norm.hpp"
#include "nn/norm/group_norm.hpp"

#include <string>

namespace evenkeel::nn {
namespace {

constexpr NormEntry kNorms[] = {
    {"bn", "BatchNorm1d: statistics of the batch, per feature",
     [](std::int64_t features, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<BatchNorm1d>(
           features, BatchNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     }},
    {"gn", "GroupNorm: statistics of groups of features, per sample",
     [](std::int64_t features, const NormOptions& o) -> std::unique_ptr<Layer> {
       const std::int64_t groups = o.num_groups ? *o.num_groups : choose_gn_groups(features);
       return std::make_unique<GroupNorm>(groups, features,
                                          GroupNormOptions{.eps = o.eps.value_or(1e-5), .affine = o.affine});
     }},
    {"none", "Identity: no normalization",
     [](std::int64_t, const NormOptions&) -> std::unique_ptr<Layer> { return std::make_unique<Identity>(); }},
};

}  // namespace

std::span<const NormEntry> feature_norms() { return kNorms; }

std::unique_ptr<Layer> make_feature_norm(std::string_view name, std::int64_t features, const NormOptions& options) {
  std::string known;
  for (const NormEntry& entry : kNorms) {
    if (entry.name == name) {
      return entry.make(features, options);
    }
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  fail("make_feature_norm", "no norm for (N, C) is called '", name, "'; there are ", known);
}

}  // namespace evenkeel::nn
