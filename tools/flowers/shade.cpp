#include "tools/flowers/shade.h"

#include <array>

namespace gan::flowers {

void Layer::reset(int new_size) {
  size = new_size;
  const auto pixels = static_cast<size_t>(size) * static_cast<size_t>(size);
  colour.assign(pixels, {});
  cover.assign(pixels, 0);
}

namespace {

struct Texel {
  Vec3 colour;
  float slope = 0;  // sideways tilt of the surface from veins and grain
};

Texel petal_texel(const Part& part, float u, float v) {
  Vec3 colour = mix(part.base, part.middle, smoothstep(0.0f, 0.45f, u));
  colour = mix(colour, part.tip, smoothstep(0.45f, 1.0f, u));
  const float rim = std::max(std::fabs(v), u * u);
  colour = mix(colour, part.edge, part.edge_amount * smoothstep(0.55f, 1.0f, rim));
  // Veins fan out from the base: lines of constant v, bent by slow noise and fading at the tip.
  const float line = noise(v * part.vein_count + part.seed + 0.8f * noise(3 * u, v * 2 + part.seed),
                           u * 2.5f + part.seed);
  const float vein = (line - 0.5f) * part.veins * (1 - 0.5f * u);
  const float mottle = 0.10f * (noise(u * 9 + part.seed, v * 6) - 0.5f);
  colour = colour * (1 + 0.9f * vein + mottle);
  float marked = 0;
  if (part.blotch > 0) {
    const float fray = part.streaks * (noise(v * 11 + part.seed, u * 1.5f) - 0.35f);
    marked = smoothstep(part.blotch * 1.18f, part.blotch * 0.8f, u - fray);
  }
  if (part.stripe > 0) {
    marked = std::max(marked, smoothstep(part.stripe, 0.4f * part.stripe, std::fabs(v)) *
                                  smoothstep(0.95f, 0.35f, u));
  }
  if (part.spots > 0) {
    float id = 0;
    const float distance = cells(u * 13 + part.seed, v * 4.5f, &id);
    const float here = smoothstep(0.34f, 0.2f, distance) * (id < part.spots ? 1.0f : 0.0f);
    marked = std::max(
        marked, 0.85f * here * smoothstep(0.85f, 0.6f, u) * smoothstep(1.0f, 0.7f, std::fabs(v)));
  }
  return {mix(colour, part.mark, marked), 0.9f * vein};
}

Texel leaf_texel(const Part& part, float u, float v) {
  const float a = std::fabs(v);
  Vec3 colour = mix(part.base, part.tip, u);
  colour = colour * (0.82f + 0.36f * fbm(u * 7 + part.seed, v * 4, 2));
  // Side veins leave the midrib at an angle; `phase` is 0 on a vein.
  float phase = (u - 0.28f * a) * part.vein_count + part.seed;
  phase -= static_cast<float>(floor_int(phase));
  const float side =
      smoothstep(0.16f, 0.0f, std::min(phase, 1 - phase)) * smoothstep(1.0f, 0.6f, a);
  const float rib = smoothstep(0.10f, 0.02f, a) * (1 - 0.6f * u);
  colour = mix(colour, part.edge, part.veins * std::max(rib, 0.55f * side));
  return {colour, part.veins * (phase - 0.5f) * 0.7f * (v > 0 ? 1.0f : -1.0f)};
}

Texel blade_texel(const Part& part, float u, float v) {
  const float line = noise(v * part.vein_count + part.seed, u * 3 + part.seed) - 0.5f;
  const Vec3 colour = mix(part.base, part.tip, u) * (1 + part.veins * line);
  return {mix(colour, part.edge, part.edge_amount * smoothstep(0.2f, 0.0f, std::fabs(v))),
          0.5f * part.veins * line};
}

Texel grain_texel(const Part& part, float u, float v) {
  const float rough = noise(u * 6 + part.seed, v * 6 + part.seed) - 0.5f;
  return {mix(part.base, part.tip, u) * (1 + 0.5f * rough), 0};
}

Texel texel(const Part& part, float u, float v) {
  switch (part.surface) {
    case Surface::petal:
      return petal_texel(part, u, v);
    case Surface::leaf:
      return leaf_texel(part, u, v);
    case Surface::blade:
      return blade_texel(part, u, v);
    case Surface::grain:
      return grain_texel(part, u, v);
  }
  return {};
}

// Nearness averaged over a square around each cell of a coarse grid: where the surroundings are
// nearer than a pixel, the pixel lies in a hollow that the sky reaches less.
struct Surroundings {
  static constexpr int kStep = 4;
  int size = 0;
  std::vector<float> nearness;

  float at(int x, int y) const {
    // Bilinear between cell centres.
    const float fx = std::clamp((static_cast<float>(x) + 0.5f) / kStep - 0.5f, 0.0f,
                                static_cast<float>(size) - 1.001f);
    const float fy = std::clamp((static_cast<float>(y) + 0.5f) / kStep - 0.5f, 0.0f,
                                static_cast<float>(size) - 1.001f);
    const int ix = static_cast<int>(fx), iy = static_cast<int>(fy);
    const float* row = nearness.data() + static_cast<size_t>(iy * size + ix);
    const float tx = fx - static_cast<float>(ix), ty = fy - static_cast<float>(iy);
    return mix(mix(row[0], row[1], tx), mix(row[size], row[size + 1], tx), ty);
  }
};

Surroundings surroundings(const Visibility& seen, int radius) {
  Surroundings out;
  const int size = seen.view.size / Surroundings::kStep;
  out.size = size;
  std::vector<float> coarse(static_cast<size_t>(size * size));
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      float sum = 0;
      for (int k = 0; k < 4; ++k) {
        const int px = x * Surroundings::kStep + (k & 1) * 2 + 1;
        const int py = y * Surroundings::kStep + (k >> 1) * 2 + 1;
        // The empty background is far but not infinitely, or flower rims would never darken.
        sum += std::max(seen.nearness[static_cast<size_t>(py * seen.view.size + px)], -0.8f);
      }
      coarse[static_cast<size_t>(y * size + x)] = 0.25f * sum;
    }
  }
  std::vector<float> half(coarse.size());
  out.nearness.resize(coarse.size());
  const auto pass = [&](const std::vector<float>& in, std::vector<float>& result, int dx, int dy) {
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        float sum = 0;
        for (int k = -radius; k <= radius; ++k) {
          const int px = std::clamp(x + k * dx, 0, size - 1),
                    py = std::clamp(y + k * dy, 0, size - 1);
          sum += in[static_cast<size_t>(py * size + px)];
        }
        result[static_cast<size_t>(y * size + x)] = sum / static_cast<float>(2 * radius + 1);
      }
    }
  };
  pass(coarse, half, 1, 0);
  pass(half, out.nearness, 0, 1);
  return out;
}

}  // namespace

void shade(const Scene& scene, const Visibility& seen, const Visibility& shadow_map,
           const Light& light, Layer& out) {
  const int size = seen.view.size;
  out.reset(size);
  const Surroundings wide = surroundings(seen, 5), close = surroundings(seen, 1);
  const Vec3 sun_direction = normalize(light.sun_direction);
  const Vec3 eye{0, 0, 1};
  const Vec3 half_way = normalize(sun_direction + eye);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const auto at = static_cast<size_t>(y * size + x);
      const uint32_t id = seen.triangle[at];
      if (id == kNothing) continue;
      const Triangle& t = scene.triangles[id];
      const Part& part = scene.parts[t.part];
      const Vec3 w = corner_weights(seen.projected[t.a], seen.projected[t.b], seen.projected[t.c],
                                    static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f);
      const Vertex &a = scene.vertices[t.a], &b = scene.vertices[t.b], &c = scene.vertices[t.c];
      const float u = saturate(w.x * a.u + w.y * b.u + w.z * c.u);
      const float v = std::clamp(w.x * a.v + w.y * b.v + w.z * c.v, -1.0f, 1.0f);
      const Vec3 p = a.position * w.x + b.position * w.y + c.position * w.z;
      Vec3 n = normalize(a.normal * w.x + b.normal * w.y + c.normal * w.z);
      const Texel texel_here = texel(part, u, v);
      const Vec3 across = normalize(cross(n, eye) + Vec3{1e-3f, 0, 0});
      n = normalize(n + across * texel_here.slope);
      if (n.z < 0) n = -n;  // sheets are seen from both sides

      const float facing = dot(n, sun_direction);
      const float shadow = sunlight(shadow_map, p, 0.035f);
      const float hollow =
          1 - saturate(0.95f * (wide.at(x, y) - p.z)) - saturate(2.6f * (close.at(x, y) - p.z));
      const float open = std::max(hollow, 0.12f);
      const float direct = std::max(facing, 0.0f);
      // Light through the petal takes the petal's colour once more, so it glows saturated.
      const float through =
          part.translucency *
          (std::max(-facing, 0.0f) * (0.35f + 0.65f * shadow) + 0.22f * (0.3f + 0.7f * shadow));
      const float above = 0.5f + 0.5f * dot(n, light.up);
      const Vec3 ambient = mix(light.bounce, light.sky, above) * open;
      const Vec3& colour = texel_here.colour;
      const float brightest = std::max({colour.x, colour.y, colour.z, 1e-3f});
      const Vec3 tint = mix(Vec3{1, 1, 1}, colour * (1 / brightest), 0.7f);
      const Vec3 received = light.sun * (direct * shadow * (0.45f + 0.55f * open)) + ambient +
                            light.sun * tint * (through * (0.3f + 0.7f * open));
      const float shine = std::max(dot(n, half_way), 0.0f);
      const float shine4 = shine * shine * shine * shine;
      const float sheen = part.gloss * (0.55f * shine4 * shine4 * shine4 * shadow +
                                        0.25f * (1 - n.z) * (1 - n.z) * open);
      out.colour[at] = colour * received + light.sun * sheen;
      out.cover[at] = 1;
    }
  }
}

namespace {

// One box pass along rows, written transposed: two calls blur both ways and restore the order.
void box_transposed(const Layer& in, int radius, Layer& out) {
  const int size = in.size;
  const float scale = 1 / static_cast<float>(2 * radius + 1);
  for (int y = 0; y < size; ++y) {
    const auto row = static_cast<size_t>(y * size);
    Vec3 colour;
    float cover = 0;
    const auto clamp = [&](int x) { return row + static_cast<size_t>(std::clamp(x, 0, size - 1)); };
    for (int k = -radius; k <= radius; ++k) {
      colour += in.colour[clamp(k)];
      cover += in.cover[clamp(k)];
    }
    for (int x = 0; x < size; ++x) {
      const auto to = static_cast<size_t>(x * size + y);
      out.colour[to] = colour * scale;
      out.cover[to] = saturate(cover * scale);
      colour += in.colour[clamp(x + radius + 1)] - in.colour[clamp(x - radius)];
      cover += in.cover[clamp(x + radius + 1)] - in.cover[clamp(x - radius)];
    }
  }
}

}  // namespace

void blur(Layer& layer, int radius) {
  if (radius <= 0) return;
  Layer other;
  other.reset(layer.size);
  for (int pass = 0; pass < 2; ++pass) {
    box_transposed(layer, radius, other);
    box_transposed(other, radius, layer);
  }
}

void halve(const Layer& large, Layer& out) {
  const int size = large.size / 2;
  out.reset(size);
  constexpr std::array<float, 4> kWeight = {0.06f, 0.44f, 0.44f, 0.06f};
  std::vector<Vec3> colour(static_cast<size_t>(large.size * size));
  std::vector<float> cover(colour.size());
  const auto inside = [&](int k) { return std::clamp(k, 0, large.size - 1); };
  for (int y = 0; y < large.size; ++y) {
    for (int x = 0; x < size; ++x) {
      const auto to = static_cast<size_t>(y * size + x);
      for (int k = 0; k < 4; ++k) {
        const auto from = static_cast<size_t>(y * large.size + inside(2 * x - 1 + k));
        colour[to] += large.colour[from] * kWeight[static_cast<size_t>(k)];
        cover[to] += large.cover[from] * kWeight[static_cast<size_t>(k)];
      }
    }
  }
  for (int y = 0; y < size; ++y) {
    for (int k = 0; k < 4; ++k) {
      const auto from = static_cast<size_t>(inside(2 * y - 1 + k) * size);
      const auto to = static_cast<size_t>(y * size);
      for (size_t x = 0; x < static_cast<size_t>(size); ++x) {
        out.colour[to + x] += colour[from + x] * kWeight[static_cast<size_t>(k)];
        out.cover[to + x] += cover[from + x] * kWeight[static_cast<size_t>(k)];
      }
    }
  }
}

void lay_over(const Layer& front, Layer& back) {
  for (size_t k = 0; k < back.colour.size(); ++k) {
    const float gap = 1 - front.cover[k];
    back.colour[k] = front.colour[k] + back.colour[k] * gap;
    back.cover[k] = front.cover[k] + back.cover[k] * gap;
  }
}

}  // namespace gan::flowers
