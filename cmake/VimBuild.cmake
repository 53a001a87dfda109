# Language level, warnings, sanitizers, compiler cache and output folders: what every target shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)  # installed programs keep finding LibTorch and CUDA

# Position-independent everywhere and by flag, not by property: libraries and programs then compile
# with equal flags and can share one precompiled header.
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fPIC>")
add_compile_options(
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wshadow;-Wnon-virtual-dtor;-Woverloaded-virtual>")
if(VIM_WERROR)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Werror>")
endif()
if(VIM_SANITIZE)
  add_compile_options(-fsanitize=${VIM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${VIM_SANITIZE})
endif()

find_program(VIM_CCACHE ccache)
if(VIM_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness lets ccache cache files that use a precompiled header; with paths below the
  # source folder made relative, clones and work trees share what was compiled.
  set(ccache ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ccache} CCACHE_SLOPPINESS=pch_defines,time_macros ${VIM_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${ccache} ${VIM_CCACHE})
  add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>")
endif()
