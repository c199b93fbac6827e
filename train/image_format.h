// What a file holds, judged by its bytes. Used by decode_photo.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gan {

// A name for people: "JPEG", "PNG", "BMP", "HEIC", "text", "an empty file", ...
std::string describe_content(const std::vector<uint8_t>& content);

// The decoder fills what is missing from a file with gray or zeros and says nothing. This finds what
// is wrong first: an empty answer when the JPEG, PNG or BMP is structurally complete, otherwise
// what is wrong, as in "cut off before its end". Also refuses JPEG tables that are too large for
// the decoder.
std::string find_damage(const std::vector<uint8_t>& content);

}  // namespace gan
