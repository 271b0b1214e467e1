#include "nn/norm/registry.hpp"

#include "nn/linear.hpp"
#include "nn/norm/batch_norm.hpp"
#include "nn/norm/group_norm.hpp"

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
