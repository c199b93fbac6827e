// What lies behind the flowers.
#pragma once

#include "tools/flowers/shade.h"

namespace gan::flowers {

enum class Backdrop : uint8_t { foliage, sky, soil, grass };

// The plane the plants stand on: points p with dot(light.up, p) = -depth.
struct Ground {
  float depth = 1;
};

// Paints a whole layer of `size` pixels. Soil and grass take the plants' shadows.
void paint_backdrop(Backdrop kind, const Light& light, const Ground& ground,
                    const Visibility& shadow_map, int size, Rng& rng, Layer& out);

// Adds blades of grass that stand on the ground all over the view.
void add_grass(const Light& light, const Ground& ground, int count, Rng& rng, Scene& scene);

}  // namespace gan::flowers
