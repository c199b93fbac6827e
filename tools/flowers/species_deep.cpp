// Flowers with depth: rose, tulip, iris, and the clusters lavender and hydrangea.
#include "tools/flowers/species.h"

namespace gan::flowers {

namespace {

constexpr float kGoldenAngle = 2.3999632f;

// The same material with its own texture and a little tone.
uint32_t add_variant(const Part& part, float tone_spread, Rng& rng, Scene& scene) {
  Part variant = part;
  const float tone = 1 + tone_spread * rng.normal();
  variant.base = part.base * tone;
  variant.middle = part.middle * tone;
  variant.tip = part.tip * tone;
  variant.seed = rng.uniform(0, 200);
  return scene.add_part(variant);
}

}  // namespace

void add_rose(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene) {
  Part petal;
  // Crimson, or the light pink garden rose.
  petal.base = (variety.second ? paint(0xe57f88) : paint(0x6e0412)) * variety.shade;
  petal.middle = (variety.second ? paint(0xe2707f) : paint(0x9a081c)) * variety.shade;
  petal.tip = (variety.second ? paint(0xf0929e) : paint(0xb40f28)) * variety.shade;
  petal.edge = (variety.second ? paint(0xf6b9be) : paint(0xc8203a)) * variety.shade;
  petal.edge_amount = 0.6f;
  petal.veins = 0.14f;
  petal.vein_count = 12;
  petal.translucency = variety.second ? 0.5f : 0.35f;
  petal.gloss = 0.06f;
  const int count = coarse ? 20 : rng.integer(30, 38);
  const float open = rng.uniform(0.75f, 1.1f);
  for (int k = 0; k < count; ++k) {
    const float t = static_cast<float>(k) / static_cast<float>(count - 1);
    Sheet sheet;
    sheet.radius = 0.03f + 0.22f * t;
    sheet.length = mix(0.5f, 0.8f, t) * (1 + 0.05f * rng.normal());
    sheet.width = mix(0.17f, 0.47f, std::sqrt(t)) * (1 + 0.06f * rng.normal());
    sheet.elevation = mix(1.5f, 0.62f, std::pow(t, 1.3f)) + 0.05f * rng.normal();
    sheet.bend = mix(0.12f, -0.25f * open, t);
    sheet.lip = mix(-0.15f, -1.25f * open, t) + 0.12f * rng.normal();
    sheet.wrap = mix(1.0f, 0.55f, t);
    sheet.cup = 0.06f;
    sheet.base_power = 0.42f;
    sheet.tip_power = 0.22f;
    sheet.notch = -0.05f;
    sheet.ruffle = 0.018f;
    sheet.waves = 1.7f;
    sheet.rows = coarse ? 6 : 12;
    sheet.columns = coarse ? 6 : 12;
    const Frame seat = frame.moved({0, 0, -0.30f * t})
                           .turned(kGoldenAngle * static_cast<float>(k) + 0.15f * rng.normal());
    add_sheet(seat, sheet, add_variant(petal, 0.05f, rng, scene), rng, scene);
  }
}

void add_tulip(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene) {
  Part petal;
  // Orange with a yellow rim; the second variety is the deep flame with the narrow rim.
  petal.base = (variety.second ? paint(0xd8941c) : paint(0xf0c23a)) * variety.shade;
  petal.middle = (variety.second ? paint(0xcf4a0c) : paint(0xee7a14)) * variety.shade;
  petal.tip = (variety.second ? paint(0xd95a10) : paint(0xf28c1c)) * variety.shade;
  petal.edge = paint(0xf8cc3c) * variety.shade;
  petal.edge_amount = variety.second ? 0.55f : 0.8f;
  petal.mark = petal.middle * 0.75f;
  petal.stripe = 0.22f;
  petal.veins = 0.3f;
  petal.vein_count = 11;
  petal.translucency = 0.55f;
  petal.gloss = 0.2f;
  const float open = rng.uniform(-0.05f, 0.3f);
  const float turn = rng.uniform(0, 2 * kPi);
  for (int k = 0; k < 6; ++k) {
    const bool inner = k < 3;
    Sheet sheet;
    sheet.radius = 0.05f;
    sheet.length = (inner ? 1.38f : 1.42f) * (1 + 0.03f * rng.normal());
    sheet.width = inner ? 0.5f : 0.54f;
    sheet.elevation = (inner ? 0.42f : 0.34f) - 0.3f * open;
    sheet.bend = 2.1f - 1.1f * open + 0.06f * rng.normal();
    sheet.lip = -0.65f - 0.5f * open + 0.15f * rng.normal();
    sheet.wrap = 0.8f;
    sheet.cup = 0.03f;
    sheet.base_power = 0.5f;
    sheet.tip_power = 0.5f;
    sheet.notch = -0.07f;
    sheet.ruffle = 0.012f;
    sheet.waves = 2;
    sheet.rows = coarse ? 8 : 16;
    sheet.columns = coarse ? 6 : 12;
    const float angle = turn + 2 * kPi * (static_cast<float>(k % 3) + (inner ? 0.5f : 0.0f)) / 3 +
                        0.08f * rng.normal();
    const float scale = inner ? 0.95f : 1.0f;
    add_sheet(frame.moved({0, 0, -0.55f}).scaled(scale).turned(angle), sheet,
              add_variant(petal, 0.05f, rng, scene), rng, scene);
  }
}

void add_iris(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene) {
  Part fall;
  // Deep violet-blue; the second variety has pale standards above dark falls.
  fall.base = paint(0x3a2a92) * variety.shade;
  fall.middle = paint(0x3823a0) * variety.shade;
  fall.tip = paint(0x4a37b8) * variety.shade;
  fall.edge = paint(0x6a5bd0) * variety.shade;
  fall.edge_amount = 0.45f;
  fall.mark = paint(0xe9b21c);
  fall.stripe = 0.17f;
  fall.veins = 0.5f;
  fall.vein_count = 13;
  fall.translucency = 0.5f;
  fall.gloss = 0.16f;
  Part standard = fall;
  standard.stripe = 0;
  standard.base = (variety.second ? paint(0x8d86d8) : paint(0x4636b0)) * variety.shade;
  standard.middle = (variety.second ? paint(0x9d98e2) : paint(0x4d40bd)) * variety.shade;
  standard.tip = (variety.second ? paint(0xaeaaea) : paint(0x5b4fca)) * variety.shade;
  standard.edge = standard.tip * 1.1f;
  standard.veins = 0.3f;
  const float turn = rng.uniform(0, 2 * kPi);
  for (int k = 0; k < 3; ++k) {
    const float angle = turn + 2 * kPi * static_cast<float>(k) / 3 + 0.08f * rng.normal();
    Sheet sheet;
    sheet.length = 1.25f * (1 + 0.04f * rng.normal());
    sheet.width = 0.47f;
    sheet.radius = 0.06f;
    sheet.elevation = 0.75f + 0.08f * rng.normal();
    sheet.bend = -2.0f + 0.15f * rng.normal();
    sheet.lip = -0.4f;
    sheet.cup = -0.1f;
    sheet.base_power = 1.15f;
    sheet.tip_power = 0.38f;
    sheet.ruffle = 0.075f;
    sheet.waves = 2.6f;
    sheet.rows = coarse ? 8 : 18;
    sheet.columns = coarse ? 6 : 14;
    add_sheet(frame.turned(angle), sheet, add_variant(fall, 0.05f, rng, scene), rng, scene);
    sheet.length = 1.15f;
    sheet.width = 0.43f;
    sheet.elevation = 0.95f + 0.08f * rng.normal();
    sheet.bend = 1.15f + 0.12f * rng.normal();
    sheet.lip = 0.35f;
    sheet.cup = 0.25f;
    sheet.wrap = 0.45f;
    sheet.base_power = 0.9f;
    sheet.tip_power = 0.33f;
    sheet.ruffle = 0.05f;
    add_sheet(frame.turned(angle + kPi / 3), sheet, add_variant(standard, 0.05f, rng, scene), rng,
              scene);
    // The style arm lies over the fall's base.
    Sheet arm;
    arm.length = 0.5f;
    arm.width = 0.11f;
    arm.elevation = 0.95f;
    arm.bend = -0.9f;
    arm.cup = -0.5f;
    arm.tip_power = 0.35f;
    arm.rows = 6;
    arm.columns = 4;
    add_sheet(frame.moved({0, 0, 0.04f}).turned(angle), arm,
              add_variant(standard, 0.05f, rng, scene), rng, scene);
  }
}

void add_lavender(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene) {
  Part floret;
  floret.base = (variety.second ? paint(0x5c4a94) : paint(0x7c66b8)) * variety.shade;
  floret.middle = (variety.second ? paint(0x7a64b8) : paint(0x9c86d4)) * variety.shade;
  floret.tip = (variety.second ? paint(0x8f78cc) : paint(0xb8a4e6)) * variety.shade;
  floret.edge = floret.tip;
  floret.veins = 0.15f;
  floret.vein_count = 3;
  floret.translucency = 0.5f;
  Part bud;
  bud.surface = Surface::grain;
  bud.base = paint(0x4d4284) * variety.shade;
  bud.tip = paint(0x66589c) * variety.shade;
  bud.translucency = 0.15f;
  std::array<uint32_t, 4> florets{}, buds{};
  for (size_t k = 0; k < florets.size(); ++k) {
    florets[k] = add_variant(floret, 0.13f, rng, scene);
    buds[k] = add_variant(bud, 0.15f, rng, scene);
  }
  const uint32_t stem = scene.add_part(stem_part(variety.species, rng));
  const float scale = length(frame.z);
  add_tube(frame.point({0, 0, -1.1f}), frame.origin, frame.point({0, 0, 0.95f}), 0.03f * scale,
           0.02f * scale, stem, scene);
  // Whorls of florets up the spike, with a gap below the crowded upper part.
  const int whorls = coarse ? 8 : 13;
  Sheet petal;
  petal.length = 0.15f;
  petal.width = 0.055f;
  petal.tip_power = 0.3f;
  petal.elevation = 0.5f;
  petal.bend = -0.5f;
  petal.rows = 3;
  petal.columns = 2;
  for (int w = 0; w < whorls; ++w) {
    const float t = static_cast<float>(w) / static_cast<float>(whorls - 1);
    const float height = (w == 0 ? -0.85f : -0.55f + 1.5f * t) + 0.02f * rng.normal();
    const float girth = 0.17f * (1 - 0.55f * t * t) * (w == 0 ? 0.75f : 1.0f);
    const int around = coarse ? 5 : 7;
    for (int k = 0; k < around; ++k) {
      const float angle =
          2 * kPi *
          (static_cast<float>(k) + 0.5f * static_cast<float>(w % 2) + 0.15f * rng.normal()) /
          static_cast<float>(around);
      const Frame seat = frame.moved({0, 0, height}).turned(angle);
      const size_t pick = static_cast<size_t>(rng.integer(0, 3));
      const Vec3 outward = seat.direction({0.8f, 0, 0.6f});
      const Frame tip = frame_along(outward, seat.point({0.7f * girth, 0, 0.02f}), scale);
      add_dome(tip, 0.055f, 0.1f, 1, 3, 5, buds[pick], scene);
      if (!rng.chance(0.72f - 0.3f * t)) continue;
      const Frame mouth = tip.moved({0, 0, 0.085f});
      const int lobes = coarse ? 2 : 4;
      const float lobe_turn = rng.uniform(0, kPi);
      for (int lobe = 0; lobe < lobes; ++lobe) {
        add_sheet(mouth.turned(lobe_turn +
                               2 * kPi * static_cast<float>(lobe) / static_cast<float>(lobes)),
                  petal, florets[pick], rng, scene);
      }
    }
  }
}

void add_hydrangea(const Variety& variety, const Frame& frame, bool coarse, Rng& rng,
                   Scene& scene) {
  Part petal;
  petal.base = (variety.second ? paint(0xa9cbe8) : paint(0x6f97dc)) * variety.shade;
  petal.middle = (variety.second ? paint(0x9cc6ee) : paint(0x5f8fe2)) * variety.shade;
  petal.tip = (variety.second ? paint(0xb9d8f4) : paint(0x7ba6ea)) * variety.shade;
  petal.edge = petal.tip * 1.1f;
  petal.edge_amount = 0.4f;
  petal.veins = 0.28f;
  petal.vein_count = 7;
  petal.translucency = 0.35f;
  std::array<uint32_t, 8> petals{};
  for (uint32_t& part : petals) {
    Part variant = petal;
    // Florets age at their own pace: some keep a touch of violet.
    const Vec3 drift{1 + 0.10f * rng.normal(), 1 + 0.04f * rng.normal(), 1 + 0.03f * rng.normal()};
    variant.base = petal.base * drift;
    variant.middle = petal.middle * drift;
    variant.tip = petal.tip * drift;
    part = add_variant(variant, 0.06f, rng, scene);
  }
  Part core;
  core.surface = Surface::grain;
  core.base = paint(0x35567f);
  core.tip = paint(0x2b4a45);
  add_dome(frame.moved({0, 0, -0.35f}), 0.84f, 0.88f, 0.7f, 8, 16, scene.add_part(core), scene);
  Part eye = core;
  eye.base = paint(0xdfe6c0);
  eye.tip = paint(0x8fb0d8);
  const uint32_t eye_part = scene.add_part(eye);
  const int count = coarse ? 55 : rng.integer(110, 130);
  for (int k = 0; k < count; ++k) {
    // Even points over a little more than half a sphere.
    const float z = 1 - 1.4f * (static_cast<float>(k) + 0.5f) / static_cast<float>(count);
    const float ring = std::sqrt(std::max(1 - z * z, 0.0f));
    const float angle = kGoldenAngle * static_cast<float>(k);
    const float wobble_x = 0.07f * rng.normal(), wobble_y = 0.07f * rng.normal();
    const Vec3 outward{ring * std::cos(angle) + wobble_x, ring * std::sin(angle) + wobble_y, z};
    const float reach = 0.9f * (1 + 0.05f * rng.normal());
    const Vec3 place{outward.x * reach, outward.y * reach, 0.95f * reach * outward.z - 0.35f};
    const float size = rng.uniform(0.85f, 1.15f);
    // Florets at the rim turn towards the viewer's side, as they do to the light.
    const Vec3 facing{outward.x, outward.y, outward.z + 0.4f};
    const Frame seat =
        frame_along(frame.direction(facing), frame.point(place), length(frame.z) * size);
    const float turn = rng.uniform(0, kPi);
    const uint32_t part = petals[static_cast<size_t>(rng.integer(0, 7))];
    Sheet sheet;
    sheet.length = coarse ? 0.26f : 0.205f;
    sheet.width = coarse ? 0.17f : 0.13f;
    sheet.tip_power = 0.4f;
    sheet.elevation = 0.35f;
    sheet.bend = -0.55f;
    sheet.cup = 0.2f;
    sheet.rows = coarse ? 3 : 5;
    sheet.columns = coarse ? 2 : 4;
    for (int lobe = 0; lobe < 4; ++lobe) {
      add_sheet(seat.turned(turn + 0.5f * kPi * static_cast<float>(lobe) + 0.08f * rng.normal()),
                sheet, part, rng, scene);
    }
    if (!coarse) add_dome(seat.moved({0, 0, 0.02f}), 0.024f, 0.028f, 0.5f, 2, 5, eye_part, scene);
  }
}

}  // namespace gan::flowers
