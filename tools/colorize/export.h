// Weights for other programs, and smaller ones.
#pragma once

#include <string>

namespace gan {

// Writes the generator in the weights file `from` to `to`, with all that the file says about itself.
// With `half`, the numbers of its convolutions as float16 (batch norm's few stay float32). Throws
// UsageError when `to` exists and `replace` is false, DataError when `from` holds no generator or `to`
// cannot be written.
void export_weights(const std::string& from, const std::string& to, bool half, bool replace);

}  // namespace gan
