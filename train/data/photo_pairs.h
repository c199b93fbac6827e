// The original's arrangement of photos: the same names in color/ and in gray/.
#pragma once

#include <filesystem>

#include "train/data/dataset.h"

namespace gan {

// Throws UsageError when `folder` holds a color/ or a gray/ already.
void require_no_pairs(const std::filesystem::path& folder);

// Writes every photo as a PNG file to color/, and to gray/ its luma in three equal channels. The sub-
// folders of the photos' names stay; of photos that would share a name the later ones get a number:
// rose.png, rose-2.png. Throws DataError when something cannot be written; files are whole or not there.
void write_photo_pairs(const std::filesystem::path& folder, const PhotoSet& photos);

}  // namespace gan
