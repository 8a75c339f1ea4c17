# The library target `tarn`, assembled from the object libraries of all layers.
# The layers themselves stay out of the export: what a user links is `tarn` and what is PUBLIC here.
# I1 Every header under */include/tarn is installed (scripts/check_includes: and compiles on its own).
get_property(tarn_layers GLOBAL PROPERTY TARN_LAYERS)

# Headers are the one place with a glob: the rule is that everything in these two folders is installed.
file(GLOB_RECURSE tarn_headers CONFIGURE_DEPENDS
     "${PROJECT_SOURCE_DIR}/runtime/include/tarn/*.h" "${PROJECT_SOURCE_DIR}/gc/include/tarn/*.h")

add_library(tarn STATIC)
add_library(tarn::tarn ALIAS tarn)
foreach(layer IN LISTS tarn_layers)
  target_sources(tarn PRIVATE $<TARGET_OBJECTS:${layer}>)
endforeach()
target_sources(tarn PUBLIC FILE_SET HEADERS
  BASE_DIRS "${PROJECT_SOURCE_DIR}/runtime/include" "${PROJECT_SOURCE_DIR}/gc/include"
  FILES ${tarn_headers})
target_compile_features(tarn PUBLIC cxx_std_20)
target_link_libraries(tarn PUBLIC absl::status absl::statusor absl::span absl::time
                      Threads::Threads)
set_target_properties(tarn PROPERTIES LINKER_LANGUAGE CXX)
