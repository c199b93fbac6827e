// The second stages of the convolution kernels: parts that blocks left in scratch memory are added
// up, always in the same order.
//
//   reduce_splits           dw[i] = sum over splits of parts[split][i]
//   finish_statistics       mean and biased variance of every channel from those of the tiles
//   finish_gradient_sums    sums of every channel from those of the tiles
//
// Bytes: every part once. Bound by memory and latency. Predicted on an H200: layer dec1's 3 splits
// of 4.7 MB each and 4.7 MB of result, 5 us; layer dec3's 8192 tiles x 64 channels (4 MB), 3 us.
#include "kernels/cuda/conv_launch.cuh"

namespace gan::cuda {
namespace {

// Splits are dealt to `Rows` threads, for more loads at once. kSumBatch of a thread's are under way together.
constexpr int kSumBatch = 4;

template <int Columns, int Rows>
__global__ void __launch_bounds__(Columns* Rows) reduce_splits_kernel(const SplitSum sum) {
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int columns = sum.taps * sum.columns;
  const int64_t count = int64_t{sum.rows} * columns;
  const int64_t i = int64_t{blockIdx.x} * Columns + x;
  float total = 0;
  if (i < count) {
    for (int first = y; first < sum.splits; first += kSumBatch * Rows) {
      float part[kSumBatch];
      GAN_UNROLL
      for (int b = 0; b < kSumBatch; ++b) {
        const int split = first + b * Rows;
        part[b] = split < sum.splits ? gpu::ldg(sum.parts + split * count + i) : 0.0f;
      }
      GAN_UNROLL
      for (int b = 0; b < kSumBatch; ++b) total += part[b];
    }
  }
  if constexpr (Rows > 1) {
    gpu::Smem shared;
    float* const partial = shared.take<float>(Columns * Rows);
    partial[y * Columns + x] = total;
    gpu::syncthreads();  // all partial sums are written | the first row of threads reads them
    if (y > 0) return;
    for (int row = 1; row < Rows; ++row) total += partial[row * Columns + x];
  }
  if (i >= count) return;
  int64_t to = i;
  if (sum.mirrored) {
    const int64_t row = i / columns;
    const int column = static_cast<int>(i % columns);
    const int tap = column / sum.columns, channel = column % sum.columns;
    to = (int64_t{channel} * sum.taps + sum.taps - 1 - tap) * sum.rows + row;
  }
  sum.out[to] = sum.write == Write::accumulate ? sum.out[to] + total : total;
}

// Pixels of the tile whose sums are `part`.
__device__ __forceinline__ int tile_pixels(const ConvShape& shape, int tile_m, int tiles,
                                           int part) {
  const int left = shape.group[part / tiles].pixels - part % tiles * tile_m;
  return left < 0 ? 0 : left < tile_m ? left : tile_m;
}

template <ConvSums sums>
__global__ void __launch_bounds__(kFinishColumns* kFinishRows)
    finish_sums_kernel(const ConvShape shape, int tile_m, int tiles, const float* partials,
                       float* first, float* second, Write write) {
  gpu::Smem shared;
  float* const memory = shared.take<float>(2 * kFinishColumns * kFinishRows);
  const int channel = static_cast<int>(blockIdx.x) * kFinishColumns + static_cast<int>(threadIdx.x);
  const bool exists = channel < shape.out_c;
  const auto at = [&](int part, int which) {
    return gpu::ldg(partials + (int64_t{2} * part + which) * shape.out_c + channel);
  };
  // Statistics: distances of the tiles' means from the first one's, whose squares do not cancel.
  int first_part = 0;
  while (tile_pixels(shape, tile_m, tiles, first_part) == 0) first_part += tiles;
  const float origin = sums == ConvSums::statistics && exists ? at(first_part, 0) : 0.0f;
  float v[2] = {};
  int64_t pixels = 0;
  for (int part = static_cast<int>(threadIdx.y); exists && part < shape.groups * tiles;
       part += kFinishRows) {
    const int n = tile_pixels(shape, tile_m, tiles, part);
    if (n == 0) continue;  // no block left sums there
    if (sums == ConvSums::statistics) {
      const float distance = at(part, 0) - origin;
      v[0] += static_cast<float>(n) * distance;
      v[1] += at(part, 1) + static_cast<float>(n) * distance * distance;
    } else {
      v[0] += at(part, 0);
      v[1] += at(part, 1);
    }
  }
  sum_over_y(v, memory);
  if (threadIdx.y > 0 || !exists) return;
  if (sums == ConvSums::statistics) {
    for (int g = 0; g < shape.groups; ++g) pixels += shape.group[g].pixels;
    const float offset = v[0] / static_cast<float>(pixels);
    const float variance = v[1] / static_cast<float>(pixels) - offset * offset;
    first[channel] = origin + offset;
    second[channel] = variance > 0 ? variance : 0.0f;
  } else {
    first[channel] = write == Write::accumulate ? first[channel] + v[0] : v[0];
    second[channel] = write == Write::accumulate ? second[channel] + v[1] : v[1];
  }
}

template <ConvSums sums>
void finish_sums(const ConvShape& shape, int tile_m, const float* partials, float* first,
                 float* second, Write write, gpu::Stream stream) {
  int64_t tiles = 0;
  for (int g = 0; g < shape.groups; ++g)
    tiles = std::max(tiles, ceil_div(shape.group[g].pixels, tile_m));
  gpu::launch(finish_sums_kernel<sums>, finish_grid(shape.out_c), finish_block(),
              gpu::Smem::bytes<float>(2 * kFinishColumns * kFinishRows), stream, shape, tile_m,
              tiles, partials, first, second, write);
}

template <int Columns, int Rows>
void reduce_by(const SplitSum& sum, gpu::Stream stream) {
  const int64_t count = int64_t{sum.rows} * sum.taps * sum.columns;
  gpu::launch(reduce_splits_kernel<Columns, Rows>, ceil_div(count, Columns),
              gpu::Dim3(Columns, Rows), Rows > 1 ? gpu::Smem::bytes<float>(Columns * Rows) : 0,
              stream, sum);
}

}  // namespace

void reduce_splits(const SplitSum& sum, gpu::Stream stream) {
  // Many splits of few weights are dealt to many threads; of few splits a thread takes all, or most of a
  // block would idle (in a step 46 microseconds for enc5's 3 splits).
  if (sum.splits >= 64)
    reduce_by<32, 32>(sum, stream);
  else if (sum.splits > 16)
    reduce_by<32, 8>(sum, stream);
  else
    reduce_by<256, 1>(sum, stream);
}

void finish_statistics(const ConvShape& shape, int tile_m, const float* partials, float* mean,
                       float* variance, gpu::Stream stream) {
  finish_sums<ConvSums::statistics>(shape, tile_m, partials, mean, variance, Write::overwrite,
                                    stream);
}

void finish_gradient_sums(const ConvShape& shape, int tile_m, const float* partials, float* sum,
                          float* sum_normalized, Write write, gpu::Stream stream) {
  finish_sums<ConvSums::gradients>(shape, tile_m, partials, sum, sum_normalized, write, stream);
}

}  // namespace gan::cuda
