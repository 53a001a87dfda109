# Third-party libraries other than LibTorch and CUDA, as imported targets that the folders link;
# used by this build and, installed beside the package file, by projects that use it.
# scripts/setup.sh installs all of them on Debian.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
if(NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)  # its name before 0.8
endif()
find_package(nlohmann_json REQUIRED)
if(NOT VIM_FROM_PACKAGE)
  find_package(CLI11 REQUIRED)  # the programs' command lines only
endif()
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)

# libjpeg-turbo, statically: its soname differs between distributions.
find_library(VIM_JPEG_LIBRARY NAMES libjpeg.a jpeg REQUIRED)
find_path(VIM_JPEG_INCLUDE_DIR jpeglib.h REQUIRED)
add_library(vim_jpeg INTERFACE IMPORTED)
target_link_libraries(vim_jpeg INTERFACE ${VIM_JPEG_LIBRARY})
target_include_directories(vim_jpeg SYSTEM INTERFACE ${VIM_JPEG_INCLUDE_DIR})

# OpenCV: with its package file where there is one; Debian's three module packages come without.
add_library(vim_opencv INTERFACE IMPORTED)
if(VIM_OPENCV)
  set(_modules core imgproc imgcodecs)
  find_package(OpenCV QUIET COMPONENTS ${_modules})
  if(NOT OpenCV_FOUND)
    find_path(VIM_OPENCV_INCLUDE_DIR opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4)
    set(OpenCV_INCLUDE_DIRS ${VIM_OPENCV_INCLUDE_DIR})
    foreach(_module ${_modules})
      find_library(VIM_OPENCV_${_module} opencv_${_module})
      list(APPEND OpenCV_LIBS ${VIM_OPENCV_${_module}})
    endforeach()
  endif()
  if("${OpenCV_INCLUDE_DIRS};${OpenCV_LIBS}" MATCHES "NOTFOUND")
    message(FATAL_ERROR
      "OpenCV not found; run scripts/setup.sh, or pass -DVIM_OPENCV=OFF (JPEG only)")
  endif()
  target_link_libraries(vim_opencv INTERFACE ${OpenCV_LIBS})
  target_include_directories(vim_opencv SYSTEM INTERFACE ${OpenCV_INCLUDE_DIRS})
  target_compile_definitions(vim_opencv INTERFACE VIM_WITH_OPENCV)
endif()
