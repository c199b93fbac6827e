# Compiler flags, and gan_library(): one static library per folder.

add_compile_options(-Wall -Wextra)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  add_compile_options(-Wno-restrict)  # GCC 12 sees overlaps in string concatenation that are none
endif()
if(GAN_WERROR)
  add_compile_options(-Werror)
endif()
# Sums keep the order in which they are written, so results do not depend on the optimiser; what is
# fast without that is allowed (errno is never read after math functions).
add_compile_options(-fno-math-errno -fno-trapping-math)

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
