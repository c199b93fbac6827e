// Small float vector maths for the flower renderer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace gan::flowers {

inline constexpr float kPi = 3.14159265f;

struct Vec3 {
  float x = 0, y = 0, z = 0;
};

inline Vec3 operator+(Vec3 a, Vec3 b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}
inline Vec3 operator-(Vec3 a, Vec3 b) {
  return {a.x - b.x, a.y - b.y, a.z - b.z};
}
inline Vec3 operator-(Vec3 a) {
  return {-a.x, -a.y, -a.z};
}
inline Vec3 operator*(Vec3 a, Vec3 b) {
  return {a.x * b.x, a.y * b.y, a.z * b.z};
}
inline Vec3 operator*(Vec3 a, float s) {
  return {a.x * s, a.y * s, a.z * s};
}
inline Vec3& operator+=(Vec3& a, Vec3 b) {
  return a = a + b;
}

inline float dot(Vec3 a, Vec3 b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
inline Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline float length(Vec3 a) {
  return std::sqrt(dot(a, a));
}

// Unit vector along `a`; the z axis for a vector of no length.
inline Vec3 normalize(Vec3 a) {
  const float n = length(a);
  return n > 1e-12f ? a * (1.0f / n) : Vec3{0, 0, 1};
}

inline float mix(float a, float b, float t) {
  return a + (b - a) * t;
}
inline Vec3 mix(Vec3 a, Vec3 b, float t) {
  return a + (b - a) * t;
}
inline float saturate(float x) {
  return std::clamp(x, 0.0f, 1.0f);
}

// The largest whole number not above `x`, for |x| < 2^31. Plain x86-64 has no instruction for
// std::floor and calls a function; this is called millions of times a photo.
inline int32_t floor_int(float x) {
  const auto whole = static_cast<int32_t>(x);
  return whole - (static_cast<float>(whole) > x ? 1 : 0);
}

// 0 below `lo`, 1 above `hi`, a smooth cubic between.
inline float smoothstep(float lo, float hi, float x) {
  const float t = saturate((x - lo) / (hi - lo));
  return t * t * (3.0f - 2.0f * t);
}

// Brightness of a linear-light colour as the eye weighs it (BT.709).
inline float luminance(Vec3 c) {
  return 0.2126f * c.x + 0.7152f * c.y + 0.0722f * c.z;
}

// A coordinate system: three axes (with scale) and an origin.
struct Frame {
  Vec3 x{1, 0, 0}, y{0, 1, 0}, z{0, 0, 1}, origin;

  Vec3 direction(Vec3 p) const { return x * p.x + y * p.y + z * p.z; }
  Vec3 point(Vec3 p) const { return origin + direction(p); }
  Frame moved(Vec3 local) const { return {x, y, z, point(local)}; }
  Frame scaled(float s) const { return {x * s, y * s, z * s, origin}; }

  // Turned by `angle` about its own z axis.
  Frame turned(float angle) const {
    const float c = std::cos(angle), s = std::sin(angle);
    return {x * c + y * s, y * c - x * s, z, origin};
  }
};

// A frame at `origin` whose z axis points along `axis`, all axes of length `scale`.
Frame frame_along(Vec3 axis, Vec3 origin, float scale);

}  // namespace gan::flowers
