// Text within HTML and SVG.
#pragma once

#include <string>
#include <string_view>

namespace gan {

// As it may stand between tags and within quotes. What is no UTF-8 is left to the browser, which
// shows a sign for it.
inline std::string escaped(std::string_view text) {
  std::string safe;
  for (char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

}  // namespace gan
