# CUDA::cudart, the shared CUDA runtime, found beside nvcc or in CUDAToolkit_ROOT. Not by
# find_package(CUDAToolkit): that of CMake 3.25 stops at CUDA 13, which no longer has nvToolsExt.
set(_hints ${CMAKE_CUDA_COMPILER_TOOLKIT_ROOT} ${CUDAToolkit_ROOT} $ENV{CUDAToolkit_ROOT})
find_path(VIM_CUDART_INCLUDE_DIR cuda_runtime.h
  HINTS ${_hints}
  PATHS /usr/local/cuda
  PATH_SUFFIXES include targets/x86_64-linux/include targets/sbsa-linux/include
  REQUIRED)
find_library(VIM_CUDART_LIBRARY NAMES cudart libcudart.so.13
  HINTS ${_hints}
  PATHS /usr/local/cuda
  PATH_SUFFIXES lib64 lib targets/x86_64-linux/lib targets/sbsa-linux/lib
  REQUIRED)
mark_as_advanced(VIM_CUDART_INCLUDE_DIR VIM_CUDART_LIBRARY)
if(NOT TARGET CUDA::cudart)
  add_library(CUDA::cudart INTERFACE IMPORTED)
  target_include_directories(CUDA::cudart SYSTEM INTERFACE ${VIM_CUDART_INCLUDE_DIR})
  target_link_libraries(CUDA::cudart INTERFACE ${VIM_CUDART_LIBRARY})
endif()
