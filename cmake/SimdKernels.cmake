# evenkeel_simd_kernels(target room/family...): builds core/kernels/<room>/<family>_simd.hpp once per instruction set. That
# header defines template <class Arch, class T> struct <Family>Kernels (static functions), declared in <family>.hpp beside it,
# where <family>.cpp chooses among them at run time.
set(EVENKEEL_SIMD_FLAGS_Sse2 -msse2)
set(EVENKEEL_SIMD_FLAGS_Avx2 -mavx2 -mfma)
set(EVENKEEL_SIMD_FLAGS_Avx512 -mavx512f -mavx512cd -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # GCC 12 warns about its own AVX-512 intrinsics
  list(APPEND EVENKEEL_SIMD_FLAGS_Avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

if(EVENKEEL_SANITIZE)  # unless inlined, a batch of xsimd costs a checked call per operation
  foreach(Arch IN ITEMS Sse2 Avx2 Avx512)
    list(APPEND EVENKEEL_SIMD_FLAGS_${Arch} -O2)
  endforeach()
endif()

function(evenkeel_simd_kernels target)
  foreach(family IN LISTS ARGN)
    get_filename_component(words "${family}" NAME)
    string(REPLACE "/" "_" file "${family}")
    string(REPLACE "_" ";" words "${words}")
    set(Family "")
    foreach(word IN LISTS words)
      string(SUBSTRING "${word}" 0 1 first)
      string(SUBSTRING "${word}" 1 -1 rest)
      string(TOUPPER "${first}" first)
      string(APPEND Family "${first}${rest}")
    endforeach()
    foreach(Arch IN ITEMS Sse2 Avx2 Avx512)
      set(source "${PROJECT_BINARY_DIR}/simd/${file}_${Arch}.cpp")
      configure_file("${PROJECT_SOURCE_DIR}/cmake/simd_source.cpp.in" "${source}" @ONLY)
      set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS "${EVENKEEL_SIMD_FLAGS_${Arch}}")
      target_sources(${target} PRIVATE "${source}")
    endforeach()
  endforeach()
endfunction()
