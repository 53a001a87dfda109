# cmake --install: programs, static libraries, headers and the package file for
# find_package(VisionMamba). Headers keep their path from the root, so that #include
# "src/nn/block.h" works for users too.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(_include ${CMAKE_INSTALL_INCLUDEDIR}/visionmamba)
set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/VisionMamba)
get_property(_libraries GLOBAL PROPERTY VIM_LIBRARIES)
get_property(_programs GLOBAL PROPERTY VIM_PROGRAMS)

add_library(visionmamba INTERFACE)
target_link_libraries(visionmamba INTERFACE ${_libraries})
install(
  TARGETS visionmamba ${_libraries}
  EXPORT VisionMambaTargets
  INCLUDES DESTINATION ${_include})
if(_programs)
  install(TARGETS ${_programs})
endif()
install(EXPORT VisionMambaTargets NAMESPACE VisionMamba:: DESTINATION ${_package})
install(DIRECTORY kernels src DESTINATION ${_include} FILES_MATCHING PATTERN "*.h")

configure_package_config_file(
  cmake/VisionMambaConfig.cmake.in ${PROJECT_BINARY_DIR}/package/VisionMambaConfig.cmake
  INSTALL_DESTINATION ${_package})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/package/VisionMambaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(
  FILES
    ${PROJECT_BINARY_DIR}/package/VisionMambaConfig.cmake
    ${PROJECT_BINARY_DIR}/package/VisionMambaConfigVersion.cmake
    cmake/CudaRuntime.cmake
    cmake/LibTorch.cmake
    cmake/VimPackages.cmake
  DESTINATION ${_package})
install(DIRECTORY cmake/gloo_stub DESTINATION ${_package})
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
