#pragma once

// The inputs of Winograd's, v = B^T x B with tiles as lanes (winograd.hpp), in two ways:
//   stacked tiles: x B of each row first, which a register shares with the one below it, then B^T;
//   strips, for any tiles: B^T x of the columns of all tiles that lie side by side first, then times B.

#include "evenkeel/core/kernels/conv/winograd.hpp"
#include "evenkeel/core/kernels/conv/winograd_transforms_simd.hpp"
#include "evenkeel/core/kernels/norm/plane_map_simd.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels {
namespace simd::conv_winograd {

/// Four registers of four columns each of a block's register of tiles, from place(tile) on: v[i] has the tiles that
/// begin its fours. kSide tiles lie side by side.
template <class Arch, class T, int kSide, class Place>
[[gnu::always_inline]] inline void load_fours(const Place& place, Batch<Arch, T>* v) {
  constexpr int kFours = static_cast<int>(kLanes<Arch, T>) / 4;
  unrolled<4>([&](int i) __attribute__((always_inline)) {
    const int tile = i * kFours;
    if constexpr (kFours == kSide) {
      v[i] = join<Arch, T>(place(tile));
    } else if constexpr (kFours == 2 * kSide) {
      v[i] = join<Arch, T>(place(tile), place(tile + kSide));
    } else {
      v[i] = join<Arch, T>(place(tile), place(tile + 1), place(tile + 2), place(tile + 3));
    }
  });
}

/// The inverse.
template <class Arch, class T, int kSide, class Place>
[[gnu::always_inline]] inline void store_fours(const Place& place, const Batch<Arch, T>* v) {
  constexpr int kFours = static_cast<int>(kLanes<Arch, T>) / 4;
  unrolled<4>([&](int i) __attribute__((always_inline)) {
    const int tile = i * kFours;
    if constexpr (kFours == kSide) {
      split<Arch, T>(v[i], place(tile));
    } else if constexpr (kFours == 2 * kSide) {
      split<Arch, T>(v[i], place(tile), place(tile + kSide));
    } else {
      split<Arch, T>(v[i], place(tile), place(tile + 1), place(tile + 2), place(tile + 3));
    }
  });
}

/// Calls f with the largest kSide (1, 2 or 4; no more than the fours of a register) that `adjacent` allows.
template <class Arch, class T, class F>
[[gnu::always_inline]] inline void with_side(std::int64_t adjacent, const F& f) {
  constexpr std::int64_t kFours = kLanes<Arch, T> / 4;
  if constexpr (kFours >= 4) {
    if (adjacent >= 4) {
      f(std::integral_constant<int, 4>());
      return;
    }
  }
  if constexpr (kFours >= 2) {
    if (adjacent >= 2) {
      f(std::integral_constant<int, 2>());
      return;
    }
  }
  f(std::integral_constant<int, 1>());
}

/// The sum of the squares of six registers.
template <class V>
[[gnu::always_inline]] inline V squares_of_six(const V* in) {
  return fma(in[0], in[0], in[5] * in[5]) + (fma(in[1], in[1], in[2] * in[2]) + fma(in[3], in[3], in[4] * in[4]));
}

/// Where the strips of a block's runs begin in the first channel, and how far a row is from one channel to the next: 0
/// for zeros.
template <class Arch, class T>
void place_strips(const WinogradInput<T>& job) {
  const WinogradPlanes<T>& p = job.planes;
  for (std::int64_t r = 0; r < job.block.run_count; ++r) {
    const WinogradRun& run = job.block.runs[r];
    WinogradStrip<T>& strip = job.places[r];
    const std::int64_t left = run.first.column - p.pad_left, right = left + 4 * run.tiles + 2;
    const std::int64_t begin = left > 0 ? left : 0, end = right < p.width ? right : p.width;
    const std::int64_t top = run.first.row - p.pad_top;
    strip.columns = end - begin;
    strip.first = run.strip + (begin - left);
    for (std::int64_t i = 0; i < 6; ++i) {
      const bool inside = top + i >= 0 && top + i < p.height;
      strip.rows[i] = inside ? p.x + run.first.image * p.image_stride + (top + i) * p.width + begin : job.zeros;
      strip.steps[i] = inside ? p.plane : 0;
    }
  }
}

/// The strips of one channel: B^T x, a register of columns at a time; adds up the squares of each column. Moves
/// `places` on by a channel.
template <class Arch, class T>
void transform_columns(const WinogradInput<T>& job, std::int64_t channel) {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  const std::int64_t strip_width = job.strip_width, runs = job.block.run_count;
  T* const strips = job.strips;
  WinogradStrip<T>* place = job.places;
  for (std::int64_t r = 0; r < runs; ++r, ++place) {
    const T* rows[6];
    unrolled<6>([&](int i) __attribute__((always_inline)) {
      rows[i] = place->rows[i];
      place->rows[i] = rows[i] + place->steps[i];
    });
    T* const squares = job.strip_squares + place->first;
    T* const out_strip = strips + place->first;
    const PlaneMap<T>& map = job.planes.map;
    const LaneMap<Arch, T> numbers(map ? *map.of(job.block.runs[r].first.image, channel) : Piece<T>(), map.relu);
    // A tail's register reaches into the next strip, which is written later.
    L::each(
        place->columns, [&](std::int64_t j, auto tag) __attribute__((always_inline)) {
          V in[6], out[6];
          unrolled<6>([&](int i) __attribute__((always_inline)) { in[i] = L::load(rows[i] + j, tag); });
          if (map) {
            unrolled<6>([&](int i) __attribute__((always_inline)) {
              in[i] = place->steps[i] != 0 ? L::filled(numbers(in[i]), tag) : in[i];
            });
          }
          (V::load_unaligned(squares + j) + squares_of_six(in)).store_unaligned(squares + j);
          InputTransform::apply<V>(in, out);
          T* to = out_strip + j;
          unrolled<6>([&](int i) __attribute__((always_inline)) {
            out[i].store_unaligned(to);
            to += strip_width;
          });
        });
  }
}

/// v of one channel from its strips: tiles to lanes, then times B.
template <class Arch, class T, int kSide>
void transform_rows(const WinogradInput<T>& job, std::int64_t channel) {
  using V = Batch<Arch, T>;
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const std::int64_t strip_width = job.strip_width, cell = job.v.cell, registers = job.block.registers;
  T* of_panel = job.v.data + channel * kWinogradPanel * kLanes;
  for (std::int64_t k = 0; k < registers; ++k) {
    const T* place[kLanes];
    unrolled<kLanes / kSide>([&](int i) __attribute__((always_inline)) {
      place[i * kSide] = job.strips + job.block.strips[k * kLanes + i * kSide];
    });
    T* v = of_panel + k % kWinogradPanel * kLanes;
    for (int i = 0; i < 6; ++i) {
      V in[8], out[6];
      load_fours<Arch, T, kSide>(
          [&](int tile) __attribute__((always_inline)) { return place[tile]; }, in);
      load_fours<Arch, T, kSide>(
          [&](int tile) __attribute__((always_inline)) { return place[tile] + 4; }, in + 4);
      unrolled<kLanes / kSide>([&](int t) __attribute__((always_inline)) { place[t * kSide] += strip_width; });
      transpose_fours(in);
      transpose_fours(in + 4);  // whose last two are not used
      InputTransform::apply<V>(in, out);
      unrolled<6>([&](int j) __attribute__((always_inline)) {
        out[j].store_aligned(v);
        v += cell;
      });
    }
    of_panel += k % kWinogradPanel == kWinogradPanel - 1 ? job.v.part : 0;
  }
}

/// The squares of a block's tiles out of those of the strips' columns, which are set to 0.
template <class Arch, class T>
void collect_squares(const WinogradInput<T>& job, T* squares) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  for (std::int64_t t = 0; t < job.block.registers * kLanes; ++t) {
    const T* columns = job.strip_squares + job.block.strips[t];
    T* of_tile = squares + t / kLanes * kWinogradSquares * kLanes + winograd_lane_of_tile(t % kLanes, kLanes);
    for (std::int64_t j = 0; j < kWinogradSquares; ++j, of_tile += kLanes) {
      *of_tile = t < job.block.tile_count ? columns[j] : T(0);
    }
  }
  for (std::int64_t i = 0; i < job.strip_width; ++i) {
    job.strip_squares[i] = T(0);
  }
}

/// Which lanes of a register of stacked tiles have their neighbours beside them, and whether the outermost have theirs
/// in another register.
template <class Arch, class T>
struct Sides {
  using M = typename Mask<Arch, T>::Raw;
  M left, right, first, last;
  bool outer_left, outer_right;
};

/// The lanes whose tiles `holds` is true of.
template <class Arch, class T, class F>
inline Mask<Arch, T> tiles_where(const F& holds) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  alignas(64) T lanes[kLanes];
  for (std::int64_t t = 0; t < kLanes; ++t) {
    lanes[winograd_lane_of_tile(t, kLanes)] = holds(t) ? T(1) : T(0);
  }
  return Batch<Arch, T>::load_aligned(lanes) > Batch<Arch, T>(T(0));
}

template <class Arch, class T>
Sides<Arch, T> sides_of(const WinogradTile* tiles, std::int64_t width) {
  constexpr std::int64_t kLast = simd::kLanes<Arch, T> - 1;
  const auto left = [&](std::int64_t t) { return tiles[t].column > 0; };
  const auto right = [&](std::int64_t t) { return tiles[t].column + kWinogradTile < width; };
  return {tiles_where<Arch, T>([&](std::int64_t t) { return t > 0 && left(t); }),
          tiles_where<Arch, T>([&](std::int64_t t) { return t < kLast && right(t); }),
          tiles_where<Arch, T>([&](std::int64_t t) { return t == 0; }),
          tiles_where<Arch, T>([&](std::int64_t t) { return t == kLast; }),
          left(0),
          right(kLast)};
}

/// x B of one row of a register's windows: place(tile) has the first of its four columns, to be mapped unless `map` is
/// null; the columns beside them are its neighbours'. Returns the sums of squares of the six.
template <class Arch, class T, int kSide, class Place>
[[gnu::always_inline]] inline Batch<Arch, T> spread_row(const Sides<Arch, T>& sides, const LaneMap<Arch, T>* map,
                                                        const Place& place, T* h) {
  using V = Batch<Arch, T>;
  constexpr int kLanes = static_cast<int>(simd::kLanes<Arch, T>);
  const V zero(T(0));
  V in[6], out[6];
  load_fours<Arch, T, kSide>(place, in + 1);
  transpose_fours(in + 1);
  if (map != nullptr) {
    unrolled<4>([&](int i) __attribute__((always_inline)) { in[i + 1] = (*map)(in[i + 1]); });
  }
  const auto beside = [&](const T* x) { return map != nullptr ? (*map)(V(*x)) : V(*x); };
  in[0] = select(Mask<Arch, T>(sides.left), before_tiles(in[4]), zero);
  in[5] = select(Mask<Arch, T>(sides.right), behind_tiles(in[1]), zero);
  if (sides.outer_left) {
    in[0] = select(Mask<Arch, T>(sides.first), beside(place(0) - 1), in[0]);
  }
  if (sides.outer_right) {
    in[5] = select(Mask<Arch, T>(sides.last), beside(place(kLanes - 1) + 4), in[5]);
  }
  InputTransform::apply<V>(in, out);
  unrolled<6>([&](int j) __attribute__((always_inline)) { out[j].store_aligned(h + j * kLanes); });
  return squares_of_six(in);
}

/// A register of stacked tiles: where its windows' first inner cells are, its first window row, and which rows of the
/// windows it has to make, [first, last): the register above has made those before, those behind are 0 as before.
template <class Arch, class T>
struct Stack {
  Sides<Arch, T> sides;
  const T* places[kLanes<Arch, T>];
  std::int64_t images[kLanes<Arch, T>];  // in the order of lanes
  T *h, *v;
  std::int64_t first, last;
};

/// The numbers that a register of stacked tiles has of a channel's map.
template <class Arch, class T>
LaneMap<Arch, T> lane_map(const PlaneMap<T>& map, const Stack<Arch, T>& stack, std::int64_t channel) {
  constexpr std::int64_t kLast = simd::kLanes<Arch, T> - 1;
  if (map.image_step == 0 || stack.images[0] == stack.images[kLast]) {
    return LaneMap<Arch, T>(*map.of(stack.images[0], channel), map.relu);
  }
  return LaneMap<Arch, T>::of_lanes(
      [&](std::int64_t i) -> const Piece<T>& { return *map.of(stack.images[i], channel); }, map.relu);
}

/// v of one channel and register of stacked tiles: x B first, then B^T. h (row, 6, lane) are the rows from its window's
/// first on.
template <class Arch, class T, int kSide>
void transform_stacked(const Stack<Arch, T>& stack, const WinogradPlanes<T>& planes, std::int64_t channel,
                       std::int64_t cell, T* squares) {
  using V = Batch<Arch, T>;
  constexpr int kLanes = static_cast<int>(simd::kLanes<Arch, T>);
  const T* places[kLanes];
  const std::int64_t width = planes.width, offset = channel * planes.plane + stack.first * width;
  const LaneMap<Arch, T> numbers = planes.map ? lane_map(planes.map, stack, channel) : LaneMap<Arch, T>({}, false);
  const LaneMap<Arch, T>* const map = planes.map ? &numbers : nullptr;
  unrolled<kLanes>([&](int t) __attribute__((always_inline)) { places[t] = stack.places[t] + offset; });
  T* h = stack.h + stack.first * 6 * kLanes;
  for (std::int64_t i = stack.first; i < stack.last; ++i, h += 6 * kLanes) {
    const V sum = V::load_aligned(squares + i * kLanes);
    (sum + spread_row<Arch, T, kSide>(
               stack.sides, map, [&](int tile) __attribute__((always_inline)) { return places[tile]; }, h))
        .store_aligned(squares + i * kLanes);
    unrolled<kLanes>([&](int t) __attribute__((always_inline)) { places[t] += width; });
  }
  T* v = stack.v + channel * kWinogradPanel * kLanes;
  const T* from = stack.h;
  for (int j = 0; j < 6; ++j, from += kLanes, v += cell) {
    V in[6], out[6];
    unrolled<6>([&](int i) __attribute__((always_inline)) { in[i] = V::load_aligned(from + i * 6 * kLanes); });
    InputTransform::apply<V>(in, out);
    T* to = v;
    unrolled<6>([&](int i) __attribute__((always_inline)) {
      out[i].store_aligned(to);
      to += 6 * cell;
    });
  }
}

/// The squares of the group that a channel belongs to.
template <class Arch, class T>
T* squares_of(const WinogradInput<T>& job, std::int64_t channel) {
  return job.squares +
         (job.square_groups ? channel / kWinogradRows : 0) * job.block.registers * kWinogradSquares * kLanes<Arch, T>;
}

/// The stack of register k, given the one before; clears the rows outside the planes.
template <class Arch, class T>
Stack<Arch, T> make_stack(const WinogradInput<T>& job, std::int64_t k, const Stack<Arch, T>& before) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>, kRow = 6 * kLanes;
  const WinogradPlanes<T>& p = job.planes;
  const WinogradTile* const tiles = job.block.tiles + k * kLanes;
  const std::int64_t top = tiles[0].row - 1;
  const bool starts = k % kWinogradPanel == 0, follows = !starts && top >= 0;
  Stack<Arch, T> stack;
  stack.sides = sides_of<Arch, T>(tiles, p.width);
  stack.h = starts ? job.strips : before.h + (follows ? 4 : 6) * kRow;
  stack.v = job.v.data + k / kWinogradPanel * job.v.part + k % kWinogradPanel * kLanes;
  stack.first = follows ? 2 : top < 0 ? 1 : 0;
  stack.last = top + kWinogradWindow <= p.height ? kWinogradWindow : p.height - top;
  for (std::int64_t t = 0; t < kLanes; ++t) {
    stack.places[t] = p.x + tiles[t].image * p.image_stride + top * p.width + tiles[t].column;
    stack.images[winograd_lane_of_tile(t, kLanes)] = tiles[t].image;
  }
  for (std::int64_t i = 0; i < kRow; ++i) {
    if (top < 0) {
      stack.h[i] = T(0);
    }
    for (std::int64_t row = stack.last; row < kWinogradWindow; ++row) {
      stack.h[row * kRow + i] = T(0);
    }
  }
  return stack;
}

template <class Arch, class T, int kSide>
void transform_stacks(const WinogradInput<T>& job) {
  constexpr std::int64_t kLanes = simd::kLanes<Arch, T>;
  const std::int64_t registers = job.block.registers, group = job.square_groups ? kWinogradRows : job.planes.channels;
  Stack<Arch, T> stacks[kWinogradPanel];
  for (std::int64_t first = 0; first < registers; first += kWinogradPanel) {
    const std::int64_t count = registers - first < kWinogradPanel ? registers - first : kWinogradPanel;
    for (std::int64_t k = 0; k < count; ++k) {
      stacks[k] = make_stack<Arch, T>(job, first + k, stacks[k > 0 ? k - 1 : 0]);
    }
    for (std::int64_t c = 0; c < job.planes.channels; ++c) {
      T* const squares = squares_of<Arch, T>(job, c) + first * kWinogradSquares * kLanes;
      for (std::int64_t i = 0; i < count * kWinogradSquares * kLanes && c % group == 0; ++i) {
        squares[i] = T(0);
      }
      for (std::int64_t k = 0; k < count; ++k) {
        transform_stacked<Arch, T, kSide>(stacks[k], job.planes, c, job.v.cell,
                                          squares + k * kWinogradSquares * kLanes);
      }
    }
  }
}

template <class Arch, class T, int kSide>
void transform_strips(const WinogradInput<T>& job) {
  place_strips<Arch, T>(job);
  const std::int64_t channels = job.planes.channels, rows = job.square_groups ? kWinogradRows : channels;
  for (std::int64_t c = 0; c < channels; ++c) {
    transform_columns<Arch, T>(job, c);
    transform_rows<Arch, T, kSide>(job, c);
    if ((c + 1) % rows == 0 || c + 1 == channels) {
      collect_squares<Arch, T>(job, squares_of<Arch, T>(job, c));
    }
  }
}

}  // namespace simd::conv_winograd
}  // namespace evenkeel::kernels
