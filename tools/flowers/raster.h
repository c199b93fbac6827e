// Visibility: which triangle each pixel sees, from the camera or from the sun.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/flowers/scene.h"

namespace gan::flowers {

inline constexpr uint32_t kNothing = UINT32_MAX;
inline constexpr float kFar = -1e9f;

// A square view along -z without perspective: points with |x|, |y| <= reach are seen.
struct View {
  Vec3 right{1, 0, 0}, up{0, 1, 0}, toward{0, 0, 1};
  float reach = 1;
  int size = 0;

  // Pixel coordinates in x and y, nearness (larger is closer) in z.
  Vec3 project(Vec3 p) const {
    const float scale = 0.5f * static_cast<float>(size);
    return {scale * (1 + dot(p, right) / reach), scale * (1 - dot(p, up) / reach), dot(p, toward)};
  }
};

// What a view sees at each pixel, in rows from the top.
struct Visibility {
  View view;
  std::vector<Vec3> projected;     // every vertex in pixel coordinates
  std::vector<float> nearness;     // kFar where nothing is
  std::vector<uint32_t> triangle;  // kNothing where nothing is; empty for shadow maps
};

// A view from the direction `toward` (unit length).
View view_from(Vec3 toward, float reach, int size);

// Draws the scene. With `shadow_map` only the nearness is kept.
void draw(const Scene& scene, const View& view, bool shadow_map, Visibility& out);

// Weights of a triangle's three corners at pixel position (x, y).
Vec3 corner_weights(Vec3 a, Vec3 b, Vec3 c, float x, float y);

// How much sunlight reaches point `p`: 1 all, 0 none, soft at the border of a shadow.
float sunlight(const Visibility& shadow_map, Vec3 p, float bias);

}  // namespace gan::flowers
