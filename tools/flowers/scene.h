// Triangles and the surfaces they carry: what the species are built from.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/flowers/noise.h"
#include "tools/flowers/vec.h"

namespace gan::flowers {

// How a surface is textured; (u, v) runs base to tip and side to side (-1..1).
enum class Surface : uint8_t {
  petal,  // gradient base to tip, fine veins, optional blotch, spots and stripe
  leaf,   // midrib with side veins
  blade,  // parallel veins: grass, stems, tulip leaves
  grain,  // seeds and pollen: rough and matt
};

// One material. Colours are linear light.
struct Part {
  Surface surface = Surface::petal;
  Vec3 base, middle, tip;  // along u
  Vec3 edge;               // towards the rim
  float edge_amount = 0;   // 0: none, 1: the rim is all `edge`
  Vec3 mark;               // colour of blotch, spots and stripe
  float blotch = 0;        // how far the mark reaches out from the base, in u
  float streaks = 0;       // how much the blotch frays into lines
  float spots = 0;         // share of spotted cells
  float stripe = 0;        // half-width in v of a marked midline
  float veins = 0.2f;      // strength
  float vein_count = 9;    // lines across
  float translucency = 0.4f;
  float gloss = 0.1f;
  float seed = 0;  // moves the texture, so that no two petals match
};

struct Vertex {
  Vec3 position, normal;
  float u = 0, v = 0;
};

struct Triangle {
  uint32_t a, b, c, part;
};

// A petal or leaf as a bent sheet. Angles in radians, lengths in the frame's unit. The sheet grows
// along the frame's x axis; z is the flower's axis.
struct Sheet {
  float length = 1;
  float width = 0.3f;       // half-width at the widest place
  float base_power = 0.6f;  // outline u^base_power (1-u)^tip_power
  float tip_power = 0.6f;
  float radius = 0;        // where it starts, from the axis
  float elevation = 0.3f;  // angle above the flower's plane at the base
  float bend = 0;          // change of that angle from base to tip
  float lip = 0;           // further change near the tip
  float cup = 0.1f;        // how far the sides rise
  float wrap = 0;          // 1: the sheet follows a circle round the axis
  float ruffle = 0;        // height of the waves at the rim
  float waves = 3;         // waves across the sheet
  float notch = 0;         // depth of the dent in the tip (negative: a point)
  float teeth = 0;         // depth of the saw edge
  float twist = 0;
  int rows = 10;
  int columns = 6;
};

// The triangles of one layer of the picture.
struct Scene {
  std::vector<Vertex> vertices;
  std::vector<Triangle> triangles;
  std::vector<Part> parts;

  uint32_t add_part(const Part& part);
  void clear();
};

// Adds a sheet with its own phase of ruffles drawn from `rng`.
void add_sheet(const Frame& frame, const Sheet& sheet, uint32_t part, Rng& rng, Scene& scene);

// Adds a tube along the quadratic curve a, b, c, with a radius at either end.
void add_tube(Vec3 a, Vec3 b, Vec3 c, float radius_a, float radius_c, uint32_t part, Scene& scene);

// Adds the upper `cover` (0..1, 1: all) of an ellipsoid about the frame's z axis with the frame's
// x and y lengths scaled by `radius` and z by `height`.
void add_dome(const Frame& frame, float radius, float height, float cover, int rings, int segments,
              uint32_t part, Scene& scene);

}  // namespace gan::flowers
