# evenkeel_simd_kernels(target room/family[:type]...): builds core/kernels/<room>/<family>_simd.hpp once per instruction
# set, all families of a room in one object, for float and double unless one type is named. Such a header defines
# template <class Arch, class T> struct <Family>Kernels (static functions), declared in <family>.hpp beside it, where
# <family>.cpp chooses among them at run time.
# A set is a line here, a file core/kernels/simd/<set>.hpp, and its name and tag in simd/isa.hpp and isa.cpp.
set(EVENKEEL_ISAS Avx512 Avx2 Sse2)  # the best first
set(EVENKEEL_SIMD_FLAGS_Sse2 -msse2)
set(EVENKEEL_SIMD_FLAGS_Avx2 -mavx2 -mfma)
set(EVENKEEL_SIMD_FLAGS_Avx512 -mavx512f -mavx512cd -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # GCC 12 warns about its own AVX-512 intrinsics
  list(APPEND EVENKEEL_SIMD_FLAGS_Avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
  # Without optimization its intrinsics are macros that cast their operands, which xsimd's registers do not allow.
  list(APPEND EVENKEEL_SIMD_FLAGS_Avx512 $<$<CONFIG:Debug>:-Og>)
endif()
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(EVENKEEL_ISAS "")
endif()
if(EVENKEEL_GENERIC OR NOT EVENKEEL_ISAS)
  list(APPEND EVENKEEL_ISAS Generic)
endif()

if(EVENKEEL_SANITIZE)  # unless inlined, a register costs a checked call per operation
  foreach(Arch IN LISTS EVENKEEL_ISAS)
    list(APPEND EVENKEEL_SIMD_FLAGS_${Arch} -O2)
  endforeach()
endif()

# dispatch_isa() chooses among these.
list(JOIN EVENKEEL_ISAS ", " EVENKEEL_BUILT_ISAS)
set(EVENKEEL_GENERATED_INCLUDE "${PROJECT_BINARY_DIR}/generated")
configure_file("${PROJECT_SOURCE_DIR}/cmake/built_isas.hpp.in"
               "${EVENKEEL_GENERATED_INCLUDE}/evenkeel/core/kernels/simd/built_isas.hpp" @ONLY)

function(evenkeel_simd_kernels target)
  set(rooms "")
  foreach(family IN LISTS ARGN)
    set(types float double)
    if(family MATCHES "(.*):(.*)")
      set(family "${CMAKE_MATCH_1}")
      set(types "${CMAKE_MATCH_2}")
    endif()
    get_filename_component(room "${family}" DIRECTORY)
    get_filename_component(words "${family}" NAME)
    string(REPLACE "_" ";" words "${words}")
    set(Family "")
    foreach(word IN LISTS words)
      string(SUBSTRING "${word}" 0 1 first)
      string(SUBSTRING "${word}" 1 -1 rest)
      string(TOUPPER "${first}" first)
      string(APPEND Family "${first}${rest}")
    endforeach()
    list(APPEND rooms "${room}")
    string(APPEND includes_${room} "#include \"evenkeel/core/kernels/${family}_simd.hpp\"\n")
    foreach(T IN LISTS types)
      string(APPEND kernels_${room} "template struct evenkeel::kernels::${Family}Kernels<evenkeel::@Arch@, ${T}>;\n")
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES rooms)
  foreach(room IN LISTS rooms)
    foreach(Arch IN LISTS EVENKEEL_ISAS)
      string(TOLOWER "${Arch}" set)
      set(includes "${includes_${room}}")
      string(CONFIGURE "${kernels_${room}}" kernels @ONLY)
      set(source "${PROJECT_BINARY_DIR}/simd/${room}_${Arch}.cpp")
      configure_file("${PROJECT_SOURCE_DIR}/cmake/simd_source.cpp.in" "${source}" @ONLY)
      set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS "${EVENKEEL_SIMD_FLAGS_${Arch}}")
      target_sources(${target} PRIVATE "${source}")
    endforeach()
  endforeach()
endfunction()
