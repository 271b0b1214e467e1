#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace evenkeel::bench {

/// GFLOP/s of a product of n x n float matrices by the library's own choice of algorithm, num_threads() threads.
double product_rate(std::int64_t n, double seconds);

/// GB/s, read and written, of copying an array of `count` floats to another, num_threads() threads.
double copy_rate(std::int64_t count, double seconds);

/// GFLOP/s, the best of many products of 512x512 and of 1024x1024 matrices by OpenBLAS and by the library's own kernel.
double matrix_rate(double seconds);

/// What the machine does on num_threads() threads: the best of many calls, so that what disturbs raises no floor.
struct MachineRates {
  struct Copy {
    double bytes = 0;  ///< of both arrays together, shared out among the threads
    double rate = 0;   ///< GB/s, read and written
  };
  double matrix = 0;         ///< GFLOP/s: matrix_rate()
  std::vector<Copy> copies;  ///< from the caches nearest to a core to memory: 512 KiB and four times as much each
  /// GB/s for a working set of so many bytes: of the largest copy that is no larger.
  double copy(double bytes) const;
};

/// Measures them, so many seconds for each figure.
MachineRates measure_rates(double seconds);

/// The core that OpenBLAS chose its kernels for: "Haswell", "SkylakeX", "Zen".
std::string blas_core();

}  // namespace evenkeel::bench
