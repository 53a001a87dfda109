# How this tree declares its targets: one library per folder, one program per file in apps/, one
# test program per folder of tests/.

# vim_add_library(NAME [TORCH] SOURCES file... [LINK public-target...] [PRIVATE_LINK target...])
# Target vim_NAME with alias vim::NAME. TORCH marks a folder that includes LibTorch headers.
function(vim_add_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(vim_${name} STATIC ${ARG_SOURCES})
  add_library(vim::${name} ALIAS vim_${name})
  target_include_directories(vim_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(vim_${name} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  set_target_properties(vim_${name} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY VIM_LIBRARIES vim_${name})
  if(ARG_TORCH)
    vim_use_torch(vim_${name} PUBLIC)
  endif()
endfunction()

# vim_add_app(NAME [WITHOUT_TORCH] SOURCES file... LINK target...): a program in bin/. Its target
# is NAME_program, since vim_data and vim_train name libraries already. WITHOUT_TORCH: it starts
# without loading LibTorch.
function(vim_add_app name)
  cmake_parse_arguments(ARG "WITHOUT_TORCH" "" "SOURCES;LINK" ${ARGN})
  set(target ${name}_program)
  add_executable(${target} ${ARG_SOURCES})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
  target_link_libraries(${target} PRIVATE ${ARG_LINK})
  set_property(GLOBAL APPEND PROPERTY VIM_PROGRAMS ${target})
  if(NOT ARG_WITHOUT_TORCH)
    vim_use_torch(${target} PRIVATE)
  endif()
endfunction()

# vim_add_test(NAME [TORCH] [SPLIT tag] SOURCES file... LINK target...): a Catch2 program run by
# ctest as NAME. SPLIT: test cases with this tag take long and run as NAME.tag, beside the others.
function(vim_add_test name)
  cmake_parse_arguments(ARG "TORCH" "SPLIT" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} vim_catch2)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(ARG_TORCH)
    vim_use_torch(${name} PRIVATE)
  endif()
  if(ARG_SPLIT)
    _vim_run_test(${name} ${name} "~[${ARG_SPLIT}]")
    _vim_run_test(${name}.${ARG_SPLIT} ${name} "[${ARG_SPLIT}]")
  else()
    _vim_run_test(${name} ${name})
  endif()
endfunction()

# Runs a Catch2 program, with these arguments, as the test `test`.
function(_vim_run_test test program)
  if(VIM_SANITIZE)
    string(APPEND test .sanitized)  # tells the builds apart where one ctest runs both
  endif()
  add_test(NAME ${test} COMMAND ${program} ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  # Tests share the cores with one another; waiting threads must not spin.
  set_tests_properties(${test} PROPERTIES ENVIRONMENT OMP_WAIT_POLICY=passive)
endfunction()
