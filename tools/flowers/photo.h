// One photo: composition, light, lens and sensor.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/flowers/species.h"

namespace gan::flowers {

inline constexpr int kPhotoSize = 128;

struct Photo {
  int label = 0;             // the species
  std::vector<uint8_t> rgb;  // kPhotoSize x kPhotoSize x 3, rows from the top
};

// The species of photo `index`: every ten photos in a row show all ten species.
Species species_of(uint64_t seed, uint64_t index);

// Takes photo `index` of the set `seed`. Depends on nothing else; safe to call from many threads.
Photo take_photo(uint64_t seed, uint64_t index);

}  // namespace gan::flowers
