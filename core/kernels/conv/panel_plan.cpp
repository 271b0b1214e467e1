#include "evenkeel/core/kernels/conv/panel_plan.hpp"

namespace evenkeel::kernels {

BlockPlan plan_blocks(const StageShape& stage, std::int64_t batch, std::int64_t height, std::int64_t cell_bytes,
                      std::int64_t wanted) {
  constexpr std::int64_t kBlockBytes = 192L * 1024;  // of staged input
  constexpr std::int64_t kSmallImage = 128, kBlockPixels = 192;
  constexpr std::int64_t kTilePixels = 32;  // two registers at least: 128 to 128 at 4x4, batch 2, 113 us instead of 118
  constexpr std::int64_t kPanelRows = 3;    // whole panels of three registers: a step of resnet20_gn 2 takes 1% fewer
  BlockPlan plan{.batch = batch, .height = height, .images = 1, .rows = height};
  const std::int64_t pixels = height * stage.columns;
  if (pixels < kSmallImage) {
    const std::int64_t fitting = std::max<std::int64_t>(1, kBlockBytes / (stage.plane_stride(height) * cell_bytes));
    const std::int64_t most = std::min(ceil_div(kBlockPixels, pixels), fitting);
    const std::int64_t filling = std::min(batch, ceil_div(kTilePixels, pixels));
    // A multiple of what is wanted, so that no thread has a block more than the others.
    const std::int64_t count = round_up(ceil_div(batch, most), wanted);
    plan.images = std::min(most, std::max(ceil_div(batch, count), filling));
  }
  // Bands of small images fill the last panel badly: only where there would be less than four blocks.
  if (pixels >= kSmallImage || (plan.images == 1 && batch < 4)) {
    const std::int64_t row_bytes = stage.row_stride() * cell_bytes;
    const std::int64_t fitting =
        std::max<std::int64_t>(4, (kBlockBytes / row_bytes - stage.span_h) / stage.row_step() + 1);
    const std::int64_t bands = std::min(ceil_div(wanted, batch), std::max<std::int64_t>(1, pixels / kTilePixels));
    plan.rows = ceil_div(height, std::max(ceil_div(height, fitting), std::min(height, bands)));
    if (pixels >= kSmallImage && plan.rows < fitting) {
      plan.rows = std::min({round_up(plan.rows, kPanelRows), fitting, height});
    }
  }
  return plan;
}

PanelCutter::PanelCutter(const PixelBlock& block, const StageShape& stage, std::int64_t image_stride, Tile tile,
                         bool by_rows)
    : block_(block),
      columns_(stage.columns),
      row_stride_(stage.row_step() * stage.row_stride()),
      image_stride_(image_stride),
      lanes_(tile.lanes),
      by_rows_(by_rows),
      pixels_(block.images * block.rows * stage.columns),
      segments_left_(by_rows ? block.images * block.rows * ceil_div(stage.columns, tile.lanes)
                             : ceil_div(pixels_, tile.lanes)),
      panels_left_(ceil_div(segments_left_, tile.segments)) {}

const Panel* PanelCutter::next() {
  if (panels_left_ == 0) {
    return nullptr;
  }
  panel_.segments = ceil_div(segments_left_, panels_left_--);
  segments_left_ -= panel_.segments;
  panel_.pixels = panel_.run_count = 0;
  const std::int64_t capacity = panel_.segments * lanes_;
  for (std::int64_t at = 0; at < capacity && pixel_ < pixels_;) {
    const std::int64_t line = pixel_ / columns_, column = pixel_ % columns_;
    const std::int64_t image = line / block_.rows, row = line % block_.rows;
    const std::int64_t length = std::min(columns_ - column, by_rows_ ? lanes_ : capacity - at);
    panel_.runs[panel_.run_count] = {image * image_stride_ + row * row_stride_ + column, at, length};
    panel_.rows[panel_.run_count++] = {image, row, column};
    panel_.pixels += length;
    pixel_ += length;
    at += by_rows_ ? lanes_ : length;
  }
  return &panel_;
}

}  // namespace evenkeel::kernels
