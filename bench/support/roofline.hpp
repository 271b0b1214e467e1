#pragma once

#include "bench/support/rates.hpp"
#include "evenkeel/autograd/op_profile.hpp"

#include <string_view>
#include <vector>

namespace evenkeel::bench {

/// What one call of an op cannot do without, by the rules in bench/README.md ("The floor of a step"), which hold for
/// float32 and for any network: they know an op by its name and by the sizes of what it works on.
struct OpWork {
  double flops = 0;         ///< of the cheapest algorithm that is counted
  double bytes = 0;         ///< after ideal fusion, of what the op reads and writes in this pass
  double kept_bytes = 0;    ///< after ideal fusion, of what backward reads of the forward pass
  double touched = 0;       ///< bytes of all tensors that the op takes and gives
  double kept_touched = 0;  ///< the part of them that was kept in the forward pass
};

/// Of a call that `row` counts: an op or a backward; `parameters` are what "optimizer step" updates. What is none of
/// these has no work.
OpWork work_of(const OpProfile::Row& row, std::int64_t parameters);

/// Floating-point operations of a convolution that gives `outputs` (N, K, height, width) from C channels per group by
/// F(4x4, 3x3), transforms included. `filters`: whether the filters' transform is counted too.
double winograd_flops(const Shape& outputs, std::int64_t group_channels, std::int64_t groups, bool filters);

/// One row of a step's floor.
struct FloorRow {
  OpProfile::Row row;      ///< calls and ms: per step
  OpWork work;             ///< per call
  double ms = 0;           ///< the floor of all calls of a step
  bool by_memory = false;  ///< bytes decide, not arithmetic
};

/// The floor of each of a step's rows, the longest first. `steps`: how many the rows count.
std::vector<FloorRow> floor_of(const std::vector<OpProfile::Row>& rows, double steps, std::int64_t parameters,
                               const MachineRates& rates);

}  // namespace evenkeel::bench
