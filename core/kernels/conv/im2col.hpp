#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"

namespace evenkeel::kernels {

/// Convolutions as matrix products with a column matrix ("im2col"), any geometry, through gemm(): the algorithm to read
/// first; im2col.cpp draws it. The column matrix is made block by block: whatever the sizes, forward and input gradient
/// take at most 2^17 elements per thread for it (0.5 MiB in float32), a weight gradient 2 MiB in float32 and 3 MiB in
/// float64, up to 2^17 outputs per group. The units of parallel work depend on the sizes only; where there is a single
/// one, its products are split among the threads.
template <class T>
struct Im2colConv {
  static void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

/// The column matrices themselves, of all images: columns (batch, patch, pixels). g: of one group.
template <class T>
void unfold_images(const ConvGeometry& g, const T* x, T* columns);
/// The adjoint: every cell of x is the sum of those of columns that show it.
template <class T>
void fold_images(const ConvGeometry& g, const T* columns, T* x);

}  // namespace evenkeel::kernels
