# Install rules: headers under include/evenkeel, the static libraries, and find_package(evenkeel).
include(CMakePackageConfigHelpers)

install(TARGETS evenkeel evenkeel_core evenkeel_autograd evenkeel_nn evenkeel_optim evenkeel_models evenkeel_data evenkeel_training
        EXPORT evenkeelTargets)
install(EXPORT evenkeelTargets NAMESPACE evenkeel:: DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/evenkeel")
foreach(folder IN ITEMS core autograd nn optim models data training)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/evenkeel"
          FILES_MATCHING PATTERN "*.hpp" PATTERN "*_simd.hpp" EXCLUDE
          REGEX "kernels/simd/(batch|double_sum|loop|math_xsimd|generic|sse2|avx2|avx512|x86)" EXCLUDE)  # for the sources of one instruction set
endforeach()
install(DIRECTORY "${EVENKEEL_GENERATED_INCLUDE}/evenkeel" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/evenkeel.hpp" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/evenkeel")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/evenkeelConfig.cmake.in" evenkeelConfig.cmake
                              INSTALL_DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/evenkeel")
write_basic_package_version_file(evenkeelConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/evenkeelConfig.cmake" "${PROJECT_BINARY_DIR}/evenkeelConfigVersion.cmake"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/evenkeel")
