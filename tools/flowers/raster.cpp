#include "tools/flowers/raster.h"

namespace gan::flowers {

View view_from(Vec3 toward, float reach, int size) {
  const Frame frame = frame_along(toward, {}, 1);
  return {frame.x, frame.y, frame.z, reach, size};
}

Vec3 corner_weights(Vec3 a, Vec3 b, Vec3 c, float x, float y) {
  const float area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
  if (std::fabs(area) < 1e-9f) return {1, 0, 0};
  const float wb = ((x - a.x) * (c.y - a.y) - (y - a.y) * (c.x - a.x)) / area;
  const float wc = ((b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x)) / area;
  return {1 - wb - wc, wb, wc};
}

void draw(const Scene& scene, const View& view, bool shadow_map, Visibility& out) {
  const int size = view.size;
  const auto pixels = static_cast<size_t>(size) * static_cast<size_t>(size);
  out.view = view;
  out.nearness.assign(pixels, kFar);
  if (shadow_map) {
    out.triangle.clear();
  } else {
    out.triangle.assign(pixels, kNothing);
  }
  out.projected.resize(scene.vertices.size());
  for (size_t k = 0; k < scene.vertices.size(); ++k) {
    out.projected[k] = view.project(scene.vertices[k].position);
  }
  for (size_t k = 0; k < scene.triangles.size(); ++k) {
    const Triangle& triangle = scene.triangles[k];
    const Vec3 a = out.projected[triangle.a];
    const Vec3 b = out.projected[triangle.b];
    const Vec3 c = out.projected[triangle.c];
    // Pixel centres lie at half positions.
    const int x0 = std::max(floor_int(std::min({a.x, b.x, c.x}) + 0.5f), 0);
    const int x1 = std::min(floor_int(std::max({a.x, b.x, c.x}) - 0.5f), size - 1);
    const int y0 = std::max(floor_int(std::min({a.y, b.y, c.y}) + 0.5f), 0);
    const int y1 = std::min(floor_int(std::max({a.y, b.y, c.y}) - 0.5f), size - 1);
    if (x0 > x1 || y0 > y1) continue;
    // Most triangles are so small that they hold no pixel centre and end above.
    const float area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
    if (std::fabs(area) < 1e-6f) continue;
    const float inverse = 1 / area;
    const float dbx = (c.y - a.y) * inverse, dby = -(c.x - a.x) * inverse;
    const float dcx = -(b.y - a.y) * inverse, dcy = (b.x - a.x) * inverse;
    for (int y = y0; y <= y1; ++y) {
      const float py = static_cast<float>(y) + 0.5f - a.y;
      for (int x = x0; x <= x1; ++x) {
        const float px = static_cast<float>(x) + 0.5f - a.x;
        const float wb = px * dbx + py * dby;
        const float wc = px * dcx + py * dcy;
        // A hair outside counts as inside, or neighbours would leave pinholes between them.
        if (wb < -1e-4f || wc < -1e-4f || wb + wc > 1.0001f) continue;
        const float near = a.z + wb * (b.z - a.z) + wc * (c.z - a.z);
        const size_t at =
            static_cast<size_t>(y) * static_cast<size_t>(size) + static_cast<size_t>(x);
        if (near <= out.nearness[at]) continue;
        out.nearness[at] = near;
        if (!shadow_map) out.triangle[at] = static_cast<uint32_t>(k);
      }
    }
  }
}

float sunlight(const Visibility& map, Vec3 p, float bias) {
  const Vec3 q = map.view.project(p);
  const int size = map.view.size;
  // Four blended lookups at the corners of a small square soften the border.
  constexpr float kSpread = 0.9f;
  float lit = 0;
  for (int tap = 0; tap < 4; ++tap) {
    const float x = q.x - 0.5f + ((tap & 1) ? kSpread : -kSpread);
    const float y = q.y - 0.5f + ((tap & 2) ? kSpread : -kSpread);
    const int ix = floor_int(x), iy = floor_int(y);
    if (ix < 0 || iy < 0 || ix >= size - 1 || iy >= size - 1) {
      lit += 1;
      continue;
    }
    const float* row = map.nearness.data() + static_cast<size_t>(iy * size + ix);
    const float tx = x - static_cast<float>(ix), ty = y - static_cast<float>(iy);
    const float* next = row + size;
    const float limit = q.z + bias;
    const float upper = mix(row[0] < limit ? 1.0f : 0.0f, row[1] < limit ? 1.0f : 0.0f, tx);
    const float lower = mix(next[0] < limit ? 1.0f : 0.0f, next[1] < limit ? 1.0f : 0.0f, tx);
    lit += mix(upper, lower, ty);
  }
  // Plants reach beyond the map: their shadows fade towards its border instead of being cut off.
  const float half = 0.5f * static_cast<float>(size);
  const float border = std::max(std::fabs(q.x - half), std::fabs(q.y - half)) / half;
  return mix(0.25f * lit, 1.0f, smoothstep(0.7f, 0.95f, border));
}

}  // namespace gan::flowers
