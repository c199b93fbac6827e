// The extent of a tensor: n pictures of h x w pixels with c channels each.
#pragma once

#include <cstdint>
#include <ostream>

namespace gan {

struct Shape {
  int64_t n = 0, h = 0, w = 0, c = 0;

  int64_t pixels() const { return n * h * w; }
  int64_t elements() const { return n * h * w * c; }
  bool operator==(const Shape&) const = default;
};

// A vector of `c` values, as biases and batch-norm parameters are.
inline Shape vector_shape(int64_t c) {
  return {1, 1, 1, c};
}

inline std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << s.n << "x" << s.h << "x" << s.w << "x" << s.c;
}

}  // namespace gan
