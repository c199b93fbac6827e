# Text files as strings of a C++ program. Included, it offers gan_embed_text(); as a script (cmake -P) it
# writes the C++ file.

# gan_embed_text(OUTPUT NAMESPACE FILES...): makes OUTPUT, a C++ file that defines a constant for each
# file: page.html becomes NAMESPACE::kPageHtml.
function(gan_embed_text output namespace)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
  list(JOIN files "|" joined)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -D OUTPUT=${output} -D NAMESPACE=${namespace} "-D" "FILES=${joined}"
            -P ${CMAKE_SOURCE_DIR}/tools/cmake/EmbedText.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/tools/cmake/EmbedText.cmake
    COMMENT "Embedding ${ARGN}" VERBATIM)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  string(REPLACE "|" ";" FILES "${FILES}")
  set(code "// Made by CMake.\nnamespace ${NAMESPACE} {\n")
  foreach(path IN LISTS FILES)
    get_filename_component(name ${path} NAME)
    string(REGEX MATCHALL "[a-zA-Z0-9]+" words ${name})
    set(constant k)
    foreach(word IN LISTS words)
      string(SUBSTRING ${word} 0 1 first)
      string(SUBSTRING ${word} 1 -1 rest)
      string(TOUPPER ${first} first)
      string(APPEND constant ${first}${rest})
    endforeach()
    file(READ ${path} text)
    string(APPEND code "extern const char* const ${constant};\n"
           "const char* const ${constant} = R\"embedded(${text})embedded\";\n")
  endforeach()
  string(APPEND code "}\n")
  file(WRITE ${OUTPUT} "${code}")
endif()
