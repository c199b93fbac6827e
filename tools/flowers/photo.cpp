#include "tools/flowers/photo.h"

#include <cstddef>
#include <utility>

#include "tools/flowers/backdrop.h"

namespace gan::flowers {

namespace {

constexpr int kOversampled = 2 * kPhotoSize;
constexpr int kShadowSize = 256;
constexpr float kShadowReach = 1.7f;

// How a species likes to be photographed.
struct Habit {
  float facing;            // share of the view direction in the flower's axis; the rest is upwards
  float sky, soil, grass;  // shares of backdrops; foliage takes the rest
  float size;              // of a single flower, as a share of half the picture
  int crowd;               // most flowers in focus
  float offset;            // how far above the middle the flower sits
};

Habit habit_of(Species species) {
  switch (species) {
    case Species::rose:
      return {0.62f, 0.04f, 0.06f, 0.06f, 0.72f, 3, 0.0f};
    case Species::daisy:
      return {0.72f, 0.12f, 0.06f, 0.45f, 0.66f, 6, 0.08f};
    case Species::sunflower:
      return {0.86f, 0.6f, 0.0f, 0.08f, 0.78f, 3, 0.1f};
    case Species::tulip:
      return {0.16f, 0.15f, 0.2f, 0.15f, 0.62f, 5, 0.2f};
    case Species::poppy:
      return {0.66f, 0.22f, 0.04f, 0.44f, 0.72f, 4, 0.1f};
    case Species::iris:
      return {0.2f, 0.06f, 0.1f, 0.2f, 0.66f, 2, 0.12f};
    case Species::lavender:
      return {0.04f, 0.3f, 0.06f, 0.1f, 0.62f, 12, 0.05f};
    case Species::hydrangea:
      return {0.5f, 0.0f, 0.06f, 0.06f, 0.8f, 3, 0.05f};
    case Species::lily:
      return {0.78f, 0.1f, 0.06f, 0.08f, 0.72f, 3, 0.05f};
    case Species::pansy:
      return {0.84f, 0.0f, 0.5f, 0.22f, 0.62f, 5, 0.02f};
  }
  return {};
}

Backdrop choose_backdrop(const Habit& habit, Rng& rng) {
  float pick = rng.uniform();
  if ((pick -= habit.sky) < 0) return Backdrop::sky;
  if ((pick -= habit.soil) < 0) return Backdrop::soil;
  if ((pick -= habit.grass) < 0) return Backdrop::grass;
  return Backdrop::foliage;
}

Light choose_light(Backdrop backdrop, bool upright, Rng& rng) {
  Light light;
  // The angle by which the camera looks down.
  float tilt = rng.uniform(0.15f, 0.6f);
  if (backdrop == Backdrop::sky) tilt = rng.uniform(-0.1f, 0.2f);
  if (backdrop == Backdrop::soil || backdrop == Backdrop::grass) {
    tilt = upright ? rng.uniform(0.55f, 0.8f) : rng.uniform(0.75f, 1.2f);
  }
  const float roll = 0.06f * rng.normal();
  light.up = normalize({roll, std::cos(tilt), std::sin(tilt)});
  const float hand = rng.chance(0.5f) ? 1.0f : -1.0f;
  const float side = hand * rng.uniform(0.3f, 1.0f);
  light.sun_direction = normalize({side, rng.uniform(0.45f, 1.0f), rng.uniform(0.25f, 0.9f)});
  // From hard sun to an overcast day, from noon to evening.
  const float overcast = rng.uniform() * rng.uniform();
  const float warmth = rng.uniform(0.0f, 1.0f);
  light.sun =
      Vec3{1.0f, mix(0.97f, 0.88f, warmth), mix(0.92f, 0.70f, warmth)} * mix(1.9f, 0.7f, overcast);
  light.sky = mix(Vec3{0.36f, 0.42f, 0.52f}, Vec3{0.78f, 0.82f, 0.86f}, overcast);
  light.bounce = mix(Vec3{0.15f, 0.17f, 0.09f}, Vec3{0.24f, 0.26f, 0.18f}, overcast);
  return light;
}

Vec3 flower_axis(const Habit& habit, Vec3 up, Rng& rng) {
  const Vec3 jitter{0.24f * rng.normal(), 0.12f * rng.normal(), 0.1f * rng.normal()};
  return normalize(Vec3{0, 0, 1} * habit.facing + up * (1 - habit.facing) +
                   jitter * (0.45f + habit.facing));
}

// Everything one thread needs to take photos; kept between photos so that memory is reused.
struct Studio {
  Scene focus, away, near;
  Visibility seen, shadow;
  Layer large, sharp, soft, back, picture;
};

void add_plant(const Variety& variety, const Frame& frame, Vec3 up, bool coarse, Rng& rng,
               Scene& scene) {
  Rng greens = rng.split(), petals = rng.split();
  add_greenery(variety.species, frame, up, greens, scene);
  Variety individual = variety;
  individual.shade *= 1 + 0.04f * petals.normal();
  add_flower(individual, frame, coarse, petals, scene);
}

void compose_focus(const Variety& variety, const Habit& habit, const Light& light, Rng& rng,
                   Scene& scene) {
  int count = 1;
  if (variety.species == Species::lavender) {
    count = rng.integer(3, habit.crowd);
  } else if (rng.chance(0.45f)) {
    count = rng.integer(2, habit.crowd);
  }
  const float crowding =
      variety.species == Species::lavender ? 0.75f : 1 / std::pow(static_cast<float>(count), 0.42f);
  const float size = habit.size * crowding * rng.uniform(0.85f, 1.15f);
  const float turn = rng.uniform(0, 2 * kPi);
  for (int k = 0; k < count; ++k) {
    Vec3 place{0.12f * rng.normal(), habit.offset + 0.1f * rng.normal(), 0};
    if (variety.species == Species::lavender) {
      const float share = (static_cast<float>(k) + 0.5f) / static_cast<float>(count);
      place = {1.7f * (share - 0.5f) + 0.08f * rng.normal(), habit.offset + 0.2f * rng.normal(),
               0.25f * rng.normal()};
    } else if (count > 1) {
      // Around the middle, never on top of each other.
      const float angle =
          turn + 2 * kPi * static_cast<float>(k) / static_cast<float>(count) + 0.2f * rng.normal();
      const float spread =
          std::max(count == 2 ? 0.46f : 0.58f, 0.85f * size) * rng.uniform(0.85f, 1.15f);
      place = place * 0.5f +
              Vec3{spread * std::cos(angle), spread * std::sin(angle), -0.35f * rng.uniform()};
    }
    const Vec3 axis = flower_axis(habit, light.up, rng);
    const Frame frame = frame_along(axis, place, size * rng.uniform(0.88f, 1.1f));
    add_plant(variety, frame, light.up, false, rng, scene);
  }
}

// Plants behind the focus: same kind, small and blurred, with loose leaves between.
void compose_away(const Variety& variety, const Habit& habit, const Light& light, Backdrop backdrop,
                  Rng& rng, Scene& scene) {
  const int leaves = backdrop == Backdrop::foliage ? rng.integer(8, 22)
                     : backdrop == Backdrop::soil  ? rng.integer(0, 4)
                                                   : 0;
  for (int k = 0; k < leaves; ++k) {
    Part part =
        leaf_part(variety.species == Species::lavender ? Species::daisy : variety.species, rng);
    const float tone = rng.uniform(0.4f, 1.1f);
    part.base = part.base * tone;
    part.tip = part.tip * tone;
    Sheet sheet;
    sheet.length = rng.uniform(0.4f, 0.9f);
    sheet.width = sheet.length * rng.uniform(0.15f, 0.32f);
    sheet.cup = 0.3f;
    sheet.bend = rng.uniform(-0.8f, 0.2f);
    const Vec3 axis{0.5f * rng.normal(), 0.4f + 0.5f * rng.normal(), 0.7f};
    const Vec3 place{rng.uniform(-1.2f, 1.2f), rng.uniform(-1.2f, 1.0f), -1 - rng.uniform()};
    const Frame seat = frame_along(axis, place, 1).turned(rng.uniform(0, 2 * kPi));
    add_sheet(seat, sheet, scene.add_part(part), rng, scene);
  }
  int flowers = rng.chance(0.5f) ? rng.integer(1, 4) : 0;
  if (variety.species == Species::lavender) flowers = rng.integer(4, 12);
  if (backdrop == Backdrop::sky) flowers = flowers / 2;
  for (int k = 0; k < flowers; ++k) {
    const float x = rng.uniform(-1.1f, 1.1f);
    const Vec3 place{x, rng.uniform(-1.0f, 0.7f), -1.2f - rng.uniform()};
    const Vec3 axis = flower_axis(habit, light.up, rng);
    const Frame frame = frame_along(axis, place, habit.size * rng.uniform(0.3f, 0.5f));
    add_plant(variety, frame, light.up, true, rng, scene);
  }
}

// A leaf or blade close to the lens, at the rim of the picture.
void compose_near(const Variety& variety, Rng& rng, Scene& scene) {
  const int count = rng.integer(1, 3);
  for (int k = 0; k < count; ++k) {
    Sheet sheet;
    sheet.length = rng.uniform(0.8f, 1.3f);
    sheet.width = rng.uniform(0.06f, 0.2f);
    sheet.bend = rng.uniform(-0.5f, 0.3f);
    const float side = rng.chance(0.5f) ? 1.0f : -1.0f;
    const Vec3 place{side * rng.uniform(0.75f, 1.2f), -1.3f, 1};
    const Frame seat = frame_along({0.2f * rng.normal(), 0, 1}, place, 1);
    const uint32_t part = scene.add_part(leaf_part(variety.species, rng));
    add_sheet(seat.turned(0.5f * kPi + 0.35f * rng.normal()), sheet, part, rng, scene);
  }
}

// Moves what is far behind the plane of focus from `sharp` to `soft`, which is then blurred on its
// own, so that neither bleeds into the other's outline.
void split_by_focus(const Visibility& seen, float plane, Layer& sharp, Layer& soft) {
  const int size = sharp.size;
  soft.reset(size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const auto at = static_cast<size_t>(y * size + x);
      // The nearest of the four samples decides: the outline of a near petal stays sharp.
      const float* row = seen.nearness.data() + static_cast<size_t>(2 * y * 2 * size + 2 * x);
      const float near = std::max({row[0], row[1], row[2 * size], row[2 * size + 1]});
      if (near == kFar) continue;
      const float away = smoothstep(0.35f, 1.1f, plane - near);
      // All of what is a little soft lies below, so that nothing shines through the mixture.
      const float below = saturate(8 * away);
      soft.colour[at] = sharp.colour[at] * below;
      soft.cover[at] = sharp.cover[at] * below;
      sharp.colour[at] = sharp.colour[at] * (1 - away);
      sharp.cover[at] *= 1 - away;
    }
  }
}

// The sRGB curve as a table over 0..1.
const std::vector<float>& srgb_curve() {
  static const std::vector<float> table = [] {
    std::vector<float> values(4097);
    for (size_t k = 0; k < values.size(); ++k) {
      const float c = static_cast<float>(k) / 4096.0f;
      values[k] = c <= 0.0031308f ? 12.92f * c : 1.055f * std::pow(c, 1 / 2.4f) - 0.055f;
    }
    return values;
  }();
  return table;
}

// Lens and sensor: glow, falling light at the corners, exposure, film curve, noise, 8 bits.
void develop(const Layer& picture, Layer& glow, Rng& rng, std::vector<uint8_t>& rgb) {
  const int size = picture.size;
  glow = picture;
  blur(glow, 4);
  std::vector<float> brightness(picture.colour.size());
  for (size_t k = 0; k < brightness.size(); ++k) {
    const Vec3& c = picture.colour[k];
    brightness[k] = 0.6f * luminance(c) + 0.4f * std::max({c.x, c.y, c.z});
  }
  float mean = 0;
  for (const float value : brightness) mean += value;
  mean /= static_cast<float>(brightness.size());
  const auto bright =
      brightness.begin() + static_cast<std::ptrdiff_t>(brightness.size() * 97 / 100);
  std::nth_element(brightness.begin(), bright, brightness.end());
  const float wanted = std::min(0.37f / std::max(mean, 0.02f), 1.65f / std::max(*bright, 0.05f));
  const float exposure = wanted * rng.uniform(0.85f, 1.12f);
  const float vignette = rng.uniform(0.04f, 0.2f);
  const float noise_level = rng.uniform(0.004f, 0.012f);
  const float warm = 0.03f * rng.normal();
  const Vec3 balance = Vec3{1 + warm, 1, 1 - warm} * exposure;
  const uint64_t noise_seed = rng.bits();
  const std::vector<float>& curve = srgb_curve();
  rgb.resize(picture.colour.size() * 3);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const auto at = static_cast<size_t>(y * size + x);
      const float dx = 2 * static_cast<float>(x) / static_cast<float>(size) - 1;
      const float dy = 2 * static_cast<float>(y) / static_cast<float>(size) - 1;
      const float corner = 1 - vignette * (dx * dx + dy * dy);
      const Vec3 c = mix(picture.colour[at], glow.colour[at], 0.07f) * balance * corner;
      const Philox::Block words = Philox::at(noise_seed, 0, at);
      const std::array<float, 3> light = {c.x, c.y, c.z};
      // Most of a sensor's noise is shared by the three colours after its own processing.
      const auto bell = [](uint32_t word) {
        const auto sum = (word & 255u) + (word >> 8 & 255u) + (word >> 16 & 255u) + (word >> 24);
        return (static_cast<float>(sum) - 510.0f) * (1 / 147.8f);
      };
      const float shared = bell(words[3]);
      for (size_t channel = 0; channel < 3; ++channel) {
        // A film-like shoulder: highlights bend towards white and never clip hard.
        const float exposed = 0.965f * (1 - std::exp(-1.15f * std::max(light[channel], 0.0f)));
        const float flat = curve[static_cast<size_t>(4096.0f * saturate(exposed) + 0.5f)];
        const float level = mix(flat, flat * flat * (3 - 2 * flat), 0.28f);
        const float grain = noise_level * (0.8f * shared + 0.5f * bell(words[channel]));
        rgb[3 * at + channel] = static_cast<uint8_t>(255.0f * saturate(level + grain) + 0.5f);
      }
    }
  }
}

}  // namespace

Species species_of(uint64_t seed, uint64_t index) {
  std::array<uint8_t, kSpeciesCount> order{};
  for (size_t k = 0; k < order.size(); ++k) order[k] = static_cast<uint8_t>(k);
  // Streams from 2^63 up are for the order of the species, those below for the photos.
  Rng rng(seed, (uint64_t{1} << 63) + index / kSpeciesCount);
  for (int k = kSpeciesCount - 1; k > 0; --k) {
    std::swap(order[static_cast<size_t>(k)], order[static_cast<size_t>(rng.integer(0, k))]);
  }
  return static_cast<Species>(order[index % kSpeciesCount]);
}

Photo take_photo(uint64_t seed, uint64_t index) {
  static thread_local Studio studio;
  Rng rng(seed, index);
  const Species species = species_of(seed, index);
  const Habit habit = habit_of(species);
  Variety variety;
  variety.species = species;
  variety.second = rng.chance(0.4f);
  variety.shade = std::clamp(1 + 0.07f * rng.normal(), 0.82f, 1.1f);
  const Backdrop backdrop = choose_backdrop(habit, rng);
  const Light light = choose_light(backdrop, habit.facing < 0.3f, rng);
  Ground ground;
  ground.depth = rng.uniform(0.7f, 1.2f);

  studio.focus.clear();
  studio.away.clear();
  studio.near.clear();
  Rng focus_rng = rng.split(), away_rng = rng.split(), back_rng = rng.split(),
      lens_rng = rng.split();
  compose_focus(variety, habit, light, focus_rng, studio.focus);
  compose_away(variety, habit, light, backdrop, away_rng, studio.away);
  if (backdrop == Backdrop::grass)
    add_grass(light, ground, away_rng.integer(120, 320), away_rng, studio.away);

  const View camera{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, 1, kOversampled};
  View small = camera;
  small.size = kPhotoSize;
  const View sun = view_from(normalize(light.sun_direction), kShadowReach, kShadowSize);

  draw(studio.focus, sun, true, studio.shadow);
  paint_backdrop(backdrop, light, ground, studio.shadow, kPhotoSize, back_rng, studio.picture);
  blur(studio.picture, backdrop == Backdrop::foliage ? 2 : back_rng.integer(0, 1));

  // The shadow map of the plants in focus darkens those behind them as well.
  draw(studio.away, small, false, studio.seen);
  shade(studio.away, studio.seen, studio.shadow, light, studio.back);
  const bool flat = backdrop == Backdrop::grass || backdrop == Backdrop::soil;
  blur(studio.back, flat ? back_rng.integer(1, 2) : back_rng.integer(2, 5));
  lay_over(studio.back, studio.picture);

  draw(studio.focus, camera, false, studio.seen);
  shade(studio.focus, studio.seen, studio.shadow, light, studio.large);
  halve(studio.large, studio.sharp);
  split_by_focus(studio.seen, 0.15f, studio.sharp, studio.soft);
  blur(studio.soft, 2);
  lay_over(studio.soft, studio.picture);
  lay_over(studio.sharp, studio.picture);

  if (lens_rng.chance(0.15f)) {
    compose_near(variety, lens_rng, studio.near);
    draw(studio.near, small, false, studio.seen);
    shade(studio.near, studio.seen, studio.shadow, light, studio.back);
    blur(studio.back, 5);
    lay_over(studio.back, studio.picture);
  }

  Photo photo;
  photo.label = static_cast<int>(species);
  develop(studio.picture, studio.soft, lens_rng, photo.rgb);
  return photo;
}

}  // namespace gan::flowers
