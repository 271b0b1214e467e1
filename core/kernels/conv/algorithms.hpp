#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"

#include <optional>

namespace evenkeel {

/// The ways to compute a convolution, the most special first. The one to read first is the last, im2col (im2col.hpp),
/// the way that everybody learns: a product of the weight with the matrix of all patches, for any geometry, by gemm,
/// whose rates are in matmul/gemm.cpp; making that matrix comes on top. What the others gain over it: direct and panels
/// read a staged copy of their input (stage_shape.hpp), a padded block that stays in the cache, and multiply by the
/// register tile of matmul/panels.hpp, which reads weights in place: no column matrix in memory, no packed weights.
/// Depthwise keeps one channel's rows in the cache for a product too small for gemm. Winograd needs a quarter of the
/// products, and transforms its input into registers of neighbouring tiles (winograd_tiles.hpp). GFLOP/s per core of
/// the plain count on the AVX-512 machine that they were tuned on; Winograd's with AVX2 on one of 118 GFLOP/s peak:
enum class ConvAlgorithm {
  winograd,   ///< F(4x4, 3x3): 185 to 370; float32 errors 3 to 4 times those of a plain sum (winograd.hpp: when not)
  depthwise,  ///< one channel per group: bound by loads, 15 to 45
  direct,     ///< tiles over staged rows in place, any stride; rows that fill registers: 200 to 255
  panels,     ///< the same tiles over packed columns; any geometry: 160 to 230; also every plain weight gradient
  im2col,     ///< gemm with a column matrix; any geometry. Where that matrix is x itself, as for 1x1: product.hpp
};

/// Chooses the algorithm of the convolutions that this thread starts within a scope, those of a backward() that it
/// calls there included: of `first` and what is behind it in ConvAlgorithm, the first that suits the geometry. So
/// im2col and panels take everything; direct leaves narrow rows and weight gradients to panels; winograd is the whole
/// table; and depthwise is the table without Winograd, which leaves only plain sums. (Both take im2col for what is a
/// product with x itself.)
///
/// std::nullopt is the library's own choice: the whole table, or, where the instruction set has no tuned tile
/// (kHasTunedTile), depthwise and im2col. Threads start with it, unless the environment variable EVENKEEL_CONV (a name
/// from ConvAlgorithm, or auto; read once) says otherwise. Guards nest, and restore the former choice also when an
/// exception leaves; each thread has its own, and ranks of ThreadGroup::run take over their caller's. With
/// EVENKEEL_CONV none of these names, the program ends when it starts.
class ConvAlgorithmGuard {
 public:
  explicit ConvAlgorithmGuard(std::optional<ConvAlgorithm> first);
  ~ConvAlgorithmGuard();
  ConvAlgorithmGuard(const ConvAlgorithmGuard&) = delete;
  ConvAlgorithmGuard& operator=(const ConvAlgorithmGuard&) = delete;

 private:
  std::optional<ConvAlgorithm> before_;
};

namespace kernels {

enum class ConvPass { forward, input_gradient, weight_gradient };

/// The table of shape conditions; depends on the geometry, the element type, the active instruction set and the
/// innermost ConvAlgorithmGuard. With EVENKEEL_CONV no name of an algorithm, the program ends when it starts.
template <class T>
ConvAlgorithm choose_algorithm(const ConvGeometry& g, ConvPass pass);

}  // namespace kernels
}  // namespace evenkeel
