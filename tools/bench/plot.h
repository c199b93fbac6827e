// Results as a picture.
#pragma once

#include <string>

namespace gan::bench {

// A roofline: how near to what the machine can do each operation comes. `json`: what write_json()
// wrote, with rows of the level op. Throws DataError when there are none, or the file is no such thing.
std::string roofline_svg(const std::string& json);

}  // namespace gan::bench
