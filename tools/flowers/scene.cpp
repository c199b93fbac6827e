#include "tools/flowers/scene.h"

#include <cmath>

namespace gan::flowers {

Frame frame_along(Vec3 axis, Vec3 origin, float scale) {
  const Vec3 z = normalize(axis);
  const Vec3 helper = std::fabs(z.y) < 0.9f ? Vec3{0, 1, 0} : Vec3{0, 0, -1};
  const Vec3 x = normalize(cross(helper, z));
  return {x * scale, cross(z, x) * scale, z * scale, origin};
}

uint32_t Scene::add_part(const Part& part) {
  parts.push_back(part);
  return static_cast<uint32_t>(parts.size() - 1);
}

void Scene::clear() {
  vertices.clear();
  triangles.clear();
  parts.clear();
}

namespace {

// Joins the last rows * columns vertices into triangles and gives them smooth normals.
void stitch_grid(int rows, int columns, uint32_t part, Scene& scene) {
  const auto first = static_cast<uint32_t>(scene.vertices.size()) -
                     static_cast<uint32_t>(rows) * static_cast<uint32_t>(columns);
  Vertex* grid = scene.vertices.data() + first;
  const auto at = [&](int row, int column) -> Vertex& { return grid[row * columns + column]; };
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      const Vec3 along =
          at(std::min(r + 1, rows - 1), c).position - at(std::max(r - 1, 0), c).position;
      // At a pointed end all columns meet; the next row's sideways direction stands in.
      const int row = r == 0 ? 1 : (r == rows - 1 ? rows - 2 : r);
      const Vec3 across =
          at(row, std::min(c + 1, columns - 1)).position - at(row, std::max(c - 1, 0)).position;
      at(r, c).normal = normalize(cross(along, across));
    }
  }
  for (int r = 0; r + 1 < rows; ++r) {
    for (int c = 0; c + 1 < columns; ++c) {
      const uint32_t a = first + static_cast<uint32_t>(r * columns + c);
      const uint32_t below = a + static_cast<uint32_t>(columns);
      scene.triangles.push_back({a, below, a + 1, part});
      scene.triangles.push_back({a + 1, below, below + 1, part});
    }
  }
}

}  // namespace

void add_sheet(const Frame& frame, const Sheet& s, uint32_t part, Rng& rng, Scene& scene) {
  const int rows = s.rows + 1, columns = s.columns + 1;
  const float phase = rng.uniform(0, 2 * kPi), phase2 = rng.uniform(0, 2 * kPi);
  // The outline's largest value lies at u = base / (base + tip); dividing by it makes `width`
  // exact.
  const float peak = s.base_power / (s.base_power + s.tip_power);
  const float largest = std::pow(peak, s.base_power) * std::pow(1 - peak, s.tip_power);
  float r = s.radius, z = 0, last_u = 0;
  for (int row = 0; row < rows; ++row) {
    const float t = static_cast<float>(row) / static_cast<float>(s.rows);
    const float u = mix(t, 1 - (1 - t) * (1 - t), 0.6f);  // more rows where the tip is round
    const float middle = 0.5f * (u + last_u);
    const float angle = s.elevation + s.bend * middle + s.lip * smoothstep(0.6f, 1.0f, middle);
    const float step = (u - last_u) * s.length;
    last_u = u;
    r += step * std::cos(angle);
    z += step * std::sin(angle);
    const float outline = std::pow(std::max(u, 0.004f), s.base_power) *
                          std::pow(std::max(1 - u, 0.0f), s.tip_power) / largest;
    const float saw =
        s.teeth > 0 ? 1 + s.teeth * (std::fabs(std::fmod(u * 13, 1.0f) - 0.5f) - 0.25f) : 1;
    const float half_width = s.width * outline * saw;
    const float curve = s.wrap / std::max(r, 0.06f);
    const float turn = s.twist * u;
    for (int column = 0; column < columns; ++column) {
      const float v = 2 * static_cast<float>(column) / static_cast<float>(s.columns) - 1;
      const float side = v * half_width;
      // The tip's dent or point: the middle of the sheet ends earlier or later than the sides.
      const float dent = s.notch * s.length * (1 - v * v) * u * u * u;
      float rise = s.cup * v * v * half_width;
      const float rim = u * std::max(v * v, u * u);
      rise += s.ruffle * rim *
              (std::sin(v * s.waves * kPi + phase) +
               0.6f * std::sin((2.3f * u + v) * s.waves + phase2));
      float x = r, y = side;
      if (s.wrap > 0) {
        x = r - (1 - std::cos(side * curve)) / curve;
        y = std::sin(side * curve) / curve;
      }
      const float c = std::cos(angle), sn = std::sin(angle);
      x -= dent * c + rise * sn;
      const float height = z - dent * sn + rise * c + y * std::sin(turn);
      scene.vertices.push_back({frame.point({x, y * std::cos(turn), height}), {}, u, v});
    }
  }
  stitch_grid(rows, columns, part, scene);
}

void add_tube(Vec3 a, Vec3 b, Vec3 c, float radius_a, float radius_c, uint32_t part, Scene& scene) {
  constexpr int kRows = 11, kColumns = 7;
  for (int row = 0; row < kRows; ++row) {
    const float t = static_cast<float>(row) / (kRows - 1);
    const Vec3 centre = mix(mix(a, b, t), mix(b, c, t), t);
    const Frame ring = frame_along(mix(b - a, c - b, t), centre, mix(radius_a, radius_c, t));
    for (int column = 0; column < kColumns; ++column) {
      const float v = 2 * static_cast<float>(column) / (kColumns - 1) - 1;
      scene.vertices.push_back({ring.point({std::cos(v * kPi), std::sin(v * kPi), 0}), {}, t, v});
    }
  }
  stitch_grid(kRows, kColumns, part, scene);
}

void add_dome(const Frame& frame, float radius, float height, float cover, int rings, int segments,
              uint32_t part, Scene& scene) {
  for (int ring = 0; ring <= rings; ++ring) {
    const float t = static_cast<float>(ring) / static_cast<float>(rings);
    const float angle = t * cover * kPi;
    for (int segment = 0; segment <= segments; ++segment) {
      const float turn = 2 * kPi * static_cast<float>(segment) / static_cast<float>(segments);
      const float s = std::sin(angle), c = std::cos(angle);
      const Vec3 local{radius * s * std::cos(turn), radius * s * std::sin(turn), height * c};
      scene.vertices.push_back({frame.point(local), {}, t, std::sin(turn)});
    }
  }
  stitch_grid(rings + 1, segments + 1, part, scene);
}

}  // namespace gan::flowers
