# Compiler flags, and gan_library(): one static library per folder.

set(options -Wall -Wextra)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND options -Wno-restrict)  # GCC 12 sees overlaps in string concatenation that are none
endif()
if(GAN_WERROR)
  list(APPEND options -Werror)
endif()
# Sums keep the order in which they are written, so results do not depend on the optimiser; what is
# fast without that is allowed (errno is never read after math functions).
list(APPEND options -fno-math-errno -fno-trapping-math)
# nvcc passes them on to the host compiler, and has its own way to refuse warnings.
string(REPLACE ";" "," host_options "${options}")
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${options}>" "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_options}>")
if(GAN_WERROR)
  add_compile_options($<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
endif()

if(GAN_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "GAN_FUZZ needs clang: configure with -DCMAKE_CXX_COMPILER=clang++")
  endif()
  set(GAN_SANITIZE address)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

if(GAN_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=address,undefined)
elseif(GAN_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -g)
  add_link_options(-fsanitize=thread)
elseif(NOT GAN_SANITIZE STREQUAL "")
  message(FATAL_ERROR "GAN_SANITIZE is '${GAN_SANITIZE}'; use address or thread, or leave it empty")
endif()

# gan_library(NAME SOURCES... LINK LIBRARIES...)
function(gan_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()
