#include "evenkeel/core/kernels/norm/plan.hpp"

#include "evenkeel/core/kernels/simd/sizes.hpp"
#include "evenkeel/core/parallel.hpp"

#include <algorithm>

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
// Parameters of shorter pieces are read per element.
constexpr int64_t kShortPiece = 16;
// With parameters per element each chunk has its own sums for them.
constexpr int64_t kMaxChunksPerElement = 16;

AffineKind affine_kind(const GroupView& v, const AffineView& a) {
  const bool run_has_one = a.inner % v.inner == 0;
  if (a.params <= 1 || (run_has_one && (v.outer == 1 || v.groups * v.inner % (a.params * a.inner) == 0))) {
    return AffineKind::per_group;
  }
  if (v.outer > 1 && v.inner < kShortRun && a.inner % (v.groups * v.inner) == 0) {
    return AffineKind::per_row;
  }
  const bool nested = run_has_one || v.inner % a.inner == 0;
  return nested && std::min(v.inner, a.inner) >= kShortPiece ? AffineKind::per_piece : AffineKind::per_element;
}

}  // namespace

Plan::Plan(const NormalizeSpec& spec)
    : view(spec.view),
      affine(spec.affine),
      kind(affine_kind(view, affine)),
      way(kind == AffineKind::per_element ? Way::elements : Way::pieces),
      piece(kind == AffineKind::per_piece ? std::min(view.inner, affine.inner) : view.inner) {
  // Given statistics take the same way for every batch size, so that a row's result does not depend on its batch.
  const bool by_row = kind == AffineKind::per_group || kind == AffineKind::per_row;
  const int64_t short_run = !spec.fixed && view.outer >= kLargeBatch ? kMiddleRun : kShortRun;
  if (by_row && view.inner < short_run && (view.outer > 1 || spec.fixed)) {
    way = Way::grid;
  }
  block = std::clamp<int64_t>(kUnitWidth / view.inner, 1, view.groups);
  if (way != Way::grid && view.outer == 1) {
    block = std::clamp<int64_t>(kUnitElements / view.inner, 1, std::min(view.groups, kUnitWidth));
  }
  if (way == Way::elements) {
    block = std::clamp<int64_t>(block, std::min(kPiecesAtOnce, view.groups), view.groups);
  }
  blocks = ceil_div(view.groups, block);
  units = view.slices * blocks;
  grain = std::max<int64_t>(1, kElementGrain / 2 / (block * view.count()));
  if (way == Way::elements) {
    grain = std::max(grain, ceil_div(units, kMaxChunksPerElement));
  }
}

Unit Plan::unit(int64_t index) const {
  const int64_t slice = index / blocks;
  const int64_t first = index % blocks * block;
  return {std::min(block, view.groups - first), slice * view.groups + first,
          slice * view.outer * row_size() + first * view.inner, slice * view.outer, index % blocks};
}

PieceWalk::PieceWalk(const Plan& plan, const Unit& u)
    : pieces{0, plan.piece, 1, 0, plan.piece}, plan_(plan), unit_(u), runs_(plan.view.outer) {
  if (plan.kind == AffineKind::per_group) {
    pieces = plan.groups(0);
    runs_ = 1;
  }
}

bool PieceWalk::next() {
  if (has_all_) {
    changed = false;
    at_start_ = !at_start_;
    return !at_start_;
  }
  if (group_ == unit_.groups) {
    group_ = 0;
    at_start_ = true;
    return false;
  }
  const int64_t inner = plan_.view.inner;
  begin = unit_.offset + group_ * inner + run_ * plan_.row_size() + place_;
  ParameterWalk walk(plan_, begin);
  int64_t count = 0;
  while (group_ < unit_.groups && count < kUnitWidth) {
    for (; place_ < inner && count < kUnitWidth; place_ += plan_.piece, ++count) {
      group[count] = group_;
      parameter[count] = walk.parameter();
      walk.advance(plan_.piece);
    }
    if (place_ < inner) {
      break;
    }
    place_ = 0;
    run_ = run_ + 1 == runs_ ? 0 : run_ + 1;
    group_ += run_ == 0;
    if (runs_ > 1) {
      break;  // the next run does not follow
    }
  }
  pieces.count = count;
  has_all_ = at_start_ && group_ == unit_.groups;
  at_start_ = false;
  return true;
}

ElementWalk::ElementWalk(const Plan& plan, const Unit& u)
    : step(plan.view.outer > 1 || plan.period() % plan.view.inner != 0 ? -1
           : plan.period() == plan.view.inner                          ? 0
                                                                       : plan.view.inner),
      pieces{0, plan.view.inner, 1, 0, plan.view.inner},
      plan_(plan),
      unit_(u) {}

bool ElementWalk::next(int64_t together) {
  if (next_ == unit_.groups) {
    next_ = 0;
    return false;
  }
  const int64_t inner = plan_.view.inner;
  const int64_t period = plan_.period();
  const int64_t first = unit_.offset + next_ * inner + run_ * plan_.row_size() + done_;
  const int64_t next_place = place + pieces.count * pieces.width;
  place = first != begin + pieces.count * pieces.width ? first % period : next_place >= period ? 0 : next_place;
  begin = first;
  group = next_;
  if (step < 0) {
    pieces = {1, 0, 1, 0, std::min(inner - done_, period - place)};
    done_ += pieces.width;
    if (done_ == inner) {
      done_ = 0;
      run_ = run_ + 1 == plan_.view.outer ? 0 : run_ + 1;
      next_ += run_ == 0;
    }
    return true;
  }
  const int64_t left = unit_.groups - group;
  if (together > 0) {
    pieces.count = step == 0 && left >= together ? together : 1;
  } else {
    pieces.count = step == 0 ? left : std::min(left, (period - place) / inner);
  }
  next_ += pieces.count;
  return true;
}

}  // namespace evenkeel::kernels::detail
