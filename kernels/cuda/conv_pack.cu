// Weights in the order in which conv_gemm reads them, many tensors in one launch.
//
//   packed[group][k][tap][c], k = the output's channels, c = the source's
//   forward         packed[k][r, s][c] = w[k][r, s][c]: a cast
//   data gradient   packed[g][k][r, s][c] = w[c][first - r*stride, first - s*stride][k]: the taps
//                   that meet one parity of the output, last first, and rows against columns
//
// Every training step packs the weights of each network once or twice, for both directions: of the
// generator 17 tensors. A kernel for each would take two to three microseconds of which the bytes account
// for a fraction, so one does them all; its blocks find their tensor by their number.
//
// Bytes: 4 in and 2 or 4 out per weight. Bound by memory: the 3.6 million weights of the generator, both
// directions in bf16, 43 MB, 12 us on an H200.
#include "kernels/cuda/conv_problem.h"
#include "kernels/cuda/rows.cuh"
#include "kernels/cuda/weights.h"

namespace gan::cuda {
namespace {

constexpr int kPackTile = 32;  // rows and columns of a tile: a warp reads or writes 32 neighbours
constexpr int kPackRows = 8;   // of threads
constexpr int kPackThreads = kPackTile * kPackRows;
constexpr int kCastEach = 4;  // weights of a thread, whose loads are under way together
constexpr int kMostJobs = 32;

// A launch's tensors; block_end[i]: the first block behind those of tensor i.
struct PackArgs {
  WeightJob job[kMostJobs];
  int block_end[kMostJobs];
};
static_assert(sizeof(PackArgs) <= 4096, "what a kernel's arguments may take");

template <class T>
__device__ __forceinline__ void cast_block(const WeightJob& job, int block) {
  const int64_t first =
      int64_t{block} * kPackThreads * kCastEach + threadIdx.y * kPackTile + threadIdx.x;
  T* const to = static_cast<T*>(job.to);
  float v[kCastEach];
  GAN_UNROLL
  for (int i = 0; i < kCastEach; ++i) {
    const int64_t at = first + i * kPackThreads;
    v[i] = at < job.count ? gpu::ldg(job.from + at) : 0.0f;
  }
  GAN_UNROLL
  for (int i = 0; i < kCastEach; ++i) {
    const int64_t at = first + i * kPackThreads;
    if (at < job.count) to[at] = from_float<T>(v[i]);
  }
}

// Blocks: tiles along k fastest, then along c, then the taps of all groups.
template <class T>
__device__ __forceinline__ void transpose_block(const WeightJob& job, int block, float* tile) {
  const int tiles_k = (job.columns + kPackTile - 1) / kPackTile;
  const int tiles_c = (job.rows + kPackTile - 1) / kPackTile;
  const int k0 = block % tiles_k * kPackTile, c0 = block / tiles_k % tiles_c * kPackTile;
  int g = 0, tap = block / (tiles_k * tiles_c);
  while (tap >= job.group[g].taps) tap -= job.group[g++].taps;
  const WeightJob::Group& group = job.group[g];
  const int r = group.first_h + tap / group.taps_w * job.step;
  const int s = group.first_w + tap % group.taps_w * job.step;
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  for (int row = y; row < kPackTile; row += kPackRows) {
    const int c = c0 + row, k = k0 + x;
    if (c < job.rows && k < job.columns)
      tile[row * (kPackTile + 1) + x] =
          gpu::ldg(job.from + ((int64_t{c} * job.kernel + r) * job.kernel + s) * job.columns + k);
  }
  gpu::syncthreads();  // rows are written | columns are read
  T* const to = static_cast<T*>(job.to) + group.begin;
  for (int row = y; row < kPackTile; row += kPackRows) {
    const int k = k0 + row, c = c0 + x;
    if (c < job.rows && k < job.columns)
      to[(int64_t{k} * group.taps + tap) * job.rows + c] =
          from_float<T>(tile[x * (kPackTile + 1) + row]);
  }
}

template <class T>
__global__ void __launch_bounds__(kPackThreads) pack_weights_kernel(const PackArgs args) {
  gpu::Smem shared;
  // One column more, so that a column's elements lie in different banks.
  float* const tile = shared.take<float>(kPackTile * (kPackTile + 1));
  const int number = static_cast<int>(blockIdx.x);
  int i = 0;
  while (number >= args.block_end[i]) ++i;
  const int block = number - (i == 0 ? 0 : args.block_end[i - 1]);
  if (args.job[i].groups == 0)
    cast_block<T>(args.job[i], block);
  else
    transpose_block<T>(args.job[i], block, tile);
}

int64_t blocks_of(const WeightJob& job) {
  if (job.groups == 0) return ceil_div(job.count, kPackThreads * kCastEach);
  int64_t taps = 0;
  for (int g = 0; g < job.groups; ++g) taps += job.group[g].taps;
  return ceil_div(job.columns, kPackTile) * ceil_div(job.rows, kPackTile) * taps;
}

}  // namespace

WeightJob cast_job(const Tensor& w, void* to) {
  WeightJob job;
  job.from = w.as<float>();
  job.to = to;
  job.count = w.elements();
  return job;
}

WeightJob data_gradient_job(const ConvGeometry& geometry, const ConvShape& shape, const Tensor& w,
                            void* to) {
  WeightJob job = cast_job(w, to);
  job.rows = shape.source_c;
  job.columns = shape.out_c;
  job.kernel = static_cast<int8_t>(geometry.kernel);
  job.step = static_cast<int8_t>(-geometry.stride);
  job.groups = static_cast<int8_t>(shape.groups);
  for (int g = 0; g < shape.groups; ++g) {
    const ConvGroup& group = shape.group[g];
    const TapOrder order = data_gradient_taps(geometry, group);
    require(order.step == job.step && std::in_range<int>(group.weights),
            "packing weights: too many of them");
    job.group[g] = {static_cast<int>(group.weights), static_cast<int8_t>(group.taps()),
                    static_cast<int8_t>(group.taps_w), static_cast<int8_t>(order.first_h),
                    static_cast<int8_t>(order.first_w)};
  }
  return job;
}

void pack_weights(std::span<const WeightJob> jobs, DType dtype, gpu::Stream stream) {
  while (!jobs.empty()) {
    PackArgs args;
    int64_t blocks = 0;
    const size_t count = std::min<size_t>(jobs.size(), kMostJobs);
    for (size_t i = 0; i < count; ++i) {
      args.job[i] = jobs[i];
      blocks += blocks_of(jobs[i]);
      require(std::in_range<int>(blocks), "packing weights: too many of them");
      args.block_end[i] = static_cast<int>(blocks);
    }
    with_storage_type(dtype, [&]<class T>(T) {
      gpu::launch(pack_weights_kernel<T>, blocks, gpu::Dim3(kPackTile, kPackRows),
                  gpu::Smem::bytes<float>(kPackTile * (kPackTile + 1)), stream, args);
    });
    jobs = jobs.subspan(count);
  }
}

}  // namespace gan::cuda
