#include "tools/flowers/noise.h"

namespace gan::flowers {

float noise(float x, float y) {
  const int32_t ix = floor_int(x), iy = floor_int(y);
  float tx = x - static_cast<float>(ix), ty = y - static_cast<float>(iy);
  tx = tx * tx * (3.0f - 2.0f * tx);
  ty = ty * ty * (3.0f - 2.0f * ty);
  const float top = mix(lattice(ix, iy), lattice(ix + 1, iy), tx);
  const float bottom = mix(lattice(ix, iy + 1), lattice(ix + 1, iy + 1), tx);
  return mix(top, bottom, ty);
}

float fbm(float x, float y, int octaves) {
  float sum = 0, weight = 0.5f, total = 0;
  for (int k = 0; k < octaves; ++k) {
    sum += weight * noise(x, y);
    total += weight;
    weight *= 0.5f;
    // Turning each octave hides the axes of the lattice.
    const float turned = 1.6f * x - 1.2f * y + 17.3f;
    y = 1.2f * x + 1.6f * y + 5.1f;
    x = turned;
  }
  return sum / total;
}

float cells(float x, float y, float* id) {
  const int32_t ix = floor_int(x), iy = floor_int(y);
  const float tx = x - static_cast<float>(ix), ty = y - static_cast<float>(iy);
  float best = 9.0f;
  for (int32_t dy = -1; dy <= 1; ++dy) {
    for (int32_t dx = -1; dx <= 1; ++dx) {
      const float value = lattice(ix + dx, iy + dy);
      const float other = lattice(iy + dy + 911, ix + dx - 373);
      const float ox = static_cast<float>(dx) + value - tx;
      const float oy = static_cast<float>(dy) + other - ty;
      const float distance = ox * ox + oy * oy;
      if (distance < best) {
        best = distance;
        *id = lattice(ix + dx + 57, iy + dy + 131);
      }
    }
  }
  return std::sqrt(best);
}

}  // namespace gan::flowers
