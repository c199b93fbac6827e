// Augmentation, a gather in both directions; the formulas are in reference/augment.h. Small beside
// everything else: 8 bytes moved per float.
#include "engine/parallel.h"
#include "kernels/cpu/cpu_backend.h"

namespace gan {
namespace {

bool within(int64_t at, int64_t begin, int64_t count) {
  return at >= begin && at < begin + count;
}

bool is_cut(const Warp& warp, int64_t h, int64_t w) {
  return within(h, warp.cut_top, warp.cut_size) && within(w, warp.cut_left, warp.cut_size);
}

// A pixel of the picture that is read; `seen`: there is one.
struct Source {
  int64_t h, w;
  bool seen;
};

// Which pixel of x becomes pixel (h, w) of y.
Source forward_source(const Warp& warp, const Shape& s, int64_t h, int64_t w) {
  const int64_t i = h - warp.down, j = (warp.flip ? s.w - 1 - w : w) - warp.right;
  return {i, j, within(i, 0, s.h) && within(j, 0, s.w) && !is_cut(warp, h, w)};
}

// Which pixel of y pixel (i, j) of x became.
Source backward_source(const Warp& warp, const Shape& s, int64_t i, int64_t j) {
  const int64_t h = i + warp.down, moved = j + warp.right;
  const int64_t w = warp.flip ? s.w - 1 - moved : moved;
  return {h, w, within(h, 0, s.h) && within(w, 0, s.w) && !is_cut(warp, h, w)};
}

template <class SourceOf>
void gather(const Tensor& from, const Warp* warps, const Tensor& to, Write write,
            SourceOf&& source_of) {
  const Shape& s = to.shape();
  require(from.shape() == s, "augmentation: tensors of shape ", from.shape(), " and ", s);
  parallel_for(s.n * s.h, [&](int64_t line) {
    const int64_t n = line / s.h, h = line % s.h;
    float* out = to.as<float>() + line * s.w * to.pitch();
    for (int64_t w = 0; w < s.w; ++w, out += to.pitch()) {
      const Source source = source_of(warps[n], s, h, w);
      const float* in =
          source.seen ? from.as<float>() + ((n * s.h + source.h) * s.w + source.w) * from.pitch()
                      : nullptr;
      for (int64_t c = 0; c < s.c; ++c)
        out[c] = (in ? in[c] : 0.0f) + (write == Write::accumulate ? out[c] : 0.0f);
    }
  });
}

}  // namespace

void CpuBackend::augment_forward(const Tensor& x, const Warp* warps, const Tensor& y) {
  gather(x, warps, y, Write::overwrite, forward_source);
}

void CpuBackend::augment_backward(const Tensor& dy, const Warp* warps, const Tensor& dx,
                                  Write write) {
  gather(dy, warps, dx, write, backward_source);
}

}  // namespace gan
