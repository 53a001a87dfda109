# The sources of the CUDA kernels: nvcc builds them in kernels/, the C++ compiler for the emulation
# in tests/emulation.
set(VIM_CUDA_SOURCES
  ${CMAKE_CURRENT_LIST_DIR}/adamw.cu
  ${CMAKE_CURRENT_LIST_DIR}/add_norm.cu
  ${CMAKE_CURRENT_LIST_DIR}/add_norm_bwd.cu
  ${CMAKE_CURRENT_LIST_DIR}/causal_conv1d.cu
  ${CMAKE_CURRENT_LIST_DIR}/causal_conv1d_bwd.cu
  ${CMAKE_CURRENT_LIST_DIR}/causal_conv1d_plan.cpp
  ${CMAKE_CURRENT_LIST_DIR}/causal_conv1d_project.cu
  ${CMAKE_CURRENT_LIST_DIR}/check.cpp
  ${CMAKE_CURRENT_LIST_DIR}/cross_entropy.cu
  ${CMAKE_CURRENT_LIST_DIR}/entries.cpp
  ${CMAKE_CURRENT_LIST_DIR}/gradient_summary.cu
  ${CMAKE_CURRENT_LIST_DIR}/image_batch.cu
  ${CMAKE_CURRENT_LIST_DIR}/narrow_products.cu
  ${CMAKE_CURRENT_LIST_DIR}/selective_scan_bwd.cu
  ${CMAKE_CURRENT_LIST_DIR}/selective_scan_chunks.cu
  ${CMAKE_CURRENT_LIST_DIR}/selective_scan_fwd.cu
  ${CMAKE_CURRENT_LIST_DIR}/token_sequence.cu)
