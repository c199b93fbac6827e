// From visible triangles to light: textures, sun, sky, shadows.
#pragma once

#include <vector>

#include "tools/flowers/raster.h"

namespace gan::flowers {

// The light of one picture, linear.
struct Light {
  Vec3 sun_direction{0.4f, 0.7f, 0.6f};  // towards the sun
  Vec3 sun{2.0f, 1.9f, 1.7f};
  Vec3 sky{0.45f, 0.5f, 0.6f};      // from above
  Vec3 bounce{0.2f, 0.22f, 0.12f};  // from below
  Vec3 up{0, 1, 0};                 // of the world, in camera coordinates
};

// A square picture in linear light with coverage; colours are already weighted by coverage.
struct Layer {
  int size = 0;
  std::vector<Vec3> colour;
  std::vector<float> cover;

  void reset(int new_size);
};

// Shades every pixel that sees something. `shadow_map` must have been drawn from
// light.sun_direction.
void shade(const Scene& scene, const Visibility& seen, const Visibility& shadow_map,
           const Light& light, Layer& out);

// Repeated box blur, near a Gaussian; `radius` in pixels, 0 leaves the layer as it is.
void blur(Layer& layer, int radius);

// Half the size, each pixel a smooth average of 4x4.
void halve(const Layer& large, Layer& out);

// Lays `front` over `back`.
void lay_over(const Layer& front, Layer& back);

}  // namespace gan::flowers
