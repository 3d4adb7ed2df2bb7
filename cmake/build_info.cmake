# The facts of m2mkd/base/build_info.hpp, asked at build time: a commit must not leave a stale hash
# in the binary. configure_file() writes only when the text changes, so an ordinary build compiles
# nothing here.
#
# Included by CMakeLists.txt, this file adds the target; run as a script (cmake -P) by that target,
# it writes the source.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  find_package(Git QUIET)
  set(build_info_source ${PROJECT_BINARY_DIR}/generated/build_info.cpp)
  add_custom_target(
    m2mkd_build_info
    COMMAND ${CMAKE_COMMAND} -DGIT=${GIT_EXECUTABLE} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DOUTPUT=${build_info_source}
            -DBUILD_VERSION=${PROJECT_VERSION} "-DBUILD_COMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
            -DBUILD_TYPE=${CMAKE_BUILD_TYPE} -DBUILD_CUDA=$<IF:$<BOOL:${M2MKD_CUDA}>,true,false>
            -P ${CMAKE_CURRENT_LIST_FILE}
    BYPRODUCTS ${build_info_source}
    COMMENT "Asking git for the commit"
    VERBATIM)
  target_sources(m2mkd_base PRIVATE ${build_info_source})
  add_dependencies(m2mkd_base m2mkd_build_info)
  return()
endif()

set(BUILD_GIT unknown)
if(GIT)
  # An unpacked archive inside somebody else's checkout is not a checkout of this project.
  execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} rev-parse --show-toplevel
                  OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(REAL_PATH ${SOURCE_DIR} source)
  if(top STREQUAL source)
    execute_process(COMMAND ${GIT} --no-optional-locks -C ${SOURCE_DIR} describe --always --dirty --abbrev=40 --exclude *
                    RESULT_VARIABLE failed OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT failed)
      set(BUILD_GIT ${described})
    endif()
  endif()
endif()
configure_file(${SOURCE_DIR}/src/base/build_info.cpp.in ${OUTPUT} @ONLY)
