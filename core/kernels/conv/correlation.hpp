#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/conv/stage_shape.hpp"
#include "evenkeel/core/kernels/matmul/panels.hpp"
#include "evenkeel/core/kernels/simd/workspace.hpp"

#include <cstdint>
#include <vector>

namespace evenkeel::kernels {

/// A kernel cell: where a window reads it, and where it is among the taps of the weight.
struct Tap {
  std::int64_t row, column, index;
};

/// Output cells whose row and column leave the same remainders by the output's stride: their windows use the same taps.
struct Phase {
  std::vector<Tap> taps;
};

/// A correlation of the staged planes whose output cells lie `out_stride` apart per phase: conv2d itself (one phase),
/// or its input gradient, where a strided x has a phase per remainder, each with its own taps.
struct Correlation {
  StageShape stage;
  std::int64_t batch, groups, inputs, outputs;  ///< planes per group
  std::int64_t out_height, out_width;
  std::int64_t out_stride_h, out_stride_w;
  std::int64_t phases_h, phases_w;
  std::vector<Phase> phases;
  std::int64_t weight_group, weight_output, weight_input;  ///< distances in the weight

  std::int64_t rows() const { return ceil_div(out_height, out_stride_h); }  // of one phase, as stage.columns
  std::int64_t pixels() const { return rows() * stage.columns; }
  std::int64_t out_plane() const { return out_height * out_width; }
};

Correlation forward_correlation(const ConvGeometry& g);
Correlation gradient_correlation(const ConvGeometry& g);

/// The tables of all phases: per product, where the weight (a) and the staged input (b) have its factors.
class StepTables {
 public:
  StepTables(const Correlation& c, std::int64_t plane_stride);
  struct Table {
    const PanelStep* steps;
    std::int64_t count;
  };
  const Table& operator[](std::int64_t phase) const { return tables_[static_cast<std::size_t>(phase)]; }

 private:
  Workspace<PanelStep> steps_;
  std::vector<Table> tables_;
};

/// The results of all column phases for `count` columns of the phase from `column` on, in several rows of the output:
/// (phase, row, column).
template <class T>
struct PhaseResults {
  const T* results = nullptr;
  std::int64_t phase_stride = 0, row_stride = 0;
  std::int64_t rows = 0, column = 0, count = 0;
};

/// Writes results to their places in the output's rows, of which `out` is the first and the others follow `out_stride`
/// elements apart.
template <class T>
void write_phases(const Correlation& c, const PhaseResults<T>& from, T* out, std::int64_t out_stride);

}  // namespace evenkeel::kernels
