// What the library calls of OpenBLAS: run by OpenBlas.cmake.
#include <cblas.h>

#include <cstdio>

int main() {
  const float a = 2, b = 3;
  const double x = 2, y = 3;
  float c = 0;
  double z = 0;
  openblas_set_num_threads(openblas_get_num_threads());
  // The header and the library may come from different builds.
  std::printf("%s%s", openblas_get_config(), sizeof(blasint) == 4 ? "" : ", cblas.h with 64BITINT");
  std::fflush(stdout);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1, 1, &a, 1, &b, 1, 0, &c, 1);
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1, 1, &x, 1, &y, 1, 0, &z, 1);
  return c == 6 && z == 6 ? 0 : 1;
}
