# Build options and the compile flags that every tarn target shares (PRIVATE: nothing is exported).
option(TARN_BUILD_TESTS "Build the tests" ON)
option(TARN_BUILD_EXAMPLES "Build the examples" ON)
option(TARN_BUILD_BENCH "Build the benchmarks" ON)
option(TARN_ASSERTS "Enable TARN_ASSERT checks (always on in Debug)" OFF)
set(TARN_SANITIZE "" CACHE STRING "Sanitizers: empty, 'address,undefined' or 'thread'")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_package(absl REQUIRED)
find_package(Threads REQUIRED)

add_library(tarn_flags INTERFACE)
target_compile_options(tarn_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       -fno-strict-aliasing)
target_include_directories(tarn_flags INTERFACE
  "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/runtime/include" "${CMAKE_SOURCE_DIR}/gc/include")
if(TARN_ASSERTS OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(tarn_flags INTERFACE TARN_ASSERTS_ENABLED=1)
else()
  target_compile_definitions(tarn_flags INTERFACE TARN_ASSERTS_ENABLED=0)
endif()
if(TARN_SANITIZE)
  add_compile_options(-fsanitize=${TARN_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${TARN_SANITIZE})
endif()
