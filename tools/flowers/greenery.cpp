// Colours, stems and leaves.
#include "tools/flowers/species.h"

namespace gan::flowers {

Vec3 paint(uint32_t srgb) {
  const auto linear = [](uint32_t byte) {
    const float c = static_cast<float>(byte & 255u) / 255.0f;
    return c <= 0.04045f ? c / 12.92f : std::pow((c + 0.055f) / 1.055f, 2.4f);
  };
  return {linear(srgb >> 16), linear(srgb >> 8), linear(srgb)};
}

Vec3 vary(Rng& rng, Vec3 colour, float amount) {
  const float tone = 1 + amount * rng.normal();
  const float red = 1 + 0.4f * amount * rng.normal();
  const float blue = 1 + 0.4f * amount * rng.normal();
  return {colour.x * tone * red, colour.y * tone, colour.z * tone * blue};
}

Part leaf_part(Species species, Rng& rng) {
  Part part;
  part.surface = Surface::leaf;
  part.base = paint(0x3f6b27);
  part.tip = paint(0x4f8030);
  part.edge = paint(0x9dbb6a);
  part.veins = 0.55f;
  part.vein_count = 7;
  part.translucency = 0.4f;
  part.gloss = 0.22f;
  switch (species) {
    case Species::rose:
      part.base = paint(0x2b5223);
      part.tip = paint(0x3c662b);
      part.gloss = 0.35f;
      break;
    case Species::tulip:
    case Species::iris:
      part.surface = Surface::blade;
      part.base = paint(0x4c7a48);
      part.tip = paint(0x68954f);
      part.vein_count = 14;
      part.veins = 0.3f;
      break;
    case Species::lavender:
      part.surface = Surface::blade;
      part.base = paint(0x65805a);
      part.tip = paint(0x8a9f74);
      part.vein_count = 4;
      part.veins = 0.2f;
      break;
    case Species::poppy:
      part.base = paint(0x557b45);
      part.tip = paint(0x6f9550);
      break;
    default:
      break;
  }
  const Vec3 base = part.base;
  part.base = vary(rng, base, 0.1f);
  part.tip = vary(rng, part.tip, 0.1f);
  part.seed = rng.uniform(0, 200);
  return part;
}

Part stem_part(Species species, Rng& rng) {
  Part part;
  part.surface = Surface::blade;
  part.base = vary(rng, species == Species::lavender ? paint(0x6f8a5c) : paint(0x567f36), 0.08f);
  part.tip = part.base * 0.85f;
  part.vein_count = 5;
  part.veins = 0.2f;
  part.translucency = 0.15f;
  part.seed = rng.uniform(0, 200);
  return part;
}

namespace {

// Leaves that spread from one place around the axis of `frame`.
void add_collar(const Frame& frame, Species species, Sheet sheet, int count, Rng& rng,
                Scene& scene) {
  const float turn = rng.uniform(0, 2 * kPi);
  const Sheet model = sheet;
  for (int k = 0; k < count; ++k) {
    sheet.length = model.length * rng.uniform(0.8f, 1.15f);
    sheet.width = model.width * rng.uniform(0.85f, 1.15f);
    sheet.elevation = model.elevation + 0.25f * rng.normal();
    sheet.bend = model.bend + 0.2f * rng.normal();
    sheet.twist = 0.5f * rng.normal();
    const float angle =
        turn + 2 * kPi * (static_cast<float>(k) + 0.25f * rng.normal()) / static_cast<float>(count);
    const uint32_t part = scene.add_part(leaf_part(species, rng));
    add_sheet(frame.moved({0, 0, -0.06f * static_cast<float>(k % 3)}).turned(angle), sheet, part,
              rng, scene);
  }
}

Sheet broad_leaf(float size) {
  Sheet sheet;
  sheet.length = size;
  sheet.width = 0.3f * size;
  sheet.base_power = 0.55f;
  sheet.tip_power = 0.85f;
  sheet.cup = 0.35f;
  sheet.elevation = 0.1f;
  sheet.bend = -0.5f;
  sheet.ruffle = 0.02f * size;
  sheet.teeth = 0.25f;
  sheet.rows = 26;
  sheet.columns = 6;
  return sheet;
}

Sheet long_leaf(float size, float width) {
  Sheet sheet = broad_leaf(size);
  sheet.width = width;
  sheet.base_power = 0.35f;
  sheet.tip_power = 0.8f;
  sheet.cup = 0.6f;
  sheet.elevation = 1.25f;
  sheet.bend = -0.6f;
  sheet.teeth = 0;
  sheet.rows = 14;
  return sheet;
}

}  // namespace

void add_greenery(Species species, const Frame& frame, Vec3 up, Rng& rng, Scene& scene) {
  const float scale = length(frame.z);
  const Vec3 lean{0.25f * rng.normal(), 0, 0.1f * rng.normal()};
  const Vec3 root = frame.origin - up * (4.5f * scale) + lean * scale - Vec3{0, 0, 0.3f * scale};
  const float depth = species == Species::tulip ? 0.55f : 0.16f;
  const Vec3 neck = frame.point({0, 0, -depth});
  const Vec3 bow = neck - frame.z * 0.9f - up * (0.9f * scale);
  const bool thin = species == Species::daisy || species == Species::poppy ||
                    species == Species::pansy || species == Species::lavender;
  const float thickness = (thin ? 0.035f : 0.06f) * scale;
  if (species == Species::lavender) {
    const Vec3 foot = frame.point({0, 0, -1.05f});
    add_tube(foot, foot - frame.z * 0.5f - up * (0.5f * scale), root, 0.03f * scale, 0.035f * scale,
             scene.add_part(stem_part(species, rng)), scene);
  } else {
    add_tube(neck, bow, root, thickness, 1.15f * thickness, scene.add_part(stem_part(species, rng)),
             scene);
  }
  const Frame behind = frame.moved({0, 0, -0.45f});
  const Frame ground = frame_along(up, mix(bow, root, 0.35f), scale);
  switch (species) {
    case Species::rose: {
      Sheet sheet = broad_leaf(0.85f);
      sheet.radius = 0.35f;
      add_collar(behind.moved({0, 0, -0.15f}), species, sheet, rng.integer(4, 7), rng, scene);
      break;
    }
    case Species::daisy: {
      Sheet sheet = long_leaf(1.2f, 0.16f);
      add_collar(ground, species, sheet, rng.integer(2, 4), rng, scene);
      break;
    }
    case Species::sunflower: {
      Sheet sheet = broad_leaf(1.15f);
      sheet.width = 0.5f;
      sheet.tip_power = 0.65f;
      add_collar(frame_along(up + frame.z * (0.6f / scale), bow, scale), species, sheet,
                 rng.integer(2, 4), rng, scene);
      break;
    }
    case Species::tulip: {
      const Frame low = frame_along(up, mix(neck, root, 0.75f), scale);
      add_collar(low, species, long_leaf(2.9f, 0.3f), rng.integer(2, 4), rng, scene);
      break;
    }
    case Species::iris: {
      const Frame low = frame_along(up, mix(neck, root, 0.8f), scale);
      Sheet sheet = long_leaf(3.3f, 0.16f);
      sheet.elevation = 1.4f;
      sheet.bend = -0.35f;
      add_collar(low, species, sheet, rng.integer(3, 6), rng, scene);
      break;
    }
    case Species::poppy: {
      Sheet sheet = long_leaf(1.3f, 0.12f);
      sheet.teeth = 0.9f;
      sheet.rows = 26;
      add_collar(ground, species, sheet, rng.integer(2, 4), rng, scene);
      break;
    }
    case Species::lavender: {
      add_collar(frame_along(up, frame.point({0, 0, -1.9f}), scale), species,
                 long_leaf(0.8f, 0.05f), rng.integer(4, 7), rng, scene);
      break;
    }
    case Species::hydrangea: {
      Sheet sheet = broad_leaf(1.25f);
      sheet.width = 0.46f;
      sheet.radius = 0.3f;
      add_collar(frame.moved({0, 0, -0.75f}), species, sheet, rng.integer(5, 8), rng, scene);
      break;
    }
    case Species::lily: {
      Sheet sheet = long_leaf(1.35f, 0.17f);
      sheet.elevation = 0.5f;
      add_collar(frame_along(up, mix(neck, bow, 0.8f), scale), species, sheet, rng.integer(5, 8),
                 rng, scene);
      break;
    }
    case Species::pansy: {
      Sheet sheet = broad_leaf(0.85f);
      sheet.width = 0.3f;
      sheet.tip_power = 0.5f;
      sheet.radius = 0.3f;
      add_collar(behind, species, sheet, rng.integer(4, 7), rng, scene);
      break;
    }
  }
}

void add_flower(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene) {
  switch (variety.species) {
    case Species::rose:
      return add_rose(variety, frame, coarse, rng, scene);
    case Species::daisy:
      return add_daisy(variety, frame, coarse, rng, scene);
    case Species::sunflower:
      return add_sunflower(variety, frame, coarse, rng, scene);
    case Species::tulip:
      return add_tulip(variety, frame, coarse, rng, scene);
    case Species::poppy:
      return add_poppy(variety, frame, coarse, rng, scene);
    case Species::iris:
      return add_iris(variety, frame, coarse, rng, scene);
    case Species::lavender:
      return add_lavender(variety, frame, coarse, rng, scene);
    case Species::hydrangea:
      return add_hydrangea(variety, frame, coarse, rng, scene);
    case Species::lily:
      return add_lily(variety, frame, coarse, rng, scene);
    case Species::pansy:
      return add_pansy(variety, frame, coarse, rng, scene);
  }
}

}  // namespace gan::flowers
