# evenkeel_library(folder): the static library evenkeel_<folder>, alias evenkeel::<folder>. Sources follow by
# target_sources(), dependencies by target_link_libraries() in the folder's own CMakeLists.txt.
add_library(evenkeel_options INTERFACE)  # warnings, sanitizers: for our own sources, not for users'
target_compile_options(evenkeel_options INTERFACE -Wall -Wextra -Wpedantic -Wconversion)
# A constructor parameter may be named like the member that it initializes, `alpha(alpha)`: Clang's -Wshadow allows that, GCC's does not.
target_compile_options(evenkeel_options INTERFACE $<IF:$<CXX_COMPILER_ID:GNU>,-Wshadow=local,-Wshadow>)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(evenkeel_options INTERFACE -Wno-restrict)  # false alarms on std::string, GCC bug 105651
endif()
if(EVENKEEL_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(evenkeel_options INTERFACE -Wno-subobject-linkage)  # takes sources that a source includes for headers
endif()
if(EVENKEEL_WERROR)
  target_compile_options(evenkeel_options INTERFACE -Werror)
endif()
if(EVENKEEL_SANITIZE)
  target_compile_options(evenkeel_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1
                         -Wno-maybe-uninitialized)  # false alarms: the sanitizers hide initializations from GCC's analysis
  target_link_options(evenkeel_options INTERFACE -fsanitize=address,undefined)
endif()
if(EVENKEEL_NATIVE)
  target_compile_options(evenkeel_options INTERFACE -march=native)
endif()

# The one include root, "evenkeel/core/array.hpp": links to the folders at the top, which an installation copies.
set(EVENKEEL_INCLUDE_ROOT "${PROJECT_BINARY_DIR}/include")
file(MAKE_DIRECTORY "${EVENKEEL_INCLUDE_ROOT}/evenkeel")
foreach(entry IN ITEMS core autograd nn optim models data training evenkeel.hpp)
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${entry}" "${EVENKEEL_INCLUDE_ROOT}/evenkeel/${entry}" SYMBOLIC)
endforeach()

# evenkeel_unity(target): compiles up to 16 of its sources at once, see EVENKEEL_UNITY. Fewer where the sanitizers' checks take memory.
function(evenkeel_unity target)
  set(batch 16)
  if(EVENKEEL_SANITIZE)
    set(batch 8)
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${EVENKEEL_UNITY} UNITY_BUILD_BATCH_SIZE ${batch})
endfunction()

# What pays, in time to compile and to run: -O2 where a training step's bookkeeping is; kernels have -O3 (core/kernels).
foreach(folder IN ITEMS core autograd)
  set(EVENKEEL_OPTIMIZE_${folder} -O2)
endforeach()
foreach(folder IN ITEMS nn optim models data training)
  set(EVENKEEL_OPTIMIZE_${folder} -O1)
endforeach()

function(evenkeel_library folder)
  add_library(evenkeel_${folder} STATIC)
  add_library(evenkeel::${folder} ALIAS evenkeel_${folder})
  set_target_properties(evenkeel_${folder} PROPERTIES EXPORT_NAME ${folder} LINKER_LANGUAGE CXX)
  evenkeel_unity(evenkeel_${folder})
  target_compile_features(evenkeel_${folder} PUBLIC cxx_std_20)
  target_compile_options(evenkeel_${folder} PRIVATE $<$<CONFIG:Release>:${EVENKEEL_OPTIMIZE_${folder}}> -ffunction-sections -fdata-sections)
  target_link_options(evenkeel_${folder} INTERFACE $<$<PLATFORM_ID:Linux>:LINKER:--gc-sections>)  # so that programs take what they use
  target_link_libraries(evenkeel_${folder} PRIVATE $<BUILD_INTERFACE:evenkeel_options>)
  target_include_directories(
    evenkeel_${folder} PUBLIC $<BUILD_INTERFACE:${EVENKEEL_INCLUDE_ROOT}>
                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endfunction()
