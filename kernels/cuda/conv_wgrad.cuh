// The weight gradient of a convolution as an implicit matrix product over pixels.
//
//   dw[k, (r, s, c)] = sum over output pixels m of slope[m, k] * source[pixel(m) + (r, s), c]
//
// M = output channels k, N = taps x source channels, K = pixels. Both operands are read channels
// last, so the sum index is the slow one in shared memory (Order::k_outer).
//
// The result is small and the sum long (128 x 576 numbers out of 262144 terms for layer enc2 at
// batch 64), so the pixels are split among blocks; each leaves its part in scratch memory, and
// reduce_splits (conv_reduce.cu) adds the parts in order.
//
// Bytes, if every operand moved once: source + slope, and 8 * splits * M * N for the parts. A source
// pixel is really read once per tap, from the L2 cache. Operations: 2 * M * N * K. Bound by the
// tensor cores. Predicted for layer enc4 (batch 64; 38.7 GFLOP) on an H200: 110 us, as forward, and
// 4 us for 3.5 MB of parts per split.
#pragma once

#include "kernels/cuda/conv_gemm.cuh"

namespace gan::cuda {

template <class T>
struct WgradArgs {
  ConvShape shape;  // of the forward convolution source -> slope
  const T* source = nullptr;
  const T* slope = nullptr;
  PrologueArgs source_prologue, slope_prologue;
  float* parts = nullptr;  // [splits][out_c][taps * source_c]
  int split_pixels = 0;    // a multiple of the tile's K
};

// Loads a [K][M] tile of the slope: pixels m.. of channels channel0...
template <class Unit, bool Normalize>
class SlopePackets {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kAcross = Tile::kM / kVector;
  static constexpr int kRowStep = Tile::kThreads / kAcross;
  static_assert(Tile::kThreads % kAcross == 0 && Tile::kK % kRowStep == 0, "whole passes");

 public:
  __device__ __forceinline__ SlopePackets(const WgradArgs<T>& args, int channel0, int first)
      : chunk_(static_cast<int>(threadIdx.x) % kAcross),
        row_(static_cast<int>(threadIdx.x) / kAcross),
        channel_(channel0 + chunk_ * kVector),
        arrived_(first + row_) {
    if (channel_ >= args.shape.out_c) channel_ = -1;
  }

  __device__ __forceinline__ void load(const WgradArgs<T>& args, int m, int end, int, T* tile) {
    GAN_UNROLL
    for (int row = 0; row < Tile::kK; row += kRowStep) {
      const int pixel = m + row_ + row;
      const bool inside = pixel < end && channel_ >= 0;
      const T* const from =
          inside ? args.slope + static_cast<int64_t>(pixel) * args.shape.out_pitch + channel_
                 : args.slope;
      gpu::cp_async<16>(tile + at(row_ + row), from, inside ? 16 : 0);
    }
  }
  // After the wait for a step's copies, before the barrier: only this thread's own packets.
  __device__ __forceinline__ void arrived(const WgradArgs<T>& args, int end, int, T* tile) {
    if constexpr (Normalize) {
      if (args.slope_prologue.scale && channel_ >= 0) {
        GAN_UNROLL
        for (int row = 0; row < Tile::kK; row += kRowStep)
          if (arrived_ + row < end)
            normalize_packet(args.slope_prologue, channel_, tile + at(row_ + row));
      }
      arrived_ += Tile::kK;
    }
  }

 private:
  __device__ __forceinline__ int at(int row) const {
    return kVector * Unit::template chunk_at<kAcross>(row, chunk_);
  }

  int chunk_, row_, channel_, arrived_;
};

// The same element by element.
template <class Unit>
class SlopeElements {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  static constexpr int kVector = 16 / sizeof(T);

 public:
  __device__ __forceinline__ SlopeElements(const WgradArgs<T>&, int channel0, int)
      : channel0_(channel0) {}

  __device__ __forceinline__ void load(const WgradArgs<T>& args, int m, int end, int, T* tile) {
    for (int i = static_cast<int>(threadIdx.x); i < Tile::kK * Tile::kM; i += Tile::kThreads) {
      const int row = i / Tile::kM, column = i % Tile::kM, channel = channel0_ + column;
      T value = from_float<T>(0.0f);
      if (m + row < end && channel < args.shape.out_c) {
        value =
            gpu::ldg(args.slope + static_cast<int64_t>(m + row) * args.shape.out_pitch + channel);
        if (args.slope_prologue.scale)
          value = from_float<T>(normalize(args.slope_prologue, channel, as_float(value)));
      }
      tile[kVector * Unit::template chunk_at<Tile::kM / kVector>(row, column / kVector) +
           column % kVector] = value;
    }
  }
  __device__ __forceinline__ void arrived(const WgradArgs<T>&, int, int, T*) {}

 private:
  int channel0_;
};

// A column of the N axis: a channel of a tap.
struct TapColumn {
  int channel = 0, r = 0, s = 0;
  bool exists = false;

  __device__ __forceinline__ TapColumn(const ConvShape& shape, int column) {
    const ConvGroup& group = shape.group[0];
    const int tap = column / shape.source_c;
    channel = column - tap * shape.source_c;
    r = tap / group.taps_w;
    s = tap - r * group.taps_w;
    exists = tap < group.taps();
  }
  // The source pixel that output pixel m meets in this tap, or -1 outside the picture.
  __device__ __forceinline__ int source_pixel(const ConvShape& shape, int m) const {
    const ConvGroup& group = shape.group[0];
    const ConvPixel p = pixel_of(group, m);
    const int h = p.row * shape.stride - group.pad_h + r;
    const int w = p.column * shape.stride - group.pad_w + s;
    const bool inside = static_cast<unsigned>(h) < static_cast<unsigned>(shape.source_h) &&
                        static_cast<unsigned>(w) < static_cast<unsigned>(shape.source_w);
    return inside ? (p.picture * shape.source_h + h) * shape.source_w + w : -1;
  }
};

// Loads a [K][N] tile of the source: what pixels m.. meet in columns column0...
template <class Unit, bool Normalize>
class SourcePackets {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kAcross = Tile::kN / kVector;
  static constexpr int kRowStep = Tile::kThreads / kAcross;
  static constexpr int kRows = Tile::kK / kRowStep;
  static_assert(Tile::kThreads % kAcross == 0 && Tile::kK % kRowStep == 0, "whole passes");
  static_assert(kRows * Tile::kStages <= 32, "one bit for every packet under way");

 public:
  __device__ __forceinline__ SourcePackets(const WgradArgs<T>& args, int column0)
      : chunk_(static_cast<int>(threadIdx.x) % kAcross),
        row_(static_cast<int>(threadIdx.x) / kAcross),
        column_(args.shape, column0 + chunk_ * kVector) {}

  __device__ __forceinline__ void load(const WgradArgs<T>& args, int m, int end, int stage,
                                       T* tile) {
    unsigned bits = 0;
    GAN_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const int pixel_m = m + row_ + kRowStep * i;
      const int pixel =
          pixel_m < end && column_.exists ? column_.source_pixel(args.shape, pixel_m) : -1;
      const T* const from = pixel >= 0 ? args.source +
                                             static_cast<int64_t>(pixel) * args.shape.source_pitch +
                                             column_.channel
                                       : args.source;
      gpu::cp_async<16>(tile + at(i), from, pixel >= 0 ? 16 : 0);
      if (pixel >= 0) bits |= 1u << i;
    }
    if constexpr (Normalize) {
      const int shift = kRows * stage;
      inside_ = (inside_ & ~(((1u << kRows) - 1) << shift)) | bits << shift;
    }
  }
  __device__ __forceinline__ void arrived(const WgradArgs<T>& args, int stage, T* tile) {
    if constexpr (Normalize) {
      if (!args.source_prologue.scale) return;
      GAN_UNROLL
      for (int i = 0; i < kRows; ++i)
        if (inside_ >> (kRows * stage + i) & 1)
          normalize_packet(args.source_prologue, column_.channel, tile + at(i));
    }
  }

 private:
  __device__ __forceinline__ int at(int i) const {
    return kVector * Unit::template chunk_at<kAcross>(row_ + kRowStep * i, chunk_);
  }

  int chunk_, row_;
  TapColumn column_;
  unsigned inside_ = 0;  // kRows bits for each stage: packets that hold pixels, not padding
};

// The same element by element.
template <class Unit>
class SourceElements {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  static constexpr int kVector = 16 / sizeof(T);
  static constexpr int kRowStep = Tile::kThreads / Tile::kN;

 public:
  __device__ __forceinline__ SourceElements(const WgradArgs<T>& args, int column0)
      : in_tile_(static_cast<int>(threadIdx.x) % Tile::kN),
        row_(static_cast<int>(threadIdx.x) / Tile::kN),
        column_(args.shape, column0 + in_tile_) {}

  __device__ __forceinline__ void load(const WgradArgs<T>& args, int m, int end, int, T* tile) {
    for (int row = row_; row < Tile::kK; row += kRowStep) {
      const int pixel =
          m + row < end && column_.exists ? column_.source_pixel(args.shape, m + row) : -1;
      T value = from_float<T>(0.0f);
      if (pixel >= 0) {
        value = gpu::ldg(args.source + static_cast<int64_t>(pixel) * args.shape.source_pitch +
                         column_.channel);
        if (args.source_prologue.scale)
          value = from_float<T>(normalize(args.source_prologue, column_.channel, as_float(value)));
      }
      tile[kVector * Unit::template chunk_at<Tile::kN / kVector>(row, in_tile_ / kVector) +
           in_tile_ % kVector] = value;
    }
  }
  __device__ __forceinline__ void arrived(const WgradArgs<T>&, int, T*) {}

 private:
  int in_tile_, row_;
  TapColumn column_;
};

enum class WgradLoad : uint8_t {
  copy,           // packets
  normalize,      // packets, then normalized where a prologue asks for it
  gather_source,  // elements of the source; the slope in packets
  gather,         // elements of both
};

template <class Unit>
struct WgradMemory {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  static constexpr int kStageElements = (Tile::kM + Tile::kN) * Tile::kK;
  static constexpr size_t kSharedBytes =
      std::max(sizeof(T) * kStageElements * Tile::kStages,
               sizeof(float) * static_cast<size_t>(Tile::kM * kSumPitch<Tile>));
  static constexpr size_t kBytes = gpu::Smem::bytes<unsigned char>(kSharedBytes);
};

// Grid: (blocks along M fastest, then along N; 1; splits).
template <class Unit, WgradLoad Load>
__global__ void __launch_bounds__(Unit::Tile::kThreads, Unit::Tile::kBlocks)
    conv_wgrad(const WgradArgs<typename Unit::Element> args, int blocks_m) {
  using Tile = typename Unit::Tile;
  using T = typename Unit::Element;
  using Memory = WgradMemory<Unit>;
  constexpr bool kNormalize = Load != WgradLoad::copy;
  using Slope = std::conditional_t<Load == WgradLoad::gather, SlopeElements<Unit>,
                                   SlopePackets<Unit, kNormalize>>;
  constexpr bool kPackets = Load == WgradLoad::copy || Load == WgradLoad::normalize;
  using Source =
      std::conditional_t<kPackets, SourcePackets<Unit, kNormalize>, SourceElements<Unit>>;
  constexpr int kStages = Tile::kStages;
  constexpr int kAhead = kStages - 1 - Unit::kInFlight;  // steps whose copies are under way

  gpu::Smem shared;
  auto* const memory = shared.take<unsigned char>(static_cast<int>(Memory::kSharedBytes));
  auto* const stages = reinterpret_cast<T*>(memory);

  const int channel0 = static_cast<int>(blockIdx.x) % blocks_m * Tile::kM;
  const int column0 = static_cast<int>(blockIdx.x) / blocks_m * Tile::kN;
  const ConvGroup& group = args.shape.group[0];
  const int first = static_cast<int>(blockIdx.z) * args.split_pixels;
  const int left = group.pixels - first;
  const int end = first + (left < args.split_pixels ? left : args.split_pixels);

  Slope slope(args, channel0, first);
  Source source(args, column0);
  Unit unit;
  const int steps = (end - first + Tile::kK - 1) / Tile::kK;
  GAN_UNROLL
  for (int s = 0; s < kAhead; ++s) {
    T* const stage = stages + s * Memory::kStageElements;
    if (s < steps) {
      slope.load(args, first + s * Tile::kK, end, s, stage);
      source.load(args, first + s * Tile::kK, end, s, stage + Tile::kM * Tile::kK);
    }
    gpu::cp_async_commit();
  }
  int using_stage = 0, filling_stage = kAhead, step = 0;
  do {
    T* const current = stages + using_stage * Memory::kStageElements;
    gpu::cp_async_wait<kAhead - 1>();  // this step's copies, the oldest, are there
    slope.arrived(args, end, using_stage, current);
    source.arrived(args, using_stage, current + Tile::kM * Tile::kK);
    Unit::publish();
    gpu::syncthreads();  // all threads' copies of this step | their reads by the product;
                         // and the reads of the last step that is done | the copies over it
    if constexpr (Unit::kInFlight > 0) unit.multiply(current, current + Tile::kM * Tile::kK);
    if (step + kAhead < steps) {
      T* const free = stages + filling_stage * Memory::kStageElements;
      const int m = first + (step + kAhead) * Tile::kK;
      slope.load(args, m, end, filling_stage, free);
      source.load(args, m, end, filling_stage, free + Tile::kM * Tile::kK);
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
  gpu::syncthreads();  // the sums are written | read in rows below

  const int columns = group.taps() * args.shape.source_c;
  for (int i = static_cast<int>(threadIdx.x); i < Tile::kM * Tile::kN; i += Tile::kThreads) {
    const int row = i / Tile::kN, column = i % Tile::kN;
    if (channel0 + row >= args.shape.out_c || column0 + column >= columns) continue;
    const int64_t out_row = int64_t{blockIdx.z} * args.shape.out_c + channel0 + row;
    args.parts[out_row * columns + column0 + column] = sums[row * kSumPitch<Tile> + column];
  }
}

}  // namespace gan::cuda
