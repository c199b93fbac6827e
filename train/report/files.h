// The page's parts as they lie beside this file, put into the program by CMake.
#pragma once

namespace gan::report_files {

extern const char* const kPageHtml;  // page.html
extern const char* const kStyleCss;  // style.css
extern const char* const kPageJs;    // page.js

}  // namespace gan::report_files
