#!/usr/bin/env bash
# openblas_test.sh SOURCE_DIR CXX OPENBLAS_LIBRARY CBLAS_INCLUDE_DIR: what the configuration says of libraries that are no OpenBLAS,
# or one for 64-bit integers.
set -u
source_dir=$1 cxx=$2 openblas=$3 include=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

mkdir "$work/project"
cat >"$work/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(check LANGUAGES CXX)
include("$source_dir/cmake/OpenBlas.cmake")
END

# configures LIBRARY: what CMake says of it, in one line.
configures() {
  cmake -S "$work/project" -B "$work/build" "-DCMAKE_CXX_COMPILER=$cxx" "-DOPENBLAS_LIBRARY=$1" "-DCBLAS_INCLUDE_DIR=$include" 2>&1 |
    tr -s '\n ' ' '
  return "${PIPESTATUS[0]}"
}

# refuses LIBRARY TEXT
refuses() {
  said=$(configures "$1") && { echo "FAILED: $1 is accepted"; failures=$((failures + 1)); }
  grep -qF "$2" <<<"$said" || { echo "FAILED: no '$2' in: $said"; failures=$((failures + 1)); }
}

stub() {
  "$cxx" -shared -fPIC -x c++ - -o "$work/$1"
}
stub libother.so <<<'extern "C" void sgemm_() {}'
stub libint64.so <<'END'
extern "C" {
void cblas_sgemm() {}
void cblas_dgemm() {}
void openblas_set_num_threads(int) {}
int openblas_get_num_threads() { return 1; }
const char* openblas_get_config() { return "OpenBLAS 0.3.21 USE64BITINT"; }
}
END
stub libwrong.so <<'END'
extern "C" {
void cblas_sgemm() {}
void cblas_dgemm() {}
void openblas_set_num_threads(int) {}
int openblas_get_num_threads() { return 1; }
const char* openblas_get_config() { return "OpenBLAS 0.3.21"; }
}
END
refuses "$work/libother.so" "libother.so (with cblas.h in $include) is no OpenBLAS with CBLAS functions"
refuses "$work/libint64.so" "libint64.so was built for 64-bit integers (OpenBLAS 0.3.21 USE64BITINT), expected the 32-bit build"
refuses "$work/libwrong.so" "libwrong.so gives wrong products"
said=$(configures "$openblas") || { echo "FAILED: $openblas is refused: $said"; failures=$((failures + 1)); }

[ $failures -eq 0 ] && echo "all as expected"
exit $((failures > 0))
