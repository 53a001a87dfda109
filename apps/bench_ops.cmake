# vim_bench ops: a library without LibTorch, so that it compiles in seconds.
add_library(vim_bench_ops STATIC
  bench_arrays.cpp
  bench_cpu.cpp
  bench_exp_hwy.cpp
  bench_layer_cases.cpp
  bench_ops.cpp
  bench_scan_cases.cpp)
target_link_libraries(vim_bench_ops PUBLIC vim_app_main PRIVATE PkgConfig::HWY gomp)
target_compile_options(vim_bench_ops PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-fopenmp>")
# The Highway targets of the kernels whose exponential is measured.
get_target_property(_definitions vim_kernels COMPILE_DEFINITIONS)
target_compile_definitions(vim_bench_ops PRIVATE ${_definitions})
if(VIM_CUDA STREQUAL "OFF")
  target_sources(vim_bench_ops PRIVATE bench_without_cuda.cpp)
else()
  target_sources(vim_bench_ops PRIVATE bench_cuda.cpp bench_probes.cu)
  target_link_libraries(vim_bench_ops PRIVATE vim::kernels_cuda CUDA::cudart)
  set_target_properties(vim_bench_ops PROPERTIES
    CUDA_STANDARD 17
    CUDA_RUNTIME_LIBRARY Shared
    POSITION_INDEPENDENT_CODE ON)
endif()
