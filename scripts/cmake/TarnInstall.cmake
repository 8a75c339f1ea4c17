# Install and export: headers, libtarn.a, find_package(tarn) giving tarn::tarn, pkg-config tarn.pc.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(tarn_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tarn")
install(TARGETS tarn EXPORT tarn-targets
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT tarn-targets NAMESPACE tarn:: DESTINATION "${tarn_cmake_dir}")

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/tarn-config.cmake.in"
  "${PROJECT_BINARY_DIR}/tarn-config.cmake" INSTALL_DESTINATION "${tarn_cmake_dir}")
# Before 1.0 a minor version may break the API.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tarn-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tarn-config.cmake"
              "${PROJECT_BINARY_DIR}/tarn-config-version.cmake"
        DESTINATION "${tarn_cmake_dir}")

# tarn.pc finds its own prefix, so an installed tree may be moved.
file(RELATIVE_PATH tarn_pc_up "/x/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/x")
configure_file("${CMAKE_CURRENT_LIST_DIR}/tarn.pc.in" "${PROJECT_BINARY_DIR}/tarn.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/tarn.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
