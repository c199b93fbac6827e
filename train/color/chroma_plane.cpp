#include "train/color/chroma_plane.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/parallel.h"
#include "kernels/cpu/simd.h"
#include "train/image/color.h"

namespace gan {
namespace {

// Where the pixels of an axis fall between those of a plane's: `first[i]` and the one after it, which
// counts for `second[i]`, 0 to 1.
struct Positions {
  std::vector<int> first;
  std::vector<float> second;

  Positions(int size, int plane_size) {
    for (int i = 0; i < size; ++i) {
      const double at = std::clamp((i + 0.5) * plane_size / size - 0.5, 0.0, plane_size - 1.0);
      first.push_back(std::min(static_cast<int>(at), std::max(0, plane_size - 2)));
      second.push_back(static_cast<float>(at - first.back()));
    }
  }
};

GAN_SIMD void mix_lines(const float* a, const float* b, float second, int count, float* out) {
  for (int x = 0; x < count; ++x) out[x] = a[x] + (b[x] - a[x]) * second;
}

// Stretches a line of the plane. Runs of pixels lie between the same two of its numbers, so the loop
// within a run has nothing to look up.
GAN_SIMD void stretch(const float* line, int line_size, const int* first, const float* second,
                      int count, float* out) {
  for (int x = 0; x < count;) {
    int end = x + 1;
    while (end < count && first[end] == first[x]) ++end;
    const float a = line[first[x]];
    const float step = line[std::min(first[x] + 1, line_size - 1)] - a;
    for (; x < end; ++x) out[x] = a + step * second[x];
  }
}

template <class T>
GAN_INLINE void luma_of(const T* row, int channels, int count, float* luma) {
  if (channels < 3) {
    for (int x = 0; x < count; ++x) luma[x] = static_cast<float>(row[x * channels]);
  } else {
    for (int x = 0; x < count; ++x, row += channels)
      luma[x] = kLumaRed * static_cast<float>(row[0]) + kLumaGreen * static_cast<float>(row[1]) +
                kLumaBlue * static_cast<float>(row[2]);
  }
}
GAN_SIMD void luma_row(const uint8_t* row, int channels, int count, float* luma) {
  luma_of(row, channels, count, luma);
}
GAN_SIMD void luma_row(const uint16_t* row, int channels, int count, float* luma) {
  luma_of(row, channels, count, luma);
}

// What is no colour counts as none, and sums of the rest stay finite.
std::vector<float> usable(std::vector<float> values, float gain) {
  constexpr float kMost = 1e4f;
  for (float& v : values) v = std::isfinite(v) ? gain * std::clamp(v, -kMost, kMost) : 0.0f;
  return values;
}

// Colours `width` x `height` pixels, rows of `from` (`channels` interleaved) to rows of `to` (RGB). The
// two may be the same memory.
template <class T>
void recolor_picture(const T* from, int channels, int width, int height, const ChromaPlane& chroma,
                     T* to) {
  require(chroma.width > 0 && chroma.height > 0, "no chroma to colour with");
  constexpr float kGain = std::numeric_limits<T>::max() / 255.0f;
  const std::vector<float> cb = usable(chroma.cb, kGain), cr = usable(chroma.cr, kGain);
  const Positions columns(width, chroma.width);
  const Positions rows(height, chroma.height);
  // Pieces that are worth a thread.
  constexpr int64_t kPiecePixels = 1 << 17;
  parallel_ranges(
      height, std::max<int64_t>(1, kPiecePixels / width), [&](int64_t begin, int64_t end) {
        std::vector<float> line(static_cast<size_t>(chroma.width));
        const auto n = static_cast<size_t>(width);
        std::vector<float> luma(n), row_cb(n), row_cr(n);
        for (auto y = static_cast<size_t>(begin); y < static_cast<size_t>(end); ++y) {
          const auto stretched = [&](const std::vector<float>& plane, std::vector<float>& out) {
            const float* a = plane.data() + static_cast<ptrdiff_t>(rows.first[y]) * chroma.width;
            const float* b = chroma.height > 1 ? a + chroma.width : a;
            mix_lines(a, b, rows.second[y], chroma.width, line.data());
            stretch(line.data(), chroma.width, columns.first.data(), columns.second.data(), width,
                    out.data());
          };
          stretched(cb, row_cb);
          stretched(cr, row_cr);
          luma_row(from + y * n * static_cast<size_t>(channels), channels, width, luma.data());
          recolor_row(luma.data(), row_cb.data(), row_cr.data(), width, to + y * n * 3);
        }
      });
}

template <class T>
void recolor_samples(Photo& photo, std::vector<T>& samples, const ChromaPlane& chroma) {
  if (photo.channels == 3) {
    recolor_picture(samples.data(), 3, photo.width, photo.height, chroma, samples.data());
    return;
  }
  std::vector<T> rgb(3 * samples.size());
  recolor_picture(samples.data(), 1, photo.width, photo.height, chroma, rgb.data());
  samples = std::move(rgb);
}

}  // namespace

Image with_chroma(const Image& photo, const ChromaPlane& chroma) {
  require_valid(photo);
  Image out(photo.width, photo.height, 3);
  recolor_picture(photo.pixels.data(), photo.channels, photo.width, photo.height, chroma,
                  out.pixels.data());
  return out;
}

Photo with_chroma(Photo photo, const ChromaPlane& chroma) {
  require_valid(photo);
  if (photo.bits == 8) {
    recolor_samples(photo, photo.samples, chroma);
  } else {
    recolor_samples(photo, photo.deep_samples, chroma);
  }
  photo.channels = 3;
  return photo;
}

}  // namespace gan
