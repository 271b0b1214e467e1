#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"
#include "evenkeel/core/kernels/simd/sizes.hpp"

#include <optional>

namespace evenkeel {

/// The ways to compute a convolution, from the most special to the most general. Read im2col first: one matrix product
/// per image with a matrix of patches, for any geometry, by gemm (OpenBLAS's rate with AVX2: 120 GFLOP/s per core, less
/// what the matrix costs). What the others gain over it: direct and panels read a staged copy of their input
/// (stage_shape.hpp), a padded block that stays in the cache, and multiply by the register tile of matmul/panels.hpp,
/// which reads weights in place: no column matrix in memory, no packed weights. Depthwise has no factor to pack at all.
/// Winograd needs fewer products; it stages its input with channels side by side (winograd_tiles.hpp). GFLOP/s per core
/// of the plain count on the AVX-512 machine that they were tuned on:
enum class ConvAlgorithm {
  winograd,   ///< F(4x4, 3x3): 240 to 690; float32 errors about 2.6 times those of a plain sum
  depthwise,  ///< one channel per group: bound by loads, 15 to 45
  direct,     ///< tiles over staged rows in place, any stride; rows that fill registers: 200 to 255
  panels,     ///< the same tiles over packed columns; any geometry: 160 to 230; also every plain weight gradient
  im2col,     ///< gemm with a column matrix; any geometry
};

/// Sets, for the convolutions that this thread starts within a scope (backward() included, if it is called there),
/// where the table that chooses their algorithm begins: of `first` and those behind it in ConvAlgorithm, the first that
/// suits is taken. So im2col and panels compute everything, winograd falls back to the plain sums where it does not
/// suit, and depthwise leaves out Winograd alone, of which a NaN or infinity in x reaches the whole 4x4 tile of outputs
/// whose 6x6 inputs it is among. std::nullopt, every thread's start unless the environment variable EVENKEEL_CONV
/// (auto, or a name from ConvAlgorithm; read once) says otherwise: the whole table; without its Winograd and its
/// register tiles, thus im2col or depthwise, where the instruction set has no tuned tile (kHasTunedTile). Nests;
/// restores the former choice.
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
/// innermost ConvAlgorithmGuard. Throws std::invalid_argument if EVENKEEL_CONV is no name of an algorithm.
template <class T>
ConvAlgorithm choose_algorithm(const ConvGeometry& g, ConvPass pass);

/// dweight (output, product) of each group = the sum over parts of sums (part, group, product, output); changes sums.
template <class T>
void finish_weight_gradient(const ConvGeometry& g, std::int64_t parts, T* sums, T* dweight);

/// algorithm: direct or panels.
template <class T>
struct PanelConv {
  static void forward(const ConvGeometry& g, ConvAlgorithm algorithm, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, ConvAlgorithm algorithm, const T* dy, const T* weight,
                             const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

/// 3x3, stride and dilation 1, one group.
template <class T>
struct WinogradConv {
  static void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

template <class T>
struct DepthwiseConv {
  static void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

}  // namespace kernels
}  // namespace evenkeel
