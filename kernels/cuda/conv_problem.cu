#include "kernels/cuda/conv_problem.h"

#include <algorithm>

namespace gan::cuda {
namespace {

// One axis of a group of a data gradient: output positions `parity`, parity + stride, ...
struct Axis {
  int taps, pad, count, last_tap;
};

// Position i*stride + parity of the output meets tap r of the source position
// (i*stride + parity + padding - r) / stride, where that is a whole number.
Axis gradient_axis(const ConvGeometry& g, int64_t extent, int parity) {
  const int residue = (parity + g.padding) % g.stride;
  const int taps = residue < g.kernel ? (g.kernel - 1 - residue) / g.stride + 1 : 0;
  const int last = residue + (taps - 1) * g.stride;
  const int count = extent > parity ? static_cast<int>((extent - parity - 1) / g.stride + 1) : 0;
  return {taps, taps > 0 ? -((parity + g.padding - last) / g.stride) : 0, count, last};
}

void finish(ConvGroup& group, int64_t pictures) {
  group.pixels = static_cast<int>(pictures * group.rows * group.columns);
  group.by_columns = FastDivide(std::max(1, group.columns));
  group.by_area = FastDivide(std::max(1, group.rows * group.columns));
}

ConvShape plain_shape(const Shape& source, const Shape& out) {
  ConvShape s;
  s.source_h = static_cast<int>(source.h);
  s.source_w = static_cast<int>(source.w);
  s.source_c = static_cast<int>(source.c);
  s.out_h = static_cast<int>(out.h);
  s.out_w = static_cast<int>(out.w);
  s.out_c = static_cast<int>(out.c);
  return s;
}

}  // namespace

ConvShape forward_shape(const ConvGeometry& geometry, const Shape& x, const Shape& y) {
  ConvShape s = plain_shape(x, y);
  s.stride = geometry.stride;
  ConvGroup& group = s.group[0];
  group.taps_h = group.taps_w = geometry.kernel;
  group.pad_h = group.pad_w = geometry.padding;
  group.rows = s.out_h;
  group.columns = s.out_w;
  finish(group, y.n);
  return s;
}

ConvShape data_gradient_shape(const ConvGeometry& geometry, const Shape& x, const Shape& y) {
  ConvShape s = plain_shape(y, x);
  s.out_step = geometry.stride;
  s.groups = 0;
  for (int h = 0; h < geometry.stride; ++h) {
    for (int w = 0; w < geometry.stride; ++w) {
      const Axis down = gradient_axis(geometry, x.h, h), right = gradient_axis(geometry, x.w, w);
      ConvGroup& group = s.group[s.groups++];
      group.taps_h = down.taps;
      group.taps_w = right.taps;
      group.pad_h = down.pad;
      group.pad_w = right.pad;
      group.first_h = h;
      group.first_w = w;
      group.rows = down.count;
      group.columns = right.count;
      finish(group, x.n);
    }
  }
  std::stable_sort(s.group, s.group + s.groups,
                   [](const ConvGroup& a, const ConvGroup& b) { return a.taps() > b.taps(); });
  int64_t weights = 0;
  for (int g = 0; g < s.groups; ++g) {
    s.group[g].weights = weights;
    weights += int64_t{s.group[g].taps()} * s.source_c * s.out_c;
  }
  return s;
}

TapOrder data_gradient_taps(const ConvGeometry& geometry, const ConvGroup& group) {
  return {gradient_axis(geometry, 0, group.first_h).last_tap,
          gradient_axis(geometry, 0, group.first_w).last_tap, -geometry.stride};
}

}  // namespace gan::cuda
