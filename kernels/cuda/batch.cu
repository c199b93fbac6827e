// A training batch out of the photo set: a window of each picked photo, perhaps mirrored, in colour
// and in gray.
//   color[n, y, x] = pixel / 255 or its Y, Cb, Cr (reference/batch.h),  gray[n, y, x] = luma8(pixel) / 255 in all three channels
// where the pixel is the photo's at row top + y and column left + x, or left + w - 1 - x when
// mirrored, each limited to the photo. photos: uint8 {P, H, W, 3}; gray, color: {N, h, w, 3}.
//
// A thread does a pixel. Bytes per pixel: 3 + 6 s, s = 2 or 4; about 40 instructions. Batch 64 of
// 128x128 in bfloat16: 1 M pixels, 16 MB, 4 us on an H200.
#include "kernels/cuda/batch.h"

#include "kernels/cuda/rows.cuh"
#include "kernels/reference/batch.h"

namespace gan::cuda {
namespace {

__device__ __forceinline__ int limit(int value, int size) {
  return value < 0 ? 0 : value < size ? value : size - 1;
}

// Pixels of a line along x, lines of all pictures along y.
template <class T>
__global__ void __launch_bounds__(kThreads)
    assemble_batch_kernel(Rows<const uint8_t> photos, Shape from, const PhotoPick* picks,
                          ColorSpace space, Shape to, Rows<T> gray, Rows<T> color) {
  const int height = static_cast<int>(to.h), width = static_cast<int>(to.w);
  const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (x >= width) return;
  const int64_t lines = to.n * to.h;
  for (int64_t line = int64_t{blockIdx.y} * blockDim.y + threadIdx.y; line < lines;
       line += int64_t{gridDim.y} * blockDim.y) {
    const int n = static_cast<int>(line) / height, y = static_cast<int>(line) - n * height;
    const PhotoPick pick = picks[n];
    float values[3], luma;
    if (pick.photo >= 0 && pick.photo < from.n) {
      const int row = limit(pick.top + y, static_cast<int>(from.h));
      const int column =
          limit(pick.left + (pick.flip ? width - 1 - x : x), static_cast<int>(from.w));
      const uint8_t* pixel = photos.at((pick.photo * from.h + row) * from.w + column, 0);
      const int red = pixel[0], green = pixel[1], blue = pixel[2];
      GAN_UNROLL
      for (int c = 0; c < 3; ++c) {
        const reference::Quotient value = reference::color_channel(space, red, green, blue, c);
        values[c] = static_cast<float>(value.numerator) / static_cast<float>(value.denominator);
      }
      luma = static_cast<float>(reference::luma8(red, green, blue)) / 255.0f;
    } else {
      values[0] = values[1] = values[2] = luma = NAN;
    }
    GAN_UNROLL
    for (int c = 0; c < 3; ++c) {
      *color.at(line * width + x, c) = from_float<T>(values[c]);
      *gray.at(line * width + x, c) = from_float<T>(luma);
    }
  }
}

}  // namespace

void assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                    const Tensor& gray, const Tensor& color, gpu::Stream stream) {
  const Shape from = photos.shape(), to = color.shape();
  check_shape("assemble_batch", "photos", photos, {from.n, from.h, from.w, 3});
  check_shape("assemble_batch", "color", color, {to.n, to.h, to.w, 3});
  check_shape("assemble_batch", "gray", gray, to);
  require(to.n * to.h <= INT32_MAX, "assemble_batch: too many pictures in ", to);
  const int64_t across = std::clamp<int64_t>(to.w, 1, kThreads), down = kThreads / across;
  const int64_t grid_x = ceil_div(to.w, across);
  with_storage_type(color.dtype(), [&]<class T>(T) {
    gpu::launch(assemble_batch_kernel<T>,
                {grid_x, std::clamp<int64_t>(ceil_div(to.n * to.h, down), 1, kMaxBlocks)},
                {across, down}, 0, stream, input<uint8_t>(photos), from, picks, space, to,
                output<T>(gray), output<T>(color));
  });
}

}  // namespace gan::cuda
