# libtorch::libtorch (CPU) and, with VIM_CUDA=ON, libtorch::cuda: imported targets of our own, for
# this build and, installed beside the package file, for projects that use it. find_package(Torch)
# is not used: it overrides CMAKE_CUDA_ARCHITECTURES and wants a CUDA toolkit even for CPU-only
# targets.
set(VIM_TORCH_DIR "" CACHE PATH "folder that holds LibTorch's include/ and lib/")
set(_torch "${VIM_TORCH_DIR}")
if(NOT _torch AND Torch_DIR)
  cmake_path(SET _torch NORMALIZE "${Torch_DIR}/../../..")  # Torch_DIR is <torch>/share/cmake/Torch
  string(REGEX REPLACE "/$" "" _torch "${_torch}")
endif()
foreach(_file include/ATen/ATen.h lib/libtorch_cpu.so)
  if(NOT EXISTS "${_torch}/${_file}")
    message(FATAL_ERROR
      "LibTorch: VIM_TORCH_DIR='${_torch}' holds no ${_file}; run scripts/setup.sh, or pass "
      "-DVIM_TORCH_DIR=<folder holding include/ and lib/>")
  endif()
endforeach()

set(VIM_TORCH_VERSION "of unknown version")
if(EXISTS "${_torch}/include/torch/headeronly/version.h")
  file(STRINGS "${_torch}/include/torch/headeronly/version.h" _numbers
    REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX MATCHALL "[0-9]+" _numbers "${_numbers}")
  list(JOIN _numbers "." VIM_TORCH_VERSION)
endif()
message(STATUS "LibTorch ${VIM_TORCH_VERSION}: ${_torch}")
if(NOT VIM_TORCH_VERSION MATCHES "^2[.]11[.]")
  message(WARNING "LibTorch ${VIM_TORCH_VERSION} is untested; the sources are written for 2.11")
endif()

if(NOT TARGET libtorch::libtorch)
  add_library(libtorch::libtorch INTERFACE IMPORTED)
endif()
# LibTorch brings fmt headers of its own version, which would hide those that spdlog was built with.
find_path(VIM_FMT_INCLUDE_DIR fmt/format.h NO_CACHE REQUIRED)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/system_fmt)
file(CREATE_LINK ${VIM_FMT_INCLUDE_DIR}/fmt ${CMAKE_BINARY_DIR}/system_fmt/fmt SYMBOLIC)
target_include_directories(libtorch::libtorch SYSTEM BEFORE INTERFACE
  ${CMAKE_BINARY_DIR}/system_fmt
  ${_torch}/include
  ${_torch}/include/torch/csrc/api/include
  ${CMAKE_CURRENT_LIST_DIR}/gloo_stub)
target_compile_definitions(libtorch::libtorch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
# at::parallel_for runs serially in a file compiled without OpenMP.
target_compile_options(libtorch::libtorch INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fopenmp>")
# First in the search path, so that LibTorch's own libgomp is the one that is loaded.
target_link_options(libtorch::libtorch INTERFACE "LINKER:-rpath,${_torch}/lib")
target_link_libraries(libtorch::libtorch INTERFACE
  ${_torch}/lib/libtorch_cpu.so ${_torch}/lib/libc10.so gomp)
if(NOT VIM_CUDA STREQUAL "ON")
  return()
endif()

find_path(VIM_NCCL_INCLUDE_DIR nccl.h HINTS ${_torch}/../nvidia/nccl/include)
find_library(VIM_NCCL_LIBRARY NAMES libnccl.so.2 nccl
  HINTS ${_torch}/../nvidia/nccl/lib ${_torch}/lib)
find_library(VIM_CUBLASLT_LIBRARY NAMES libcublasLt.so.13 cublasLt
  HINTS ${_torch}/../nvidia/cu13/lib ${_torch}/lib ${CUDAToolkit_LIBRARY_DIR})
# The wheel holds libtorch_cuda in any case; what it links comes with the other wheels.
if(NOT EXISTS "${_torch}/lib/libtorch_cuda.so" OR NOT VIM_NCCL_INCLUDE_DIR OR NOT VIM_NCCL_LIBRARY
   OR NOT VIM_CUBLASLT_LIBRARY)
  message(FATAL_ERROR
    "VIM_CUDA=ON, but '${_torch}' was set up for the CPU only (no libtorch_cuda, or no NCCL or "
    "cuBLASLt beside it); run scripts/setup.sh --profile cuda, or pass -DVIM_CUDA=KERNELS")
endif()
add_library(libtorch::cuda INTERFACE IMPORTED)
target_include_directories(libtorch::cuda SYSTEM INTERFACE ${VIM_NCCL_INCLUDE_DIR})
target_compile_definitions(libtorch::cuda INTERFACE USE_C10D_NCCL VIM_WITH_LIBTORCH_CUDA)
# Nothing refers to libtorch_cuda by name, so the linker would drop it and with it the CUDA backend.
target_link_libraries(libtorch::cuda INTERFACE
  libtorch::libtorch
  "-Wl,--push-state,--no-as-needed"
  ${_torch}/lib/libtorch_cuda.so
  ${_torch}/lib/libc10_cuda.so
  "-Wl,--pop-state"
  CUDA::cudart
  ${VIM_NCCL_LIBRARY}
  ${VIM_CUBLASLT_LIBRARY})
