// Flowers that show an open face: daisy, sunflower, poppy, lily, pansy.
#include "tools/flowers/species.h"

namespace gan::flowers {

namespace {

constexpr float kGoldenAngle = 2.3999632f;

// Adds `count` equal petals in a ring, each with its own material seed and a little irregularity.
void add_ring(const Frame& frame, Sheet sheet, Part part, int count, float turn, float irregular,
              Rng& rng, Scene& scene) {
  const Sheet model = sheet;
  const Part material = part;
  for (int k = 0; k < count; ++k) {
    const float angle = turn + 2 * kPi * (static_cast<float>(k) + irregular * 0.3f * rng.normal()) /
                                   static_cast<float>(count);
    sheet.length = model.length * (1 + 0.10f * irregular * rng.normal());
    sheet.width = model.width * (1 + 0.08f * irregular * rng.normal());
    sheet.elevation = model.elevation + 0.16f * irregular * rng.normal();
    sheet.bend = model.bend + 0.22f * irregular * rng.normal();
    sheet.twist = model.twist + 0.3f * irregular * rng.normal();
    part.seed = rng.uniform(0, 200);
    const float tone = 1 + 0.06f * rng.normal();
    part.base = material.base * tone;
    part.middle = material.middle * tone;
    part.tip = material.tip * tone;
    add_sheet(frame.turned(angle), sheet, scene.add_part(part), rng, scene);
  }
}

Part grain(Vec3 base, Vec3 tip) {
  Part part;
  part.surface = Surface::grain;
  part.base = base;
  part.tip = tip;
  part.translucency = 0.05f;
  part.gloss = 0.05f;
  return part;
}

// A stamen: a thin thread from the flower's middle with an anther across its end.
void add_stamen(const Frame& frame, float angle, float spread, float height, float thread,
                float anther, uint32_t thread_part, uint32_t anther_part, Scene& scene) {
  const Frame turned = frame.turned(angle);
  const Vec3 end = turned.point({spread, 0, height});
  const float scale = length(frame.z);
  add_tube(turned.point({0.03f, 0, 0.02f}), turned.point({0.35f * spread, 0, 0.7f * height}), end,
           thread * scale, 0.8f * thread * scale, thread_part, scene);
  const Vec3 across = turned.direction({0.3f, 1, 0.2f});
  add_dome(frame_along(across, end, scale), 0.5f * anther, anther, 1, 4, 5, anther_part, scene);
}

}  // namespace

void add_seed_disk(const Frame& frame, float radius, float bulge, int count, const Part& inner,
                   const Part& outer, Rng& rng, Scene& scene) {
  // A plain cap below closes the gaps between the seeds.
  Part cap = inner;
  cap.base = cap.base * 0.45f;
  cap.tip = outer.base * 0.5f;
  add_dome(frame, radius, bulge, 0.5f, 5, 14, scene.add_part(cap), scene);
  constexpr int kTones = 4;
  std::array<uint32_t, 2 * kTones> parts{};
  for (int k = 0; k < kTones; ++k) {
    for (int side = 0; side < 2; ++side) {
      Part part = side == 0 ? inner : outer;
      const float tone = 1 + 0.14f * rng.normal();
      part.base = part.base * tone;
      part.tip = part.tip * tone;
      parts[static_cast<size_t>(2 * k + side)] = scene.add_part(part);
    }
  }
  const float seed_radius = 0.95f * radius / std::sqrt(static_cast<float>(count));
  const float border = rng.uniform(0.5f, 0.68f);
  for (int k = 0; k < count; ++k) {
    const float share = std::sqrt((static_cast<float>(k) + 0.5f) / static_cast<float>(count));
    const float angle = kGoldenAngle * static_cast<float>(k);
    const float lift = std::sqrt(std::max(1 - share * share, 0.0f));
    const Vec3 place{radius * share * std::cos(angle), radius * share * std::sin(angle),
                     bulge * lift};
    const Vec3 outward{place.x * bulge / radius, place.y * bulge / radius,
                       0.6f * radius * lift + 0.1f};
    Frame bump = frame_along(frame.direction(outward), frame.point(place), length(frame.z));
    const float size = seed_radius * rng.uniform(0.85f, 1.1f);
    const size_t side = share + 0.05f * rng.normal() > border ? 1 : 0;
    add_dome(bump, size, 1.5f * size, 0.5f, 2, 5,
             parts[2 * static_cast<size_t>(rng.integer(0, kTones - 1)) + side], scene);
  }
}

void add_daisy(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene) {
  Part petal;
  petal.base = paint(0xe8ecd2) * variety.shade;
  petal.middle = paint(0xf3f3f0) * variety.shade;
  petal.tip = paint(0xf4f3f2) * variety.shade;
  // The second variety is the one whose rims blush: darker to a black-and-white film as well.
  petal.edge = variety.second ? paint(0xd9a3bd) : paint(0xf0f0f2);
  petal.edge_amount = variety.second ? 0.75f : 0.2f;
  petal.veins = 0.16f;
  petal.vein_count = 5;
  petal.translucency = 0.35f;
  Sheet sheet;
  sheet.radius = 0.2f;
  sheet.length = 0.8f;
  sheet.width = variety.second ? 0.085f : 0.11f;
  sheet.base_power = 0.45f;
  sheet.tip_power = 0.22f;
  sheet.notch = 0.05f;
  sheet.cup = 0.35f;
  sheet.rows = coarse ? 5 : 8;
  sheet.columns = coarse ? 2 : 4;
  const int count = variety.second ? rng.integer(26, 34) : rng.integer(18, 24);
  sheet.elevation = rng.uniform(0.0f, 0.3f);
  sheet.bend = rng.uniform(-0.55f, -0.05f);
  const float turn = rng.uniform(0, 1);
  add_ring(frame.moved({0, 0, -0.03f}), sheet, petal, count, turn, 0.7f, rng, scene);
  sheet.length *= 0.93f;
  sheet.elevation += 0.12f;
  add_ring(frame, sheet, petal, count * 2 / 3, turn + 0.13f, 0.9f, rng, scene);
  const Part inner = grain(paint(0xc98f0c), paint(0xe8b71a));
  const Part outer = grain(paint(0xe0a40f), paint(0xf7cf2e));
  const float radius = rng.uniform(0.26f, 0.31f);
  add_seed_disk(frame.moved({0, 0, 0.02f}), radius, rng.uniform(0.1f, 0.18f), coarse ? 40 : 130,
                inner, outer, rng, scene);
}

void add_sunflower(const Variety& variety, const Frame& frame, bool coarse, Rng& rng,
                   Scene& scene) {
  Part petal;
  // The second variety is the deep gold one with a rust-red base.
  petal.base = (variety.second ? paint(0xa8480a) : paint(0xd98a05)) * variety.shade;
  petal.middle = (variety.second ? paint(0xe79a0c) : paint(0xf6bd0d)) * variety.shade;
  petal.tip = (variety.second ? paint(0xeeac14) : paint(0xfbd22a)) * variety.shade;
  petal.edge = petal.middle;
  petal.edge_amount = 0.3f;
  petal.veins = 0.42f;
  petal.vein_count = 6;
  petal.translucency = 0.6f;
  Sheet sheet;
  sheet.radius = 0.38f;
  sheet.length = 0.62f;
  sheet.width = 0.115f;
  sheet.base_power = 0.5f;
  sheet.tip_power = 0.75f;
  sheet.notch = -0.06f;
  sheet.cup = 0.5f;
  sheet.rows = coarse ? 5 : 8;
  sheet.columns = coarse ? 2 : 4;
  sheet.elevation = rng.uniform(0.0f, 0.25f);
  sheet.bend = rng.uniform(-0.3f, 0.15f);
  const int count = rng.integer(17, 22);
  const float turn = rng.uniform(0, 1);
  add_ring(frame.moved({0, 0, -0.08f}), sheet, petal, count, turn, 1.0f, rng, scene);
  sheet.length *= 0.93f;
  sheet.elevation += 0.25f;
  add_ring(frame.moved({0, 0, -0.03f}), sheet, petal, count, turn + 0.16f, 1.1f, rng, scene);
  // Green bracts show between the petals.
  Part bract = leaf_part(variety.species, rng);
  Sheet bracts = sheet;
  bracts.length = 0.5f;
  bracts.width = 0.12f;
  bracts.elevation = -0.1f;
  add_ring(frame.moved({0, 0, -0.16f}), bracts, bract, 12, turn, 1.0f, rng, scene);
  const Part inner = grain(paint(0x2a170b), paint(0x4d3014));
  const Part outer = grain(paint(0x3f2109), paint(0x9a5f12));
  const float radius = rng.uniform(0.4f, 0.47f);
  add_seed_disk(frame, radius, rng.uniform(0.08f, 0.14f), coarse ? 60 : 260, inner, outer, rng,
                scene);
}

void add_poppy(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene) {
  Part petal;
  // The second variety is the lighter orange-red corn poppy without the black heart.
  petal.base = (variety.second ? paint(0xd93a12) : paint(0xb0100a)) * variety.shade;
  petal.middle = (variety.second ? paint(0xee4317) : paint(0xdb1c0c)) * variety.shade;
  petal.tip = (variety.second ? paint(0xf55a25) : paint(0xe62a12)) * variety.shade;
  petal.edge = petal.tip * 1.1f;
  petal.edge_amount = 0.4f;
  petal.mark = paint(0x1a0d12);
  petal.blotch = variety.second ? 0.0f : 0.27f;
  petal.streaks = 0.12f;
  petal.veins = 0.38f;
  petal.vein_count = 16;
  petal.translucency = 0.75f;
  Sheet sheet;
  sheet.length = 1.0f;
  sheet.width = 0.72f;
  sheet.base_power = 0.72f;
  sheet.tip_power = 0.24f;
  sheet.elevation = rng.uniform(0.45f, 0.75f);
  sheet.bend = rng.uniform(-0.55f, 0.25f);
  sheet.lip = rng.uniform(-0.5f, 0.0f);
  sheet.cup = 0.22f;
  sheet.ruffle = 0.05f;
  sheet.waves = 3.3f;
  sheet.rows = coarse ? 7 : 14;
  sheet.columns = coarse ? 8 : 18;
  const float turn = rng.uniform(0, 2 * kPi);
  add_ring(frame.moved({0, 0, -0.03f}), sheet, petal, 3, turn, 0.6f, rng, scene);
  sheet.length = 0.9f;
  sheet.elevation += 0.13f;
  add_ring(frame, sheet, petal, rng.integer(2, 3), turn + 1.0f, 0.6f, rng, scene);
  const uint32_t thread = scene.add_part(grain(paint(0x2c1a22), paint(0x33222c)));
  const uint32_t anther = scene.add_part(grain(paint(0x2a2230), paint(0x54485a)));
  const int stamens = coarse ? 10 : 38;
  for (int k = 0; k < stamens; ++k) {
    const float angle = kGoldenAngle * static_cast<float>(k);
    const float spread = rng.uniform(0.16f, 0.31f);
    const float height = rng.uniform(0.12f, 0.26f);
    add_stamen(frame, angle, spread, height, 0.007f, 0.035f, thread, anther, scene);
  }
  const uint32_t capsule = scene.add_part(grain(paint(0x8da35c), paint(0x5e7a3a)));
  add_dome(frame.moved({0, 0, 0.12f}), 0.12f, 0.13f, 0.7f, 5, 9, capsule, scene);
  const uint32_t ray = scene.add_part(grain(paint(0x3b3f25), paint(0x4a4f2b)));
  for (int k = 0; k < 8; ++k) {
    const Frame turned = frame.turned(kPi * static_cast<float>(k) / 4);
    add_tube(turned.point({0, 0, 0.262f}), turned.point({0.06f, 0, 0.26f}),
             turned.point({0.115f, 0, 0.2f}), 0.011f * length(frame.z), 0.011f * length(frame.z),
             ray, scene);
  }
}

void add_lily(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene) {
  Part petal;
  // The second variety is the pale one: more white rim, fewer spots.
  petal.base = (variety.second ? paint(0xe9b4c6) : paint(0xc72a72)) * variety.shade;
  petal.middle = (variety.second ? paint(0xf0a6c4) : paint(0xdf4a90)) * variety.shade;
  petal.tip = (variety.second ? paint(0xf3c3d6) : paint(0xe978ae)) * variety.shade;
  petal.edge = paint(0xf7e6ee) * variety.shade;
  petal.edge_amount = variety.second ? 0.85f : 0.8f;
  petal.mark = variety.second ? paint(0xb53a72) : paint(0x7a0b3c);
  petal.spots = variety.second ? 0.3f : 0.6f;
  petal.stripe = 0.07f;
  petal.veins = 0.22f;
  petal.vein_count = 7;
  petal.translucency = 0.45f;
  petal.gloss = 0.18f;
  Sheet sheet;
  sheet.length = 1.15f;
  sheet.width = 0.27f;
  sheet.base_power = 0.85f;
  sheet.tip_power = 0.75f;
  sheet.notch = -0.05f;
  sheet.elevation = rng.uniform(0.75f, 0.95f);
  sheet.bend = rng.uniform(-1.4f, -0.9f);
  sheet.lip = rng.uniform(-1.0f, -0.3f);
  sheet.cup = 0.3f;
  sheet.ruffle = 0.03f;
  sheet.waves = 2;
  sheet.rows = coarse ? 8 : 16;
  sheet.columns = coarse ? 4 : 8;
  const float turn = rng.uniform(0, 2 * kPi);
  Sheet outer = sheet;
  outer.width = 0.2f;
  add_ring(frame.moved({0, 0, -0.04f}), outer, petal, 3, turn + kPi / 3, 0.35f, rng, scene);
  add_ring(frame, sheet, petal, 3, turn, 0.35f, rng, scene);
  Part thread_part = stem_part(variety.species, rng);
  thread_part.base = paint(0xb9cf94);
  thread_part.tip = paint(0xdbe2b4);
  const uint32_t thread = scene.add_part(thread_part);
  const uint32_t anther = scene.add_part(grain(paint(0x7a2f0c), paint(0xa8501a)));
  for (int k = 0; k < 6; ++k) {
    const float angle = turn + kPi * (static_cast<float>(k) + 0.15f * rng.normal()) / 3;
    const float spread = rng.uniform(0.26f, 0.36f);
    add_stamen(frame, angle, spread, rng.uniform(0.6f, 0.75f), 0.016f, 0.085f, thread, anther,
               scene);
  }
  const uint32_t stigma = scene.add_part(grain(paint(0x7e9a52), paint(0x5d7a44)));
  const float scale = length(frame.z);
  add_tube(frame.origin, frame.point({0, 0, 0.4f}), frame.point({0.06f, 0.05f, 0.8f}),
           0.028f * scale, 0.022f * scale, thread, scene);
  add_dome(frame.moved({0.06f, 0.05f, 0.8f}), 0.05f, 0.035f, 1, 4, 6, stigma, scene);
}

void add_pansy(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene) {
  Part upper;
  // Violet above and yellow below with a dark face; the second variety is wine-red and pale lemon.
  upper.base = (variety.second ? paint(0x561022) : paint(0x431a72)) * variety.shade;
  upper.middle = (variety.second ? paint(0x7c1730) : paint(0x5c2a9a)) * variety.shade;
  upper.tip = (variety.second ? paint(0x932340) : paint(0x6d3bb0)) * variety.shade;
  upper.edge = upper.tip * 1.25f;
  upper.edge_amount = 0.5f;
  upper.veins = 0.35f;
  upper.vein_count = 12;
  upper.gloss = 0.2f;
  Part lower = upper;
  lower.base = paint(0xf2b90c) * variety.shade;
  lower.middle = (variety.second ? paint(0xf3d873) : paint(0xf3c51f)) * variety.shade;
  lower.tip = (variety.second ? paint(0xf6e6a2) : paint(0xf8d83f)) * variety.shade;
  lower.edge = lower.tip;
  lower.mark = variety.second ? paint(0x3a0712) : paint(0x1f0a33);
  lower.blotch = 0.42f;
  lower.streaks = 0.5f;
  Sheet sheet;
  sheet.length = 0.92f;
  sheet.width = 0.62f;
  sheet.base_power = 0.75f;
  sheet.tip_power = 0.28f;
  sheet.elevation = 0.22f;
  sheet.bend = -0.25f;
  sheet.lip = -0.35f;
  sheet.cup = 0.08f;
  sheet.ruffle = 0.045f;
  sheet.waves = 2.6f;
  sheet.notch = 0.04f;
  sheet.rows = coarse ? 7 : 13;
  sheet.columns = coarse ? 6 : 14;
  // Angle of each petal from the flower's right, its layer and its length.
  struct Place {
    float angle, layer, length, width;
    bool low;
  };
  const std::array<Place, 5> places = {{{1.95f, -0.08f, 1.0f, 0.66f, false},
                                        {1.2f, -0.05f, 1.0f, 0.66f, false},
                                        {2.95f, -0.01f, 0.85f, 0.58f, true},
                                        {0.2f, 0.02f, 0.85f, 0.58f, true},
                                        {-1.57f, 0.06f, 0.88f, 0.76f, true}}};
  for (const Place& place : places) {
    Part part = place.low ? lower : upper;
    part.seed = rng.uniform(0, 200);
    sheet.length = place.length * (1 + 0.03f * rng.normal());
    sheet.width = place.width * (1 + 0.03f * rng.normal());
    const float angle = place.angle + 0.05f * rng.normal();
    add_sheet(frame.moved({0, 0, place.layer}).turned(angle), sheet, scene.add_part(part), rng,
              scene);
  }
  const uint32_t eye = scene.add_part(grain(paint(0xe8b714), paint(0xf0cf3a)));
  add_dome(frame.moved({0, -0.03f, 0.07f}), 0.075f, 0.07f, 0.5f, 3, 8, eye, scene);
  const uint32_t throat = scene.add_part(grain(paint(0xe9ecd0), paint(0xd9dfae)));
  add_dome(frame.moved({-0.09f, 0.05f, 0.06f}), 0.05f, 0.06f, 0.5f, 3, 6, throat, scene);
  add_dome(frame.moved({0.09f, 0.05f, 0.07f}), 0.05f, 0.06f, 0.5f, 3, 6, throat, scene);
}

}  // namespace gan::flowers
