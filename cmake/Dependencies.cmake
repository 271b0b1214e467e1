# What the library links: an OpenBLAS with CBLAS, OpenMP, zlib, libzip; xsimd and nlohmann-json are headers only.
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(ZLIB REQUIRED)
# Debian's own configuration of libzip asks for its programs as well.
find_library(LIBZIP_LIBRARY zip REQUIRED)
find_path(LIBZIP_INCLUDE_DIR zip.h REQUIRED)
find_package(xsimd REQUIRED)
# Debian's target names a library xtl, which only xsimd's optional complex numbers would need (headers, not installed).
set_target_properties(xsimd PROPERTIES INTERFACE_LINK_LIBRARIES "")
find_package(nlohmann_json REQUIRED)
find_library(OPENBLAS_LIBRARY openblas REQUIRED)
find_path(CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas openblas-pthread x86_64-linux-gnu REQUIRED)
include(OpenBlas)
