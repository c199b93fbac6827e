// What a file holds, judged by its bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gan {

// A name for people: "JPEG", "PNG", "BMP", "TGA", "HEIC", "text", "an empty file", ...
std::string describe_content(const std::vector<uint8_t>& content);

// stb fills what is missing from a file with gray or zeros and says nothing. This finds what is
// wrong first: an empty answer when the JPEG, PNG, BMP, TGA or GIF is structurally complete (a GIF's
// first frame), otherwise what is wrong, as in "cut off before its end". Also refuses JPEG tables
// that are too large for stb.
std::string find_damage(const std::vector<uint8_t>& content);

}  // namespace gan
