# Ends with an error unless OPENBLAS_LIBRARY and the cblas.h in CBLAS_INCLUDE_DIR fit together and have what the library calls: the
# CBLAS functions, with 32-bit integers. Once per library: a wrong one would be found when programs are linked, or never.
set(pair "${OPENBLAS_LIBRARY} ${CBLAS_INCLUDE_DIR}")
if(NOT "${EVENKEEL_CHECKED_OPENBLAS}" STREQUAL pair AND NOT CMAKE_CROSSCOMPILING)
  try_run(ran compiled "${CMAKE_CURRENT_BINARY_DIR}/openblas" "${CMAKE_CURRENT_LIST_DIR}/openblas_check.cpp"
          CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${CBLAS_INCLUDE_DIR}" LINK_LIBRARIES "${OPENBLAS_LIBRARY}"
          COMPILE_OUTPUT_VARIABLE text RUN_OUTPUT_VARIABLE config)
  if(NOT compiled)
    string(REGEX MATCH "[^\n]*(undefined|error)[^\n]*" text "${text}")
    message(FATAL_ERROR "${OPENBLAS_LIBRARY} (with cblas.h in ${CBLAS_INCLUDE_DIR}) is no OpenBLAS with CBLAS functions; "
                        "-DOPENBLAS_LIBRARY=... and -DCBLAS_INCLUDE_DIR=... name another one.\n  ${text}")
  elseif(config MATCHES "64BITINT")
    message(FATAL_ERROR "${OPENBLAS_LIBRARY} was built for 64-bit integers (${config}), expected the 32-bit build; "
                        "-DOPENBLAS_LIBRARY=... and -DCBLAS_INCLUDE_DIR=... name another one.")
  elseif(NOT ran EQUAL 0)
    message(FATAL_ERROR "${OPENBLAS_LIBRARY} gives wrong products or does not run (${ran} ${config})")
  endif()
  set(EVENKEEL_CHECKED_OPENBLAS "${pair}" CACHE INTERNAL "The OpenBLAS and its header that were found good")
endif()
unset(pair)
