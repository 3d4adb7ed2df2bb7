# A room is one static library made of src/<room>/*.cpp (and src/<room>/{cuda,cpu}/*.cpp: absent features are absent files).
#
#   m2mkd_room(<name> [TORCH] LINK <public libraries> PRIVATE <private libraries>)

add_library(m2mkd_options INTERFACE)
target_include_directories(m2mkd_options INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_options(m2mkd_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow=local -Wnon-virtual-dtor -Woverloaded-virtual)
if(M2MKD_WERROR)
  target_compile_options(m2mkd_options INTERFACE -Werror)
endif()

# One precompiled <ATen/ATen.h> serves every room that computes with tensors.
if(NOT EXISTS ${PROJECT_BINARY_DIR}/aten_pch.cpp)  # written anew it would be compiled anew
  file(WRITE ${PROJECT_BINARY_DIR}/aten_pch.cpp "")
endif()
add_library(m2mkd_aten OBJECT ${PROJECT_BINARY_DIR}/aten_pch.cpp)
target_link_libraries(m2mkd_aten PUBLIC m2mkd_options Torch::cpu fmt::fmt spdlog::spdlog)
target_precompile_headers(m2mkd_aten PRIVATE <ATen/ATen.h> <fmt/format.h> <functional> <map> <memory> <optional>
                          <span> <string> <vector>)

if(M2MKD_CUDA)
  set(m2mkd_device cuda)
else()
  set(m2mkd_device cpu)
endif()

# Files of one room are compiled eight at a time: most of a file's seconds go into the headers that all of them include. Names in anonymous
# namespaces of a room therefore differ; -DM2MKD_UNITY=OFF compiles every file alone, which shows an include that is missing.
function(m2mkd_unite target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${M2MKD_UNITY} UNITY_BUILD_BATCH_SIZE 8)
endfunction()

function(m2mkd_room name)
  cmake_parse_arguments(ROOM "TORCH" "" "FOLDERS;LINK;PRIVATE" ${ARGN})
  set(patterns ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  foreach(folder ${m2mkd_device} ${ROOM_FOLDERS})
    list(APPEND patterns ${PROJECT_SOURCE_DIR}/src/${name}/${folder}/*.cpp)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  set(target m2mkd_${name})
  add_library(${target} STATIC ${sources})
  m2mkd_unite(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src/${name})
  target_link_libraries(${target} PUBLIC m2mkd_options ${ROOM_LINK} PRIVATE ${ROOM_PRIVATE})
  if(ROOM_TORCH)
    target_link_libraries(${target} PUBLIC Torch::cpu spdlog::spdlog)
    target_precompile_headers(${target} REUSE_FROM m2mkd_aten)
  endif()
endfunction()
