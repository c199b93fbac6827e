// A photo set in one file: decoded once, read in an instant, easy to carry to another machine.
#pragma once

#include <filesystem>

#include "train/data/dataset.h"

namespace gan {

// Packs are safetensors files (model/tensor_file.h):
//   pixels       U8 {N, size, size, 3}  as PhotoSet::pixels
//   hashes       U64 {N}                content_hash of the files: the split is the folder's
//   short_sides  I32 {N}                of the photos before they were resized
//   names, bad   U8 {bytes}             texts, each ended by a 0 byte; of every bad file its path, its
//                                       reason, and its BadKind as a digit
// and as metadata pack_version, found, ignored, and pixels_hash, the content_hash of the pixels.

// The file is there whole or not at all. Throws DataError when it cannot be written.
void write_photo_pack(const std::filesystem::path& path, const Collection& photos);

// What collect_photos found when the pack was made. Trusts nothing: whatever does not fit together, or
// holds other pixels than were written, is a DataError, and so are photos of another size.
Collection read_photo_pack(const std::filesystem::path& path, int size);

}  // namespace gan
