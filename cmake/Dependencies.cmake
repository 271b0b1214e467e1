# What the library links: an OpenBLAS with CBLAS, OpenMP, zlib; xsimd and nlohmann-json are headers only.
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(ZLIB REQUIRED)
find_package(xsimd REQUIRED)
find_package(nlohmann_json REQUIRED)
find_library(OPENBLAS_LIBRARY openblas REQUIRED)
find_path(CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas openblas-pthread x86_64-linux-gnu REQUIRED)
