# Fails on an include against the order core <- autograd <- {nn, optim}, nn <- models (data: core and autograd), on a third
# party's header outside its home, on a source file over 500 lines. Run with -DSOURCE_DIR=<project>.
cmake_policy(SET CMP0057 NEW)
set(may_core core)
set(may_autograd core autograd)
set(may_nn core autograd nn)
set(may_optim core autograd optim)
set(may_models core autograd nn models)
set(may_data core autograd data)

# A pattern of what a line may not hold, and of the files that are its home.
set(homes
    "#include [<\"]xsimd|^core/kernels/simd/"
    "#include [<\"](cblas|openblas)|^core/kernels/matmul/gemm\\.cpp$"
    "#include [<\"]omp\\.h|^core/parallel\\.cpp$"
    "#pragma omp|^core/parallel\\.cpp$"
    "#include [<\"]nlohmann|^core/io/[^/]*\\.cpp$"
    "#include [<\"]zlib|^(core/io|data|tests/core|tests/data)/[^/]*\\.cpp$")

set(errors "")
file(GLOB_RECURSE files RELATIVE "${SOURCE_DIR}" "${SOURCE_DIR}/core/*.?pp" "${SOURCE_DIR}/autograd/*.?pp" "${SOURCE_DIR}/nn/*.?pp"
     "${SOURCE_DIR}/optim/*.?pp" "${SOURCE_DIR}/models/*.?pp" "${SOURCE_DIR}/data/*.?pp" "${SOURCE_DIR}/examples/*.?pp"
     "${SOURCE_DIR}/bench/*.?pp" "${SOURCE_DIR}/tests/*.?pp")
list(FILTER files EXCLUDE REGEX "^tests/consumer/")  # a user's project
list(LENGTH files count)
if(count LESS 50)
  message(FATAL_ERROR "only ${count} source files found in ${SOURCE_DIR}")
endif()
foreach(file IN LISTS files)
  string(REGEX REPLACE "/.*" "" folder "${file}")
  file(STRINGS "${SOURCE_DIR}/${file}" includes REGEX "^#include \"")
  foreach(line IN LISTS includes)
    string(REGEX MATCH "\"(evenkeel/[a-z]+|tests|bench|examples)[./]" target "${line}")
    string(REGEX REPLACE "\"(evenkeel/)?|[./]$" "" target "${target}")
    if(target STREQUAL "")
      list(APPEND errors "${file}: '${line}' is not reached as \"evenkeel/folder/...\"")
    elseif(DEFINED may_${folder} AND NOT target IN_LIST may_${folder})
      list(JOIN may_${folder} ", " allowed)
      list(APPEND errors "${file}: '${line}': ${folder} may include ${allowed} only")
    endif()
  endforeach()
  foreach(home IN LISTS homes)
    string(REGEX REPLACE "\\|\\^.*" "" pattern "${home}")
    string(REGEX REPLACE ".*\\|\\^" "^" place "${home}")
    file(STRINGS "${SOURCE_DIR}/${file}" found REGEX "^[ \t]*${pattern}")
    if(found AND NOT file MATCHES "${place}")
      list(APPEND errors "${file}: '${found}' belongs into ${place} only")
    endif()
  endforeach()
  file(READ "${SOURCE_DIR}/${file}" text)
  string(REGEX REPLACE "[^\n]" "" lines "${text}")
  string(LENGTH "${lines}" lines)
  if(lines GREATER 500)
    list(APPEND errors "${file}: ${lines} lines, at most 500 are allowed")
  endif()
endforeach()
if(errors)
  list(JOIN errors "\n  " text)
  message(FATAL_ERROR "layering:\n  ${text}")
endif()
message(STATUS "${count} files are in order")
