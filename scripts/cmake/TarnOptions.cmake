# Build options and the compile flags that every tarn target shares.
# All of it is PRIVATE to the build: nothing here reaches a program that links tarn::tarn.
option(TARN_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(TARN_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(TARN_BUILD_BENCH "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(TARN_ASSERTS "Enable TARN_ASSERT checks (always on in Debug)" OFF)
option(TARN_WERROR "Treat compiler warnings as errors" OFF)
option(TARN_THREAD_SAFETY "Check the lock annotations (clang only)" OFF)
set(TARN_SANITIZE "" CACHE STRING "Sanitizers: empty, 'address,undefined' or 'thread'")
set_property(CACHE TARN_SANITIZE PROPERTY STRINGS "" "address,undefined" "thread")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
  message(FATAL_ERROR "tarn runs on 64-bit Linux only")
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_package(absl REQUIRED)
find_package(Threads REQUIRED)

add_library(tarn_flags INTERFACE)
target_compile_options(tarn_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor>
  $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wshadow>
  -fno-strict-aliasing)
target_include_directories(tarn_flags INTERFACE
  "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/runtime/include" "${PROJECT_SOURCE_DIR}/gc/include")
if(TARN_ASSERTS OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(tarn_flags INTERFACE TARN_ASSERTS_ENABLED=1)
else()
  target_compile_definitions(tarn_flags INTERFACE TARN_ASSERTS_ENABLED=0)
endif()
if(TARN_WERROR)
  target_compile_options(tarn_flags INTERFACE -Werror)
endif()

if(TARN_THREAD_SAFETY)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "TARN_THREAD_SAFETY needs clang++; this is ${CMAKE_CXX_COMPILER_ID}")
  endif()
  # The order annotations are checked with -beta only.
  target_compile_options(tarn_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:
    -Wthread-safety -Wthread-safety-beta -Werror=thread-safety -Werror=thread-safety-beta>)
endif()

if(TARN_SANITIZE)
  add_compile_options(-fsanitize=${TARN_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${TARN_SANITIZE})
  if(TARN_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # fences are not modelled by TSan; the code never relies on one alone
  endif()
endif()
