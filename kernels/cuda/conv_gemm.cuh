// Convolution and its data gradient as an implicit matrix product.
//
//   sums[m, k] = sum over tap r, s and c of source[pixel(m) + (r, s), c] * weights[k, (r, s, c)]
//
// M = output pixels of a group (conv_problem.h), N = output channels, K = taps x source channels.
// Nothing is unfolded in memory: a row's address is that of its window, a step along K only moves
// through channels and taps. Taps outside the picture are copied as zeros, by a mask of one bit per
// tap computed once per row.
//
// Bytes, if every operand moved once: source + weights + out; a source pixel is really read once
// per tap and per block of N, from the L2 cache. Operations: 2 * M * N * K.
// Bound by the tensor cores from about 64 channels on. Predicted for layer enc4 (32x32, 128 -> 256,
// batch 64; 38.7 GFLOP) on an H200: 49 us at the measured peak of 790 TFLOP/s, which mma.sync cannot
// reach; at the 350 TFLOP/s that are realistic for it, 110 us.
//
// Few pixels make few tiles. Then the sum is split among blocks: each leaves its part in scratch memory,
// and the last one of a tile to arrive adds the parts up, in order. Or the blocks of a tile are a cluster: each
// reads its share of the rows out of the others' shared memory, in the same order.
//
// Pipeline: kStages tiles of both operands in shared memory; cp.async fills one that is free while the
// others are multiplied, one barrier a step.
#pragma once

#include "kernels/cuda/cluster.h"
#include "kernels/cuda/conv_epilogue.cuh"
#include "kernels/cuda/conv_problem.h"
#include "kernels/cuda/conv_units.cuh"

namespace gan::cuda {

enum class ConvLoad : uint8_t {
  copy,       // 16-byte packets straight to shared memory
  normalize,  // the same, then every thread normalizes the packets it copied
  gather,     // single elements, for any channel count and alignment
};

// act(scale[c] * value + shift[c]); no scale: the value itself.
struct PrologueArgs {
  const float *scale = nullptr, *shift = nullptr;
  Activation act = Activation::none;
};

template <class T>
struct GemmArgs {
  ConvShape shape;
  const T* source = nullptr;
  const T* weights = nullptr;
  PrologueArgs prologue;
  EpilogueArgs<T> epilogue;
  int splits = 1;          // of the sum; no group has fewer steps
  float* parts = nullptr;  // [tiles of all groups][splits][kM][kN], for more than one split
  // Of the blocks of each tile, how many have left their part; see Scratch.
  unsigned* arrivals = nullptr;
  bool in_clusters = false;  // the blocks of a split sum are a cluster: no parts, no arrivals
};

// A position on the K axis: a channel of a tap.
struct TapWalk {
  int channel, tap, tap_w;
  int offset;  // source pixels from the window's first to this tap's

  __device__ __forceinline__ TapWalk(const ConvShape& shape, const ConvGroup& group, int k)
      : channel(0), tap(0), tap_w(0), offset(0) {
    advance(shape, group, k);
  }
  __device__ __forceinline__ void advance(const ConvShape& shape, const ConvGroup& group, int by) {
    channel += by;
    while (channel >= shape.source_c) {
      channel -= shape.source_c;
      ++tap;
      ++offset;
      if (++tap_w == group.taps_w) {
        tap_w = 0;
        offset += shape.source_w - group.taps_w;
      }
    }
  }
};

// Bit t is set when tap t of the window that begins at source pixel (h, w) is inside the picture.
__device__ __forceinline__ unsigned tap_mask(const ConvShape& shape, const ConvGroup& group, int h,
                                             int w) {
  unsigned mask = 0, bit = 1;
  for (int r = 0; r < group.taps_h; ++r) {
    for (int s = 0; s < group.taps_w; ++s, bit <<= 1) {
      const bool inside = static_cast<unsigned>(h + r) < static_cast<unsigned>(shape.source_h) &&
                          static_cast<unsigned>(w + s) < static_cast<unsigned>(shape.source_w);
      if (inside) mask |= bit;
    }
  }
  return mask;
}

// Where the rows of a block's tile begin in the source and end up in the output.
struct RowTable {
  int* source;     // source pixel of the window's first tap, possibly outside
  unsigned* mask;  // see tap_mask
  int* out;        // output pixel, -1 past the last
};
template <class Tile>
__device__ __forceinline__ void fill_rows(const ConvShape& shape, const ConvGroup& group, int m0,
                                          const RowTable& rows) {
  for (int row = static_cast<int>(threadIdx.x); row < Tile::kM; row += Tile::kThreads) {
    rows.source[row] = 0;
    rows.mask[row] = 0;
    rows.out[row] = -1;
    if (m0 + row >= group.pixels) continue;
    const ConvPixel p = pixel_of(group, m0 + row);
    const int h = p.row * shape.stride - group.pad_h, w = p.column * shape.stride - group.pad_w;
    rows.source[row] = (p.picture * shape.source_h + h) * shape.source_w + w;
    rows.mask[row] = tap_mask(shape, group, h, w);
    rows.out[row] =
        (p.picture * shape.out_h + group.first_h + p.row * shape.out_step) * shape.out_w +
        group.first_w + p.column * shape.out_step;
  }
}

__device__ __forceinline__ float normalize(const PrologueArgs& prologue, int channel, float value) {
  return activate(prologue.act,
                  gpu::ldg(prologue.scale + channel) * value + gpu::ldg(prologue.shift + channel));
}

// N neighbouring channels; scale and shift are 16-byte aligned, `channel` is a multiple of 4.
template <int N>
__device__ __forceinline__ void normalize_values(const PrologueArgs& prologue, int channel,
                                                 float (&v)[N]) {
  GAN_UNROLL
  for (int i = 0; i < N; i += 4) {
    const auto scale = gpu::load_packet_nc(prologue.scale + channel + i);
    const auto shift = gpu::load_packet_nc(prologue.shift + channel + i);
    GAN_UNROLL
    for (int e = 0; e < 4; ++e)
      v[i + e] = activate(prologue.act, scale.v[e] * v[i + e] + shift.v[e]);
  }
}

// Normalizes a packet in shared memory, channels `channel` and up.
template <class T>
__device__ __forceinline__ void normalize_packet(const PrologueArgs& prologue, int channel, T* at) {
  float v[16 / sizeof(T)];
  unpack(gpu::load_packet(at), v);
  normalize_values(prologue, channel, v);
  gpu::store_packet(at, pack(v));
}

// Fills one stage after the other with tiles of the two operands, packet by packet.
template <class Unit, bool Normalize>
class PacketLoader {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kAcross = Tile::kK / kVector;  // packets side by side along K
  static constexpr int kRowStep = Tile::kThreads / kAcross;
  static constexpr int kRowsA = Tile::kM / kRowStep, kRowsB = Tile::kN / kRowStep;
  static_assert(Tile::kM % kRowStep == 0 && Tile::kN % kRowStep == 0, "whole passes");
  static_assert(kRowStep % 8 == 0, "a thread's rows are swizzled alike");

 public:
  __device__ __forceinline__ PacketLoader(const GemmArgs<T>& args, const ConvGroup& group,
                                          const RowTable& rows, int channel0, int k0)
      : k_(k0 + static_cast<int>(threadIdx.x) % kAcross * kVector),
        copied_(args.shape, group, k_),
        normalized_(copied_) {
    const int row = static_cast<int>(threadIdx.x) / kAcross;
    at_ = kVector * swizzled<kAcross>(row, static_cast<int>(threadIdx.x) % kAcross);
    weights_ = args.weights + group.weights +
               static_cast<int64_t>(channel0 + row) * length(args, group) + k_;
    channels_left_ = args.shape.out_c - channel0 - row;
    GAN_UNROLL
    for (int i = 0; i < kRowsA; ++i) {
      source_[i] = rows.source[row + kRowStep * i];
      mask_[i] = rows.mask[row + kRowStep * i];
    }
  }

  // Starts the copies of the next step.
  __device__ __forceinline__ void load(const GemmArgs<T>& args, const ConvGroup& group, T* a,
                                       T* b) {
    const T* const tap = args.source + copied_.channel;
    GAN_UNROLL
    for (int i = 0; i < kRowsA; ++i) {
      const bool inside = mask_[i] >> copied_.tap & 1;
      const T* const from =
          inside ? tap + static_cast<int64_t>(source_[i] + copied_.offset) * args.shape.source_pitch
                 : args.source;
      gpu::cp_async<16>(a + at(i), from, inside ? 16 : 0);
    }
    const int sum_length = length(args, group);
    GAN_UNROLL
    for (int i = 0; i < kRowsB; ++i) {
      const bool inside = k_ < sum_length && kRowStep * i < channels_left_;
      const T* const from =
          inside ? weights_ + static_cast<int64_t>(kRowStep * i) * sum_length : args.weights;
      gpu::cp_async<16>(b + at(i), from, inside ? 16 : 0);
    }
    k_ += Tile::kK;
    weights_ += Tile::kK;
    copied_.advance(args.shape, group, Tile::kK);
  }

  // After the wait for a step's copies, before the barrier: only this thread's own packets.
  __device__ __forceinline__ void arrived(const GemmArgs<T>& args, const ConvGroup& group, T* a) {
    if constexpr (Normalize) {
      GAN_UNROLL
      for (int i = 0; i < kRowsA; ++i)
        if (mask_[i] >> normalized_.tap & 1)
          normalize_packet(args.prologue, normalized_.channel, a + at(i));
      normalized_.advance(args.shape, group, Tile::kK);
    }
  }

 private:
  static __device__ __forceinline__ int length(const GemmArgs<T>& args, const ConvGroup& group) {
    return group.taps() * args.shape.source_c;
  }
  __device__ __forceinline__ int at(int i) const { return at_ + kVector * kAcross * kRowStep * i; }

  int k_, at_, channels_left_;
  TapWalk copied_, normalized_;
  const T* weights_;
  int source_[kRowsA];
  unsigned mask_[kRowsA];
};

// The same element by element: slow, but takes any channel count. The few channels of a photo have
// kernels of their own in bf16 (conv_few.cu).
template <class Unit>
class ElementLoader {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kRowStep = Tile::kThreads / Tile::kK;

 public:
  __device__ __forceinline__ ElementLoader(const GemmArgs<T>& args, const ConvGroup& group,
                                           const RowTable& rows, int channel0, int k0)
      : column_(static_cast<int>(threadIdx.x) % Tile::kK),
        row_(static_cast<int>(threadIdx.x) / Tile::kK),
        channel0_(channel0),
        k_(k0 + column_),
        length_(group.taps() * args.shape.source_c),
        walk_(args.shape, group, k_),
        rows_(rows) {}

  __device__ __forceinline__ void load(const GemmArgs<T>& args, const ConvGroup& group, T* a,
                                       T* b) {
    const bool inside = k_ < length_;
    for (int row = row_; row < Tile::kM; row += kRowStep) {
      T value = from_float<T>(0.0f);
      if (inside && rows_.mask[row] >> walk_.tap & 1) {
        value = gpu::ldg(args.source +
                         static_cast<int64_t>(rows_.source[row] + walk_.offset) *
                             args.shape.source_pitch +
                         walk_.channel);
        if (args.prologue.scale)
          value = from_float<T>(normalize(args.prologue, walk_.channel, as_float(value)));
      }
      a[at(row)] = value;
    }
    for (int row = row_; row < Tile::kN; row += kRowStep) {
      const int channel = channel0_ + row;
      b[at(row)] = inside && channel < args.shape.out_c
                       ? gpu::ldg(args.weights + group.weights +
                                  static_cast<int64_t>(channel) * length_ + k_)
                       : from_float<T>(0.0f);
    }
    k_ += Tile::kK;
    walk_.advance(args.shape, group, Tile::kK);
  }
  __device__ __forceinline__ void arrived(const GemmArgs<T>&, const ConvGroup&, T*) {}

 private:
  __device__ __forceinline__ int at(int row) const {
    return kVector * swizzled<Tile::kK / kVector>(row, column_ / kVector) + column_ % kVector;
  }

  int column_, row_, channel0_, k_, length_;
  TapWalk walk_;
  RowTable rows_;
};

// The sums of a tile whose sum is split: false for all blocks but the one that holds them afterwards, which
// sets `arrivals`, the tile's, back to zero. flag: one shared word.
template <class Tile>
__device__ __forceinline__ bool join_splits(float* tile, float* parts, unsigned* arrivals,
                                            int index, int splits, int* flag) {
  constexpr int kArea = Tile::kM * Tile::kN, kVector = 4;
  static_assert(kArea % (Tile::kThreads * kVector) == 0, "whole packets for every thread");
  const int thread = static_cast<int>(threadIdx.x);
  float* const tile_parts = parts + int64_t{index} * splits * kArea;
  float* const mine = tile_parts + static_cast<int64_t>(blockIdx.y) * kArea;
  const auto at = [&](int i) { return tile + i / Tile::kN * kSumPitch<Tile> + i % Tile::kN; };
  for (int i = thread * kVector; i < kArea; i += Tile::kThreads * kVector)
    gpu::store_packet(mine + i, gpu::load_packet(at(i)));
  gpu::threadfence();
  gpu::syncthreads();  // all of this part is written | it is announced
  if (thread == 0) *flag = gpu::atomic_add(arrivals, 1u) + 1 == static_cast<unsigned>(splits);
  gpu::syncthreads();  // the flag is written | all read it
  if (*flag == 0) return false;
  gpu::threadfence();  // the count | the other blocks' parts
  if (thread == 0) gpu::atomic_exch(arrivals, 0u);
  // A thread's packets of one part are loaded together: one after the other they would take longer than
  // the splitting saves.
  constexpr int kPackets = kArea / (Tile::kThreads * kVector);
  gpu::Packet<float> sum[kPackets] = {};
  for (int s = 0; s < splits; ++s) {
    const float* const part = tile_parts + int64_t{s} * kArea + thread * kVector;
    gpu::Packet<float> next[kPackets];
    GAN_UNROLL
    for (int p = 0; p < kPackets; ++p)
      next[p] = gpu::load_packet(part + p * Tile::kThreads * kVector);
    GAN_UNROLL
    for (int p = 0; p < kPackets; ++p) {
      GAN_UNROLL
      for (int e = 0; e < kVector; ++e) sum[p].v[e] += next[p].v[e];
    }
  }
  GAN_UNROLL
  for (int p = 0; p < kPackets; ++p)
    gpu::store_packet(at((p * Tile::kThreads + thread) * kVector), sum[p]);
  gpu::syncthreads();  // the sums are written | read by the epilogue in another order
  return true;
}

// The same of blocks that are a cluster: each adds up some of the tile's rows, which it returns. Before it ends
// it has to wait for the cluster, whose other blocks read its sums.
struct RowRange {
  int first, last;
};
template <class Tile>
__device__ __forceinline__ RowRange join_cluster(float* tile, int splits) {
  constexpr int kVector = 4, kAcross = Tile::kN / kVector;
  const int rank = static_cast<int>(blockIdx.y);
  const RowRange rows = {Tile::kM * rank / splits, Tile::kM * (rank + 1) / splits};
  gpu::sync_cluster();  // all blocks' sums are written | read by the others
  for (int i = static_cast<int>(threadIdx.x); i < (rows.last - rows.first) * kAcross;
       i += Tile::kThreads) {
    float* const at = tile + (rows.first + i / kAcross) * kSumPitch<Tile> + i % kAcross * kVector;
    gpu::Packet<float> part[gpu::kMostInCluster] = {};
    GAN_UNROLL
    for (int s = 0; s < gpu::kMostInCluster; ++s)
      if (s < splits) part[s] = gpu::load_packet(gpu::cluster_shared(at, s));
    gpu::Packet<float> sum = {};
    GAN_UNROLL
    for (int s = 0; s < gpu::kMostInCluster; ++s) {
      GAN_UNROLL
      for (int e = 0; e < kVector; ++e) sum.v[e] += part[s].v[e];
    }
    gpu::store_packet(at, sum);  // nobody else reads these rows of this block
  }
  gpu::arrive_at_cluster();  // the others' sums are read
  gpu::syncthreads();        // the sums are written | read by the epilogue in another order
  return rows;
}

template <class Unit>
struct GemmMemory {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  static constexpr int kStageElements = (Tile::kM + Tile::kN) * Tile::kK;
  // The stages, and after the last step the sums in their place.
  static constexpr size_t kSharedBytes =
      std::max(sizeof(T) * kStageElements * Tile::kStages,
               sizeof(float) * static_cast<size_t>(Tile::kM * kSumPitch<Tile>));
  static constexpr size_t kBytes =
      gpu::Smem::bytes<unsigned char>(kSharedBytes) + 3 * gpu::Smem::bytes<int>(Tile::kM);
};

// Grid: (blocks along N fastest, then along M; splits; groups).
template <class Unit, ConvLoad Load>
__global__ void __launch_bounds__(Unit::Tile::kThreads, Unit::Tile::kBlocks)
    conv_gemm(const GemmArgs<typename Unit::Element> args, int blocks_n) {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  using Memory = GemmMemory<Unit>;
  using Loader = std::conditional_t<Load == ConvLoad::gather, ElementLoader<Unit>,
                                    PacketLoader<Unit, Load == ConvLoad::normalize>>;
  constexpr int kStages = Tile::kStages;
  constexpr int kAhead = kStages - 1 - Unit::kInFlight;  // steps whose copies are under way

  gpu::Smem shared;
  auto* const memory = shared.take<unsigned char>(static_cast<int>(Memory::kSharedBytes));
  const RowTable rows = {shared.take<int>(Tile::kM), shared.take<unsigned>(Tile::kM),
                         shared.take<int>(Tile::kM)};
  auto* const stages = reinterpret_cast<T*>(memory);

  const ConvGroup& group = args.shape.group[blockIdx.z];
  const int block_m = static_cast<int>(blockIdx.x) / blocks_n;
  const int m0 = block_m * Tile::kM;
  const int channel0 = static_cast<int>(blockIdx.x) % blocks_n * Tile::kN;
  // Groups of odd extents differ in size; the grid has room for the largest.
  if (m0 >= group.pixels) return;

  fill_rows<Tile>(args.shape, group, m0, rows);
  gpu::syncthreads();  // the row table is written | read by the loaders and the epilogue

  // A group that no tap reaches has one step of zeros: the compiler keeps sums that products are still
  // being added to in their registers only when it sees that there always is a step.
  const int terms = group.taps() * args.shape.source_c;
  const int all_steps = terms > Tile::kK ? (terms + Tile::kK - 1) / Tile::kK : 1;
  const int split = static_cast<int>(blockIdx.y);
  const int first_step = all_steps * split / args.splits;
  const int steps = all_steps * (split + 1) / args.splits - first_step;

  Loader loader(args, group, rows, channel0, first_step * Tile::kK);
  Unit unit;
  GAN_UNROLL
  for (int s = 0; s < kAhead; ++s) {
    T* const stage = stages + s * Memory::kStageElements;
    if (s < steps) loader.load(args, group, stage, stage + Tile::kM * Tile::kK);
    gpu::cp_async_commit();
  }
  int using_stage = 0, filling_stage = kAhead, step = 0;
  do {
    T* const current = stages + using_stage * Memory::kStageElements;
    gpu::cp_async_wait<kAhead - 1>();  // this step's copies, the oldest, are there
    loader.arrived(args, group, current);
    Unit::publish();
    gpu::syncthreads();  // all threads' copies of this step | their reads by the product;
                         // and the reads of the last step that is done | the copies over it
    if constexpr (Unit::kInFlight > 0) unit.multiply(current, current + Tile::kM * Tile::kK);
    if (step + kAhead < steps) {
      T* const free = stages + filling_stage * Memory::kStageElements;
      loader.load(args, group, free, free + Tile::kM * Tile::kK);
    }
    gpu::cp_async_commit();  // possibly empty, so that the wait above always counts alike
    if constexpr (Unit::kInFlight == 0) unit.multiply(current, current + Tile::kM * Tile::kK);
    unit.template wait<Unit::kInFlight>();
    using_stage = using_stage + 1 == kStages ? 0 : using_stage + 1;
    filling_stage = filling_stage + 1 == kStages ? 0 : filling_stage + 1;
  } while (++step < steps);
  unit.template wait<0>();
  gpu::cp_async_wait<0>();
  gpu::syncthreads();  // the last step's reads | the sums written in their place
  auto* const sums = reinterpret_cast<float*>(memory);
  unit.store(sums);
  gpu::syncthreads();  // the sums are written | read by the epilogue in another order

  RowRange mine = {0, Tile::kM};
  if (args.in_clusters) {
    mine = join_cluster<Tile>(sums, args.splits);
  } else if (args.splits > 1) {
    const int index = static_cast<int>(blockIdx.z * gridDim.x + blockIdx.x);
    if (!join_splits<Tile>(sums, args.parts, args.arrivals + index, index, args.splits,
                           rows.source))
      return;
  }
  const int left = group.pixels - m0, last = left < mine.last ? left : mine.last;
  const int64_t blocks_m = gridDim.x / blocks_n;
  if (last > mine.first)
    finish_tile<Tile>(args.shape, args.epilogue, sums + mine.first * kSumPitch<Tile>,
                      rows.out + mine.first, channel0, last - mine.first,
                      blockIdx.z * blocks_m + block_m);
  if (args.in_clusters) gpu::wait_for_cluster();  // others have read these sums | the block ends
}

}  // namespace gan::cuda
