# nvcc, where it is wanted: GAN_HAS_NVCC, and the language CUDA for all folders.

set(GAN_CUDA OFF CACHE STRING "Build the kernels for NVIDIA GPUs: ON, OFF, or AUTO: where nvcc is found")
set(GAN_HAS_NVCC OFF)
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
endif()
