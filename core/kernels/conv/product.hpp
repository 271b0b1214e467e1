#pragma once

#include "evenkeel/core/kernels/conv/conv.hpp"

namespace evenkeel::kernels {

/// Whether the column matrix of im2col.cpp is x itself, but for cells that a stride leaves out: windows of one cell,
/// all inside x, or one window that is the whole image. One group, and images of one output pixel or of 16 at least.
bool is_product(const ConvGeometry& g);

/// Convolutions for which is_product() holds, as products by gemm() of the weight with x where it is. Images of one
/// pixel are the rows of one matrix; of larger ones each is a product, and only what a stride leaves out costs a copy.
/// Rates in GFLOP/s of forward, input and weight gradient on one core with a peak of 118, direct tiles or panels /
/// this:
///
///                                         AVX2                           AVX-512
///   64 to 256, 8x8, batch 2       88 / 99, 69 / 109, 87 / 75    72 / 97, 45 / 102, 79 / 85
///   512 to 128, 4x4, batch 2      32 / 91, 64 / 102, 50 / 61    44 / 89, 71 / 84, 49 / 71
///   256 to 512, stride 2, 8x8     67 / 85, 39 / 90, 60 / 59     71 / 83, 46 / 69, 55 / 52
///   32 to 128, 16x16, batch 2     81 / 97, 77 / 69, 83 / 99     71 / 71, 73 / 94, 83 / 87
///   256 to 64, 1x1, batch 2       2.2 / 39, 4.1 / 28, 6.1 / 19  1.8 / 45, 3.0 / 50, 5.9 / 25
///
/// The units of parallel work depend on the sizes only.
template <class T>
struct ProductConv {
  static void forward(const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
  static void input_gradient(const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
  static void weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dweight);
};

}  // namespace evenkeel::kernels
