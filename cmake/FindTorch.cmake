# LibTorch as imported targets, without the wheel's own TorchConfig (slow, needs nvcc, and stops under CMake 3.25).
#
#   Torch::cpu    libtorch_cpu and libc10
#   Torch::cuda   libtorch_cuda and libc10_cuda (only with M2MKD_CUDA)
#
# TORCH_ROOT is the folder that holds include/ and lib/: the `torch` folder of a Python wheel, or an unpacked LibTorch zip.
set(TORCH_ROOT "" CACHE PATH "Folder with LibTorch's include/ and lib/")
find_path(TORCH_INCLUDE_DIR ATen/ATen.h
          HINTS ${TORCH_ROOT} ENV TORCH_ROOT ${PROJECT_SOURCE_DIR}/build/deps/torch/torch
          PATH_SUFFIXES include NO_DEFAULT_PATH)
find_path(TORCH_INCLUDE_DIR ATen/ATen.h PATH_SUFFIXES include)
get_filename_component(torch_prefix "${TORCH_INCLUDE_DIR}" DIRECTORY)
set(torch_libraries c10 torch_cpu)
if(M2MKD_CUDA)
  list(APPEND torch_libraries c10_cuda torch_cuda)
endif()
set(torch_required TORCH_INCLUDE_DIR)
foreach(name IN LISTS torch_libraries)
  find_library(TORCH_${name}_LIBRARY ${name} HINTS ${torch_prefix}/lib NO_DEFAULT_PATH)
  list(APPEND torch_required TORCH_${name}_LIBRARY)
endforeach()

if(TORCH_INCLUDE_DIR)
  foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)  # new and old place
    if(EXISTS ${TORCH_INCLUDE_DIR}/${header} AND NOT torch_version_lines)
      file(STRINGS ${TORCH_INCLUDE_DIR}/${header} torch_version_lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
    endif()
  endforeach()
  string(REGEX REPLACE "[^0-9;]" "" torch_version_lines "${torch_version_lines}")
  list(JOIN torch_version_lines "." Torch_VERSION)
  # Wheels before 2.7 were built with the old C++ ABI and cannot be linked with the system's Boost and spdlog.
  if(Torch_VERSION VERSION_LESS 2.7)
    message(FATAL_ERROR "LibTorch ${Torch_VERSION} in ${torch_prefix} is too old: 2.7 or newer is needed "
                        "(older builds use the old C++ ABI; the optimizer and grouped GEMM are missing). Set TORCH_ROOT.")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Torch REQUIRED_VARS ${torch_required} VERSION_VAR Torch_VERSION
  REASON_FAILURE_MESSAGE "Set TORCH_ROOT to LibTorch, or run cmake/setup.sh, which installs the wheel into build/deps")

if(Torch_FOUND AND NOT TARGET Torch::cpu)
  add_library(Torch::cpu INTERFACE IMPORTED)
  target_include_directories(Torch::cpu SYSTEM INTERFACE ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
  # The wheel is built with NDEBUG, and some of its classes have another layout without.
  target_compile_definitions(Torch::cpu INTERFACE NDEBUG)
  # The libraries are registered by static initialisers, so they must stay linked even where no symbol is called.
  target_link_libraries(Torch::cpu INTERFACE ${TORCH_torch_cpu_LIBRARY} ${TORCH_c10_LIBRARY} Threads::Threads)
  target_link_options(Torch::cpu INTERFACE -Wl,-rpath,${torch_prefix}/lib)
  # The wheel's libraries find libcudart and libcupti by their own RPATH at run time; the linker need not.
  target_link_options(Torch::cpu INTERFACE -Wl,--allow-shlib-undefined)
  if(M2MKD_CUDA)
    add_library(Torch::cuda INTERFACE IMPORTED)
    target_link_libraries(Torch::cuda INTERFACE -Wl,--no-as-needed ${TORCH_torch_cuda_LIBRARY}
                                                ${TORCH_c10_cuda_LIBRARY} -Wl,--as-needed Torch::cpu)
  endif()
endif()
