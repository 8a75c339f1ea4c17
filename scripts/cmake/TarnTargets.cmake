# tarn_layer(NAME SOURCES...)   one object library per layer; all of them make up libtarn.
# tarn_test(NAME SOURCES... [LIBS ...] [LABELS ...] [TIMEOUT s])
#   a GoogleTest binary, registered with ctest. The label "slow" keeps it out of the sanitizer suites.
# tarn_script_test(NAME COMMAND...)   a script of this repository, registered with ctest.
function(tarn_layer name)
  add_library(tarn_${name} OBJECT ${ARGN})
  target_link_libraries(tarn_${name} PRIVATE tarn_flags absl::status absl::statusor absl::span
                        absl::time absl::core_headers Threads::Threads)
  set_property(GLOBAL APPEND PROPERTY TARN_LAYERS tarn_${name})
endfunction()

function(tarn_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${ARG_UNPARSED_ARGUMENTS})
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE tarn tarn_flags ${ARG_LIBS} GTest::gtest GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 1500)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

function(tarn_script_test name)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES TIMEOUT 1500 LABELS script)
endfunction()
