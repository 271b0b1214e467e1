#include "nn/norm/registry.hpp"

#include "nn/linear.hpp"
#include "nn/norm/batch_group_norm.hpp"
#include "nn/norm/batch_norm.hpp"
#include "nn/norm/evo_norm.hpp"
#include "nn/norm/extended_batch_norm.hpp"
#include "nn/norm/group_norm.hpp"
#include "nn/norm/power_norm.hpp"
#include "nn/norm/switchable_norm.hpp"
#include "nn/norm/unit_norm.hpp"

#include <string>

namespace evenkeel::nn {
namespace {

constexpr NormEntry kNorms[] = {
    {"bn", "BatchNorm2d: statistics of the batch, per channel",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<BatchNorm2d>(
           channels, BatchNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     }},
    {"gn", "GroupNorm: statistics of groups of channels, per sample",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       const std::int64_t groups = o.num_groups ? *o.num_groups : choose_gn_groups(channels);
       return std::make_unique<GroupNorm>(groups, channels,
                                          GroupNormOptions{.eps = o.eps.value_or(1e-5), .affine = o.affine});
     }},
    {"bgn", "BatchGroupNorm: statistics of the batch, per group of channels",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<BatchGroupNorm>(
           channels,
           BatchGroupNormOptions{
               .num_groups = o.num_groups, .eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     }},
    {"ebn", "ExtendedBatchNorm: means per channel, one variance, of the batch",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<ExtendedBatchNorm>(
           channels, ExtendedBatchNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     }},
    {"evonorm_b0", "EvoNorm-B0: norm and activation in one, variances of batch and instance",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<EvoNormB0>(
           channels, EvoNormB0Options{.eps = o.eps.value_or(1e-3), .momentum = o.momentum, .affine = o.affine});
     }},
    {"evonorm_s0", "EvoNorm-S0: norm and activation in one, variance of groups per sample",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<EvoNormS0>(
           channels, EvoNormS0Options{.num_groups = o.num_groups, .eps = o.eps.value_or(1e-5), .affine = o.affine});
     }},
    {"pn", "PowerNorm: running quadratic mean per channel, approximate gradient",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<PowerNorm>(
           channels, PowerNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     }},
    {"sn", "SwitchableNorm2d: a learned mixture of instance, layer and batch statistics",
     [](std::int64_t channels, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<SwitchableNorm2d>(
           channels, SwitchableNormOptions{.eps = o.eps.value_or(1e-5), .momentum = o.momentum, .affine = o.affine});
     }},
    {"unit", "UnitNorm: each pixel's channels scaled to length 1",
     [](std::int64_t, const NormOptions& o) -> std::unique_ptr<Layer> {
       return std::make_unique<UnitNorm>(UnitNormOptions{.eps = o.eps.value_or(1e-12)});
     }},
    {"none", "Identity: no normalization",
     [](std::int64_t, const NormOptions&) -> std::unique_ptr<Layer> { return std::make_unique<Identity>(); }},
};

}  // namespace

std::span<const NormEntry> norms() { return kNorms; }

std::unique_ptr<Layer> make_norm(std::string_view name, std::int64_t channels, const NormOptions& options) {
  std::string known;
  for (const NormEntry& entry : kNorms) {
    if (entry.name == name) {
      return entry.make(channels, options);
    }
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  fail("make_norm", "no norm is called '", name, "'; there are ", known);
}

}  // namespace evenkeel::nn
