// The ten species: how each is built from petals, and what grows around it.
#pragma once

#include <array>

#include "tools/flowers/scene.h"

namespace gan::flowers {

// The order is the label in flower_labels.csv.
enum class Species : uint8_t {
  rose,
  daisy,
  sunflower,
  tulip,
  poppy,
  iris,
  lavender,
  hydrangea,
  lily,
  pansy,
};

inline constexpr int kSpeciesCount = 10;
inline constexpr std::array<const char*, kSpeciesCount> kSpeciesNames = {
    "rose", "daisy",    "sunflower", "tulip", "poppy",
    "iris", "lavender", "hydrangea", "lily",  "pansy"};

// A colour given as sRGB 0xRRGGBB, in linear light.
Vec3 paint(uint32_t srgb);

// `colour` a little brighter or darker and a little off in hue; `amount` is the standard deviation.
Vec3 vary(Rng& rng, Vec3 colour, float amount);

// What the species' plants share within one photo.
struct Variety {
  Species species = Species::rose;
  bool second = false;  // each species has two varieties, which differ in brightness too
  float shade = 1;      // natural variation between plants
};

// Adds one flower of radius about 1 in the frame's unit, opening along the frame's z axis.
// `coarse` halves the detail, for flowers that will be blurred.
void add_flower(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);

// Green leaves and stems of the species' kind.
Part leaf_part(Species species, Rng& rng);
Part stem_part(Species species, Rng& rng);

// Adds the stem and leaves of a flower whose head lies at `frame`; `up` is the world's up.
void add_greenery(Species species, const Frame& frame, Vec3 up, Rng& rng, Scene& scene);

// Implementation of add_flower, one function a species.
void add_rose(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);
void add_daisy(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);
void add_sunflower(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);
void add_tulip(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);
void add_poppy(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);
void add_iris(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);
void add_lavender(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);
void add_hydrangea(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);
void add_lily(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);
void add_pansy(const Variety& variety, const Frame& frame, bool coarse, Rng& rng, Scene& scene);

// A disk of seeds or florets in the spiral of a sunflower, `bulge` high at its middle. The outer
// half takes the colours of `outer`.
void add_seed_disk(const Frame& frame, float radius, float bulge, int count, const Part& inner,
                   const Part& outer, Rng& rng, Scene& scene);

}  // namespace gan::flowers
