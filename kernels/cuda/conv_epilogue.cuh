// What happens to a tile of sums before it is stored: bias, activation, old values, gate, and sums
// per channel over the tile. See ConvEpilogue in conv.h for the order.
//
// A thread handles kVector neighbouring channels (16 bytes) of every kRowStep-th row, so that
// global memory is read and written in whole packets and a thread's channel sums stay in registers.
#pragma once

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/conv_problem.h"
#include "kernels/cuda/conv_units.cuh"
#include "kernels/cuda/rows.cuh"

namespace gan::cuda {

enum class ConvSums : uint8_t { none, statistics, gradients };

template <class T>
struct EpilogueArgs {
  const float* bias = nullptr;
  Activation act = Activation::none;
  bool accumulate = false;
  bool vectors = false;  // whole packets: all pitches, pointers and channel counts allow it

  const T* gate = nullptr;
  int64_t gate_pitch = 0;
  const float *gate_scale = nullptr, *gate_shift = nullptr;
  Activation gate_act = Activation::none;

  ConvSums sums = ConvSums::none;
  const float *norm_mean = nullptr, *norm_inv_std = nullptr;
  // [group * blocks along M + block along M][2][out_c]: mean and sum of squared distances from it
  // over the tile's pixels, or the two gradient sums.
  float* partials = nullptr;

  T* out = nullptr;
};

// ---- Packets of elements as floats

__device__ __forceinline__ void unpack(const gpu::Packet<float>& packet, float (&v)[4]) {
  GAN_UNROLL
  for (int i = 0; i < 4; ++i) v[i] = packet.v[i];
}
__device__ __forceinline__ void unpack(const gpu::Packet<gpu::bf16>& packet, float (&v)[8]) {
  const auto words = gpu::bit_cast<gpu::Packet<uint32_t>>(packet);
  GAN_UNROLL
  for (int i = 0; i < 4; ++i) gpu::unpack_bf16(words.v[i], v[2 * i], v[2 * i + 1]);
}
__device__ __forceinline__ gpu::Packet<float> pack(const float (&v)[4]) {
  return {{v[0], v[1], v[2], v[3]}};
}
__device__ __forceinline__ gpu::Packet<gpu::bf16> pack(const float (&v)[8]) {
  return gpu::bit_cast<gpu::Packet<gpu::bf16>>(
      gpu::Packet<uint32_t>{{gpu::pack_bf16(v[0], v[1]), gpu::pack_bf16(v[2], v[3]),
                             gpu::pack_bf16(v[4], v[5]), gpu::pack_bf16(v[6], v[7])}});
}

// The first `count` of N elements; the others become zero.
template <class T, int N>
__device__ __forceinline__ void load_some(const T* from, int count, bool whole, float (&v)[N]) {
  if (whole) {
    unpack(gpu::load_packet(from), v);
    return;
  }
  GAN_UNROLL
  for (int i = 0; i < N; ++i) v[i] = i < count ? as_float(from[i]) : 0.0f;
}

// Channel vectors are float32 and may begin anywhere.
template <int N>
__device__ __forceinline__ void load_vector(const float* from, int count, float other,
                                            float (&v)[N]) {
  GAN_UNROLL
  for (int i = 0; i < N; ++i) v[i] = from && i < count ? gpu::ldg(from + i) : other;
}

// ---- The epilogue of a block

// tile: kM x kN sums, pitch kSumPitch. out_pixel: the output pixel of every row, -1 past the last.
// channel0: the first column's channel. rows: how many of the rows exist, all in front.
// part: the index of this tile's sums.
template <class Tile, class T>
__device__ __forceinline__ void finish_tile(const ConvShape& shape, const EpilogueArgs<T>& args,
                                            float* tile, const int* out_pixel, int channel0,
                                            int rows, int64_t part) {
  constexpr int kVector = 16 / sizeof(T);
  constexpr int kAcross = Tile::kN / kVector;
  constexpr int kRowStep = Tile::kThreads / kAcross;
  static_assert(Tile::kThreads % kAcross == 0 && Tile::kM % kRowStep == 0);
  static_assert(Tile::kThreads * kVector * 2 <= Tile::kM * kSumPitch<Tile>,
                "the sums of all threads fit where the tile lies");

  const int thread = static_cast<int>(threadIdx.x);
  const int column = thread % kAcross * kVector, first_row = thread / kAcross;
  const int channel = channel0 + column;
  const int left = shape.out_c - channel;
  const int count = left < kVector ? left : kVector;  // <= 0: no channel of this thread exists
  const bool whole = args.vectors && count == kVector;

  float bias[kVector];
  load_vector(args.bias ? args.bias + channel : nullptr, count, 0.0f, bias);
  // Of the statistics: distances from the tile's first value. Their squares cannot cancel badly,
  // unlike the squares of values whose mean is large.
  float first[kVector] = {}, sum[kVector] = {}, sum2[kVector] = {};

  for (int row = first_row; row < rows && count > 0; row += kRowStep) {
    float v[kVector];
    GAN_UNROLL
    for (int i = 0; i < kVector; ++i)
      v[i] = activate(args.act, tile[row * kSumPitch<Tile> + column + i] + bias[i]);
    T* const to = args.out + static_cast<int64_t>(out_pixel[row]) * shape.out_pitch + channel;
    if (args.accumulate) {
      float old[kVector];
      load_some(to, count, whole, old);
      GAN_UNROLL
      for (int i = 0; i < kVector; ++i) v[i] += old[i];
    }
    float gate[kVector] = {};
    if (args.gate) {
      load_some(args.gate + static_cast<int64_t>(out_pixel[row]) * args.gate_pitch + channel, count,
                whole, gate);
      float scale[kVector], shift[kVector];
      load_vector(args.gate_scale ? args.gate_scale + channel : nullptr, count, 1.0f, scale);
      load_vector(args.gate_shift ? args.gate_shift + channel : nullptr, count, 0.0f, shift);
      GAN_UNROLL
      for (int i = 0; i < kVector; ++i)
        v[i] *= slope_at_output(args.gate_act, scale[i] * gate[i] + shift[i]);
    }
    if (whole) {
      gpu::store_packet(to, pack(v));
    } else {
      GAN_UNROLL
      for (int i = 0; i < kVector; ++i)
        if (i < count) to[i] = from_float<T>(v[i]);
    }
    if (args.sums == ConvSums::statistics) {
      GAN_UNROLL
      for (int i = 0; i < kVector; ++i) {
        const float stored = as_float(from_float<T>(v[i]));
        if (row == first_row) first[i] = stored;
        const float distance = stored - first[i];
        sum[i] += distance;
        sum2[i] += distance * distance;
      }
    } else if (args.sums == ConvSums::gradients) {
      float mean[kVector], inv_std[kVector];
      load_vector(args.norm_mean + channel, count, 0.0f, mean);
      load_vector(args.norm_inv_std + channel, count, 0.0f, inv_std);
      GAN_UNROLL
      for (int i = 0; i < kVector; ++i) {
        const float stored = as_float(from_float<T>(v[i]));
        sum[i] += stored;
        sum2[i] += stored * ((gate[i] - mean[i]) * inv_std[i]);
      }
    }
  }
  if (args.sums == ConvSums::none) return;

  if (args.sums == ConvSums::statistics) {
    // From distances to mean and squared distances from it.
    const int mine = first_row < rows ? (rows - first_row - 1) / kRowStep + 1 : 0;
    GAN_UNROLL
    for (int i = 0; i < kVector; ++i) {
      const float offset = mine > 0 ? sum[i] / static_cast<float>(mine) : 0.0f;
      sum2[i] -= offset * sum[i];
      sum[i] = first[i] + offset;
    }
  }
  gpu::syncthreads();  // all sums have been read from the tile | it is overwritten below
  GAN_UNROLL
  for (int i = 0; i < kVector; ++i) {
    tile[first_row * Tile::kN + column + i] = sum[i];
    tile[(kRowStep + first_row) * Tile::kN + column + i] = sum2[i];
  }
  gpu::syncthreads();  // every thread's sums are written | one thread per channel reads them
  if (thread >= Tile::kN || channel0 + thread >= shape.out_c) return;
  const float *const sums = tile + thread, *const sums2 = tile + kRowStep * Tile::kN + thread;
  float total = 0, total2 = 0;
  if (args.sums == ConvSums::gradients) {
    for (int r = 0; r < kRowStep; ++r) {
      total += sums[r * Tile::kN];
      total2 += sums2[r * Tile::kN];
    }
  } else {
    // Chan, Golub and LeVeque 1979: joins the next part's n values to the `pixels` so far.
    float pixels = 0;
    for (int r = 0; r < kRowStep && r < rows; ++r) {
      const auto n = static_cast<float>((rows - r - 1) / kRowStep + 1);
      const float distance = sums[r * Tile::kN] - total, share = n / (pixels + n);
      total += distance * share;
      total2 += sums2[r * Tile::kN] + distance * distance * pixels * share;
      pixels += n;
    }
  }
  args.partials[2 * part * shape.out_c + channel0 + thread] = total;
  args.partials[(2 * part + 1) * shape.out_c + channel0 + thread] = total2;
}

}  // namespace gan::cuda
