# Writes version.h with the commit of the sources, for --version and for results. Run by every build; the file
# changes, and what includes it is compiled again, only when the commit does or the tree becomes dirty or clean.
#   cmake -DSOURCE=DIR -DVERSION=1.2.3 -DGIT=PROGRAM -DHEADER=FILE -P version.cmake
if(GIT)
  execute_process(COMMAND ${GIT} describe --always --dirty
    WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(commit)
    set(commit " (${commit})")
  endif()
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/version.h.in ${HEADER} @ONLY)
