// Turning photos the right way up.
#pragma once

#include "train/photo/photo.h"

namespace gan {

// The photo as it should be looked at. `orientation` is EXIF's (2.3, tag 0x0112): which corner of
// the scene the first pixel of the file shows, and along which side the first row runs. 1 nothing to
// do, 2 mirrored, 3 upside down, 4 both, 5 transposed, 6 to be turned right, 7 transposed along the
// other diagonal, 8 to be turned left.
Photo upright(Photo photo, int orientation);

}  // namespace gan
