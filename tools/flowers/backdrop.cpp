#include "tools/flowers/backdrop.h"

#include "tools/flowers/species.h"

namespace gan::flowers {

namespace {

// Calls `colour(x, y)` for each pixel with x and y in -1..1, y upwards.
template <class Colour>
void fill(Layer& out, const Colour& colour) {
  const float step = 2 / static_cast<float>(out.size);
  for (int y = 0; y < out.size; ++y) {
    for (int x = 0; x < out.size; ++x) {
      const auto at = static_cast<size_t>(y * out.size + x);
      out.colour[at] = colour((static_cast<float>(x) + 0.5f) * step - 1,
                              1 - (static_cast<float>(y) + 0.5f) * step);
      out.cover[at] = 1;
    }
  }
}

// Discs of light, the image of bright points that are out of focus.
void add_discs(int count, const Light& light, Rng& rng, Layer& out) {
  const float typical = rng.uniform(5, 13);
  for (int k = 0; k < count; ++k) {
    const float radius = typical * rng.uniform(0.7f, 1.2f);
    const float cx = rng.uniform(0, static_cast<float>(out.size));
    const float cy = rng.uniform(0, static_cast<float>(out.size));
    const Vec3 hue = vary(rng, mix(paint(0x6f9440), paint(0xc8d58a), rng.uniform()), 0.12f);
    const Vec3 colour = hue * light.sun * rng.uniform(0.06f, 0.3f);
    const int x0 = std::max(static_cast<int>(cx - radius - 1), 0);
    const int x1 = std::min(static_cast<int>(cx + radius + 1), out.size - 1);
    const int y0 = std::max(static_cast<int>(cy - radius - 1), 0);
    const int y1 = std::min(static_cast<int>(cy + radius + 1), out.size - 1);
    for (int y = y0; y <= y1; ++y) {
      for (int x = x0; x <= x1; ++x) {
        const float dx = static_cast<float>(x) - cx, dy = static_cast<float>(y) - cy;
        const float distance = std::sqrt(dx * dx + dy * dy) / radius;
        // Real lenses draw a disc a little brighter at its rim.
        const float level = smoothstep(1.06f, 0.88f, distance) * (0.75f + 0.25f * distance);
        out.colour[static_cast<size_t>(y * out.size + x)] += colour * level;
      }
    }
  }
}

void paint_foliage(const Light& light, Rng& rng, Layer& out) {
  const float ox = rng.uniform(0, 99), oy = rng.uniform(0, 99);
  const float scale = rng.uniform(1.1f, 2.0f);
  const Vec3 dark = vary(rng, paint(0x1c2d14), 0.15f);
  const Vec3 middle = vary(rng, paint(0x47682a), 0.12f);
  const Vec3 bright = vary(rng, paint(0x8aa648), 0.12f);
  const float level = rng.uniform(0.55f, 1.05f);
  fill(out, [&](float x, float y) {
    const float broad = fbm(x * scale + ox, y * scale + oy, 2);
    const float fine = fbm(x * 2.6f * scale + oy, y * 2.6f * scale + ox, 2);
    Vec3 colour = mix(dark, middle, smoothstep(0.25f, 0.65f, broad + 0.12f * y));
    colour =
        mix(colour, bright, 0.8f * smoothstep(0.52f, 0.85f, 0.6f * broad + 0.4f * fine + 0.1f * y));
    return colour * (light.sun * 0.4f + light.sky * 0.5f) * level;
  });
  add_discs(rng.integer(4, 26), light, rng, out);
}

void paint_sky(const Light& light, Rng& rng, Layer& out) {
  const float ox = rng.uniform(0, 99), oy = rng.uniform(0, 99);
  const Vec3 top = vary(rng, paint(0x3f78c4), 0.1f);
  const Vec3 low = vary(rng, paint(0xa9cdec), 0.06f);
  const float clouds = rng.chance(0.65f) ? rng.uniform(0.42f, 0.62f) : 2.0f;
  const float horizon = rng.chance(0.55f) ? rng.uniform(-0.8f, -0.35f) : -3.0f;
  const Vec3 field = vary(rng, paint(0x4f7a30), 0.12f), trees = vary(rng, paint(0x2c4a26), 0.12f);
  const float strength = luminance(light.sun) * 0.6f + 0.45f;
  fill(out, [&](float x, float y) {
    const float skyline =
        horizon + 0.16f * (noise(x * 3 + ox, oy) - 0.3f) + 0.06f * (noise(x * 9 + ox, oy) - 0.5f);
    if (y < skyline) {
      const float distance = saturate((skyline - y) * 2.4f);
      const Vec3 ground = mix(trees, field, smoothstep(0.25f, 0.45f, distance));
      return ground * (0.55f + 0.6f * fbm(x * 5 + oy, y * 11 + ox, 2)) * strength;
    }
    Vec3 colour = mix(low, top, saturate(0.5f + 0.5f * y));
    const float cloud = fbm(x * 1.3f + ox, y * 2.3f + oy, 4);
    const float lit = fbm(x * 1.3f + ox + 0.1f, y * 2.3f + oy + 0.25f, 4);
    const Vec3 white = paint(0xf2f2f2) * (0.95f + 0.9f * (cloud - lit));
    colour = mix(colour, white, 0.85f * smoothstep(clouds, clouds + 0.22f, cloud));
    return colour * strength;
  });
}

// The point of the ground behind picture position (x, y).
Vec3 ground_point(const Light& light, const Ground& ground, float x, float y) {
  const float height = -ground.depth - light.up.x * x - light.up.y * y;
  return {x, y, height / std::max(light.up.z, 0.2f)};
}

void paint_soil(const Light& light, const Ground& ground, const Visibility& shadow_map, Rng& rng,
                Layer& out) {
  const float ox = rng.uniform(0, 99), oy = rng.uniform(0, 99);
  const Vec3 dark = vary(rng, paint(0x35231a), 0.1f), pale = vary(rng, paint(0x8b6848), 0.1f);
  const Vec3 stone = vary(rng, paint(0x85725f), 0.06f);
  const float stones = rng.uniform(0.0f, 0.22f);
  const float grain = rng.uniform(6, 10);
  const Vec3 sun = normalize(light.sun_direction);
  const auto height = [&](float x, float y) {
    return 0.85f * fbm(x * grain, y * grain, 4) + 0.45f * noise(x * 1.7f, y * 1.7f);
  };
  fill(out, [&](float x, float y) {
    const Vec3 p = ground_point(light, ground, x, y);
    const float gx = x + ox, gy = (y - p.z) * 0.7f + oy;
    const float here = height(gx, gy);
    constexpr float kStep = 0.02f;
    const float slope_x = (height(gx + kStep, gy) - here) / kStep;
    const float slope_y = (height(gx, gy + kStep) - here) / kStep;
    float id = 0;
    const float clod = cells(gx * 6.5f, gy * 6.5f, &id);
    const float stone_size = 0.16f + 0.9f * id;
    const float pebble = id < stones ? smoothstep(stone_size, stone_size - 0.1f, clod) : 0.0f;
    Vec3 colour = mix(dark, pale, smoothstep(0.4f, 0.95f, here) * 0.8f);
    colour = mix(colour, stone, pebble);
    Vec3 n = normalize(light.up + Vec3{-slope_x, -slope_y, 0} * (0.16f * (1 - 0.8f * pebble)));
    const float direct = std::max(dot(n, sun), 0.0f) * sunlight(shadow_map, p, 0.03f);
    const float crack = 0.55f + 0.45f * smoothstep(0.0f, 0.5f, 1.1f - clod);
    return colour * (light.sun * direct + light.sky * 0.8f) * crack;
  });
}

void paint_turf(const Light& light, const Ground& ground, const Visibility& shadow_map, Rng& rng,
                Layer& out) {
  const float ox = rng.uniform(0, 99), oy = rng.uniform(0, 99);
  const Vec3 dark = vary(rng, paint(0x1f3013), 0.1f), lively = vary(rng, paint(0x55812d), 0.1f);
  fill(out, [&](float x, float y) {
    const Vec3 p = ground_point(light, ground, x, y);
    const float blades = fbm(x * 16 + ox, y * 5 + oy, 2);
    const float patches = noise(x * 2 + oy, y * 2 + ox);
    const Vec3 colour =
        mix(dark, lively, smoothstep(0.25f, 0.8f, 0.65f * blades + 0.35f * patches));
    return colour * (light.sun * (0.6f * sunlight(shadow_map, p, 0.03f)) + light.sky * 0.7f);
  });
}

}  // namespace

void paint_backdrop(Backdrop kind, const Light& light, const Ground& ground,
                    const Visibility& shadow_map, int size, Rng& rng, Layer& out) {
  out.reset(size);
  switch (kind) {
    case Backdrop::foliage:
      return paint_foliage(light, rng, out);
    case Backdrop::sky:
      return paint_sky(light, rng, out);
    case Backdrop::soil:
      return paint_soil(light, ground, shadow_map, rng, out);
    case Backdrop::grass:
      return paint_turf(light, ground, shadow_map, rng, out);
  }
}

void add_grass(const Light& light, const Ground& ground, int count, Rng& rng, Scene& scene) {
  std::array<uint32_t, 6> parts{};
  for (uint32_t& part : parts) {
    Part blade;
    blade.surface = Surface::blade;
    blade.base = vary(rng, paint(0x33521d), 0.12f);
    blade.tip =
        vary(rng, mix(paint(0x6f9a3a), paint(0xa3b35a), rng.uniform() * rng.uniform()), 0.12f);
    blade.edge = blade.tip;
    blade.edge_amount = 0.3f;
    blade.veins = 0.25f;
    blade.vein_count = 5;
    blade.translucency = 0.55f;
    blade.seed = rng.uniform(0, 200);
    part = scene.add_part(blade);
  }
  for (int k = 0; k < count; ++k) {
    const float x = rng.uniform(-1.2f, 1.2f), y = rng.uniform(-1.5f, 1.0f);
    const Vec3 lean{0.5f * rng.normal(), 0.3f * rng.normal(), 0.3f * rng.normal()};
    const Frame seat = frame_along(light.up + lean, ground_point(light, ground, x, y), 1);
    Sheet sheet;
    sheet.length = rng.uniform(0.35f, 0.8f);
    sheet.width = rng.uniform(0.012f, 0.026f);
    sheet.base_power = 0.15f;
    sheet.tip_power = 0.7f;
    sheet.elevation = rng.uniform(1.2f, 1.6f);
    sheet.bend = rng.uniform(-1.3f, 0.1f);
    sheet.cup = 0.5f;
    sheet.rows = 6;
    sheet.columns = 2;
    const uint32_t part = parts[static_cast<size_t>(rng.integer(0, 5))];
    add_sheet(seat.turned(rng.uniform(0, 2 * kPi)), sheet, part, rng, scene);
  }
}

}  // namespace gan::flowers
