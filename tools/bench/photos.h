// Input for benchmarks.
#pragma once

#include "engine/arena.h"
#include "engine/random.h"

namespace gan::bench {

// `count` pictures of random values in 0..1, in the device's memory.
inline Tensor random_photos(Arena& arena, int64_t count, int64_t size, uint64_t seed,
                            DType dtype = DType::f32) {
  const Tensor photos = arena.allocate({count, size, size, 3}, dtype);
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(photos.elements()));
  for (float& x : values) x = random.uniform();
  from_host(arena.memory(), photos, values.data());
  return photos;
}

}  // namespace gan::bench
