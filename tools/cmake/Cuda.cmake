# nvcc, where it is wanted: GAN_HAS_NVCC, and the language CUDA for all folders.

set(GAN_CUDA OFF CACHE STRING "Build the kernels for NVIDIA GPUs: ON, OFF, or AUTO: where nvcc is found")
set(GAN_CUDNN_ROOT "" CACHE PATH "Folder that holds cuDNN's include and lib, such as nvidia/cudnn of a Python wheel")
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

  # cuDNN 9 is a part of the toolkit's folder, of the system, or a folder of its own; a wheel has no
  # libcudnn.so without a number.
  find_path(CUDNN_INCLUDE_DIR cudnn.h
            HINTS ${GAN_CUDNN_ROOT} ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES} PATH_SUFFIXES include)
  find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9
               HINTS ${GAN_CUDNN_ROOT} ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES}
               PATH_SUFFIXES lib lib64)
  if(CUDNN_INCLUDE_DIR AND CUDNN_LIBRARY AND EXISTS ${CUDNN_INCLUDE_DIR}/cudnn_version.h)
    file(STRINGS ${CUDNN_INCLUDE_DIR}/cudnn_version.h cudnn_major REGEX "define CUDNN_MAJOR")
    if(cudnn_major MATCHES "MAJOR 9")
      set(GAN_HAS_CUDNN ON)
      add_library(cudnn UNKNOWN IMPORTED GLOBAL)
      set_target_properties(cudnn PROPERTIES IMPORTED_LOCATION ${CUDNN_LIBRARY}
                            INTERFACE_INCLUDE_DIRECTORIES ${CUDNN_INCLUDE_DIR})
    endif()
  endif()
endif()
