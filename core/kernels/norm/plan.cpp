#include "evenkeel/core/kernels/norm/plan.hpp"

#include "evenkeel/core/parallel.hpp"

#include <algorithm>
#include <cmath>

namespace evenkeel::kernels::detail {
namespace {

using std::int64_t;

// Runs shorter than this are walked by rows, if there are rows.
constexpr int64_t kShortRun = 64;
// Also these, in batches so large that a row's part of a unit is worth reading at once.
constexpr int64_t kMiddleRun = 128;
constexpr int64_t kLargeBatch = 64;
// Elements of neighbouring groups that share the cost of a unit.
constexpr int64_t kUnitElements = 4096;
// Parameters of shorter stretches are read per element.
constexpr int64_t kShortSegment = 16;
// With parameters per element each chunk has its own sums for them.
constexpr int64_t kMaxChunksPerPosition = 16;

AffineKind affine_kind(const GroupView& v, const AffineView& a) {
  const bool run_has_one = a.inner % v.inner == 0;
  if (a.params <= 1 || (run_has_one && (v.outer == 1 || v.groups * v.inner % (a.params * a.inner) == 0))) {
    return AffineKind::per_group;
  }
  if (v.outer > 1 && v.inner < kShortRun && a.inner % (v.groups * v.inner) == 0) {
    return AffineKind::per_row;
  }
  const bool nested = run_has_one || v.inner % a.inner == 0;
  return nested && std::min(v.inner, a.inner) >= kShortSegment ? AffineKind::per_segment : AffineKind::per_position;
}

}  // namespace

Plan::Plan(const NormalizeSpec& spec)
    : view(spec.view),
      affine(spec.affine),
      kind(affine_kind(view, affine)),
      segment(std::min(view.inner, affine.inner)) {
  // Given statistics take the same way for every batch size, so that a row's result does not depend on its batch.
  const bool by_row = kind == AffineKind::per_group || kind == AffineKind::per_row;
  const int64_t short_run = !spec.fixed && view.outer >= kLargeBatch ? kMiddleRun : kShortRun;
  rows = by_row && view.inner < short_run && (view.outer > 1 || spec.fixed);
  block = std::clamp<int64_t>(kUnitWidth / view.inner, 1, view.groups);
  if (!rows && view.outer == 1) {
    block = std::clamp<int64_t>(kUnitElements / view.inner, 1, std::min(view.groups, kUnitWidth));
  }
  if (kind == AffineKind::per_position) {
    block = std::clamp<int64_t>(block, std::min<int64_t>(4, view.groups), view.groups);  // see four_run_gradient_sums
  }
  blocks = (view.groups + block - 1) / block;
  units = view.slices * blocks;
  grain = std::max<int64_t>(1, kElementGrain / 2 / (block * view.count()));
  if (kind == AffineKind::per_position) {
    grain = std::max(grain, (units + kMaxChunksPerPosition - 1) / kMaxChunksPerPosition);
  }
}

Unit Plan::unit(int64_t index) const {
  const int64_t slice = index / blocks;
  const int64_t first = index % blocks * block;
  return {std::min(block, view.groups - first), slice * view.groups + first,
          slice * view.outer * row_size() + first * view.inner, slice * view.outer, index % blocks};
}

double scale_of(double var, const Normalization& how) {
  const double root = how.eps_in_root ? std::sqrt(var + how.eps) : std::sqrt(var) + how.eps;
  return root == 0 ? 0 : 1 / root;
}

}  // namespace evenkeel::kernels::detail
