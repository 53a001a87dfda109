# Settles VIM_CUDA and, unless it is OFF, turns on the CUDA language for the kernels. No LibTorch
# header reaches nvcc.
if(NOT VIM_CUDA STREQUAL "OFF")
  # CUDACXX and CMAKE_CUDA_COMPILER are CMake's own names for a compiler that is not on the path.
  find_program(VIM_NVCC NAMES ${CMAKE_CUDA_COMPILER} $ENV{CUDACXX} nvcc PATHS /usr/local/cuda/bin)
  mark_as_advanced(VIM_NVCC)
endif()
if(VIM_CUDA STREQUAL "AUTO")
  set(VIM_CUDA KERNELS)
  if(NOT VIM_NVCC)
    message(STATUS "VIM_CUDA: no nvcc found, so no CUDA kernels; scripts/setup.sh brings one")
    set(VIM_CUDA OFF)
  endif()
endif()
if(NOT VIM_CUDA MATCHES "^(OFF|KERNELS|ON)$")
  message(FATAL_ERROR "VIM_CUDA is '${VIM_CUDA}'; choose OFF, KERNELS, ON or AUTO")
endif()
message(STATUS "VIM_CUDA: ${VIM_CUDA}")
if(VIM_CUDA STREQUAL "OFF")
  return()
endif()
if(NOT VIM_NVCC)
  message(FATAL_ERROR
    "VIM_CUDA=${VIM_CUDA} needs nvcc, which is not found; run scripts/setup.sh, or pass "
    "-DCMAKE_CUDA_COMPILER=<nvcc> or -DVIM_CUDA=OFF")
endif()
set(CMAKE_CUDA_COMPILER "${VIM_NVCC}" CACHE FILEPATH "nvcc")

if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 120)
endif()
# LibTorch links the shared runtime; a second, static one in the same process would not know its
# streams.
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
  message(FATAL_ERROR
    "${CMAKE_CUDA_COMPILER} is CUDA ${CMAKE_CUDA_COMPILER_VERSION}, but the kernels need 12.8; "
    "name a newer one with -DCMAKE_CUDA_COMPILER=<nvcc>, or pass -DVIM_CUDA=OFF")
endif()
include(CudaRuntime)  # CUDA::cudart
