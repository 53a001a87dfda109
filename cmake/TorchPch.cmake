# One precompiled LibTorch header for every target: about 0.6 GB and 40 s once, instead of 10 s a
# file.
file(CONFIGURE OUTPUT pch/vim_pch.cpp CONTENT "// Only carries the precompiled header.\n")
add_library(vim_pch OBJECT ${CMAKE_CURRENT_BINARY_DIR}/pch/vim_pch.cpp)
target_link_libraries(vim_pch PRIVATE libtorch::libtorch)
target_precompile_headers(vim_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/torch_pch.h)

# vim_use_torch(TARGET PUBLIC|PRIVATE): links LibTorch and shares the precompiled header.
function(vim_use_torch target visibility)
  target_link_libraries(${target} ${visibility} libtorch::libtorch)
  target_precompile_headers(${target} REUSE_FROM vim_pch)
endfunction()
