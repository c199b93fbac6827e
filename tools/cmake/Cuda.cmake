# nvcc, where it is wanted: GAN_HAS_NVCC, and the language CUDA for all folders.

set(GAN_CUDA OFF CACHE STRING "Build the kernels for NVIDIA GPUs: ON, OFF, or AUTO: where nvcc is found")
set(GAN_CUDNN_ROOT "" CACHE PATH "Folder that holds cuDNN's include and lib, such as nvidia/cudnn of a Python wheel; cuBLAS may lie beside it")
set(GAN_HAS_NVCC OFF)
set(GAN_HAS_CUDNN OFF)
if(GAN_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(GAN_HAS_NVCC ON)
  elseif(NOT GAN_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "GAN_CUDA is ON, but there is no nvcc: install the CUDA toolkit, or set CUDACXX")
  endif()
endif()
if(GAN_HAS_NVCC)
  # Machine code for every generation since Ampere, and PTX of the oldest and the newest for those
  # between and to come.
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 86-real 89-real 90a-real 120)
  endif()
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    # CMake before 3.26 does not know that nvcc has C++20.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  endif()

  # cuDNN 9 and cuBLAS are parts of the toolkit's folder, of the system, or of wheels, which keep them
  # apart and have no libcudnn.so without a number.
  string(REGEX MATCH "^[0-9]+" cuda_major "${CMAKE_CUDA_COMPILER_VERSION}")
  set(wheels ${GAN_CUDNN_ROOT} ${GAN_CUDNN_ROOT}/../cu${cuda_major} ${GAN_CUDNN_ROOT}/../cublas)
  function(gan_cuda_library name header)
    string(TOUPPER ${name} prefix)
    find_path(${prefix}_INCLUDE_DIR ${header}
              HINTS ${wheels} ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES} PATH_SUFFIXES include)
    find_library(${prefix}_LIBRARY NAMES ${name} ${ARGN}
                 HINTS ${wheels} ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES} PATH_SUFFIXES lib lib64)
    if(${prefix}_INCLUDE_DIR AND ${prefix}_LIBRARY)
      add_library(${name} UNKNOWN IMPORTED GLOBAL)
      set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${${prefix}_LIBRARY}
                            INTERFACE_INCLUDE_DIRECTORIES ${${prefix}_INCLUDE_DIR})
    endif()
  endfunction()
  gan_cuda_library(cudnn cudnn.h libcudnn.so.9)
  gan_cuda_library(cublas cublas_v2.h libcublas.so.13 libcublas.so.12)
  if(TARGET cudnn AND TARGET cublas AND EXISTS ${CUDNN_INCLUDE_DIR}/cudnn_version.h)
    file(STRINGS ${CUDNN_INCLUDE_DIR}/cudnn_version.h cudnn_major REGEX "define CUDNN_MAJOR")
    if(cudnn_major MATCHES "MAJOR 9")
      set(GAN_HAS_CUDNN ON)
    endif()
  endif()
endif()
