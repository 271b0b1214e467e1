#pragma once

// The sums of normalization: of u and of u v, over pieces and over columns. A lane of an accumulator takes a few dozen
// terms, then it is emptied into a double; the order depends on sizes only.

#include "evenkeel/core/kernels/norm/kernels.hpp"
#include "evenkeel/core/kernels/simd/double_sum.hpp"
#include "evenkeel/core/kernels/simd/loop.hpp"

namespace evenkeel::kernels::simd {

template <class Arch, class T>
struct NormSums {
  using L = Loop<Arch, T>;
  using V = typename L::V;
  static constexpr std::int64_t kWidth = L::kWidth;
  /// Values that one accumulator lane takes before it is emptied into a double.
  static constexpr std::int64_t kLaneTerms = 32;

  struct Terms {
    V u, v;
  };

  struct Chain {
    V sum = V(T(0)), products = V(T(0));
    [[gnu::always_inline]] void add(const Terms& t, auto tag) {
      const V u = L::filled(t.u, tag);
      sum = sum + u;
      products = fma(u, L::filled(t.v, tag), products);
    }
    [[gnu::always_inline]] void empty_into(SumPair& sums) const {
      double both[2] = {sums.first, sums.second};
      add_lane_sums<Arch, T>(sum, products, both);
      sums = {both[0], both[1]};
    }
  };

  struct Chains {
    Chain chain[4];
    /// Four registers, one to each.
    [[gnu::always_inline]] void add(std::int64_t i, const auto& f) {
      for (int c = 0; c < 4; ++c) {
        chain[c].add(f(i + c * kWidth, Whole()), Whole());
      }
    }
    /// The last registers before `end`, at most four.
    [[gnu::always_inline]] void add_rest(std::int64_t i, std::int64_t end, const auto& f) {
      for (int c = 0; c < 3; ++c) {
        if (end - i >= kWidth) {
          chain[c].add(f(i, Whole()), Whole());
          i += kWidth;
        }
      }
      if (i < end) {
        chain[3].add(f(i, Tail{end - i}), Tail{end - i});
      }
    }
    [[gnu::always_inline]] void empty_into(SumPair& sums) const {
      const Chain all{(chain[0].sum + chain[1].sum) + (chain[2].sum + chain[3].sum),
                      (chain[0].products + chain[1].products) + (chain[2].products + chain[3].products)};
      all.empty_into(sums);
    }
  };

  /// (sum(u), sum(u v)) over a piece; f(i, tag) gives the terms of the elements from i.
  [[gnu::always_inline]] static SumPair piece_sums(const Pieces& at, const auto& f) {
    SumPair sums{0, 0};
    if (at.rows == 1) {
      add_row(at.width, sums, f);
    } else {
      add_rows(at, sums, f);
    }
    return sums;
  }

  [[gnu::always_inline]] static void add_row(std::int64_t n, SumPair& sums, const auto& f) {
    std::int64_t i = 0;
    while (n - i >= 4 * kWidth) {
      const std::int64_t steps = (n - i) / (4 * kWidth);
      const std::int64_t stop = i + (steps < kLaneTerms ? steps : kLaneTerms) * 4 * kWidth;
      Chains chains;
      for (; i < stop; i += 4 * kWidth) {
        chains.add(i, f);
      }
      chains.empty_into(sums);
    }
    if (i < n) {
      Chain rest;
      for (; i + kWidth <= n; i += kWidth) {
        rest.add(f(i, Whole()), Whole());
      }
      if (i < n) {
        rest.add(f(i, Tail{n - i}), Tail{n - i});
      }
      rest.empty_into(sums);
    }
  }

  /// With as few additions across the lanes as possible: the rows may be short.
  [[gnu::always_inline]] static void add_rows(const Pieces& at, SumPair& sums, const auto& f) {
    std::int64_t row = 0, i = 0;
    while (row < at.rows) {
      Chains chains;
      std::int64_t terms = 0;  // in a lane of a chain
      while (terms < kLaneTerms && row < at.rows) {
        const std::int64_t end = row * at.stride + at.width;
        const std::int64_t steps = (end - i) / (4 * kWidth);
        if (steps > 0) {
          const std::int64_t now = steps < kLaneTerms - terms ? steps : kLaneTerms - terms;
          for (const std::int64_t stop = i + now * 4 * kWidth; i < stop; i += 4 * kWidth) {
            chains.add(i, f);
          }
          terms += now;
        } else {
          chains.add_rest(i, end, f);
          ++terms;
          i = end;
        }
        if (i == end) {
          i = ++row * at.stride;
        }
      }
      chains.empty_into(sums);
    }
  }

  /// sums[j] = (sum over pieces, rows here, of u, of u v); f(row, j, tag) gives the terms of a row's elements from j.
  [[gnu::always_inline]] static void column_sums(const Pieces& at, SumPair* sums, const auto& f) {
    std::int64_t j = 0;
    for (; j + 4 * kWidth <= at.width; j += 4 * kWidth) {  // enough chains to hide the additions' latency
      sum_columns<4>(at.count, j, Whole(), sums, f);
    }
    for (; j + kWidth <= at.width; j += kWidth) {
      sum_columns<1>(at.count, j, Whole(), sums, f);
    }
    if (j < at.width) {
      sum_columns<1>(at.count, j, Tail{at.width - j}, sums, f);
    }
  }

  /// The columns of kTiles registers from j.
  template <int kTiles>
  [[gnu::always_inline]] static void sum_columns(std::int64_t rows, std::int64_t j, auto tag, SumPair* sums,
                                                 const auto& f) {
    ColumnSums<kTiles> totals;
    for (std::int64_t row = 0; row < rows;) {
      const std::int64_t stop = rows - row < kLaneTerms ? rows : row + kLaneTerms;
      Chain tiles[kTiles];
      for (; row < stop; ++row) {
        for (int t = 0; t < kTiles; ++t) {
          const Terms terms = f(row, j + t * kWidth, tag);
          tiles[t].sum = tiles[t].sum + terms.u;
          tiles[t].products = fma(terms.u, terms.v, tiles[t].products);
        }
      }
      totals.add(tiles);
    }
    totals.store(sums + j, L::count(tag) + (kTiles - 1) * kWidth);
  }

  /// Pairs of sums of columns; not inlined, as this is done once for many terms.
  template <int kTiles>
  struct ColumnSums {
    DoubleSum<Arch, T> first[kTiles], second[kTiles];

    [[gnu::noinline]] void add(const Chain* tiles) {
      for (int t = 0; t < kTiles; ++t) {
        first[t].add(tiles[t].sum);
        second[t].add(tiles[t].products);
      }
    }
    [[gnu::noinline]] void store(SumPair* sums, std::int64_t count) const {
      double u[kTiles * kWidth], v[kTiles * kWidth];
      for (int t = 0; t < kTiles; ++t) {
        first[t].store(u + t * kWidth);
        second[t].store(v + t * kWidth);
      }
      for (std::int64_t lane = 0; lane < count; ++lane) {
        sums[lane] = {u[lane], v[lane]};
      }
    }
  };
};

}  // namespace evenkeel::kernels::simd
