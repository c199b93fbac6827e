// Convolutions on the GPU: what they can do, how much memory they need, and their launchers.
//
// Every operation here is one of three on the plain convolution x -> y with the same geometry:
//   forward            conv_forward,          conv_transpose_backward_data (from dy to dx)
//   data gradient      conv_backward_data,    conv_transpose_forward       (from x to y)
//   weight gradient    conv_backward_weights, conv_transpose_backward_weights
// The first two are implicit matrix products on one kernel (conv_gemm.cuh); a data gradient of
// stride 2 runs as four sub-pixel convolutions, one for each parity of the output's row and column.
// Layers with the few channels of a picture on one side have kernels of their own: conv_few.cu,
// conv_few_wgrad.cu, conv_thin_rows.cu, conv_thin.cu.
//
// Tensors are float32 or bf16, of any size, and may be slices. Slices whose pointer and pitch are
// multiples of 16 bytes, with channel counts multiples of 16 bytes, take the fast path; all others
// are read element by element. Sums are float32 and added in a fixed order, which the ConvChoice
// decides: the same call gives the same bits as long as the same choice is taken.
//
// A launcher only launches on the stream: it allocates nothing, waits for nothing, keeps nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/scratch.h"
#include "kernels/cuda/weights.h"

namespace gan::cuda {

// How products of float32 numbers are formed; bf16 always takes the tensor cores.
enum class Math : uint8_t {
  fp32,  // exactly
  tf32,  // on tensor cores, factors rounded to 11 significant bits
};

// The part of a result that one block computes: pixels x channels for forward directions and data
// gradients, rows x (taps and columns) of the weights for weight gradients. Those called w are for
// bf16 on Hopper's warpgroup tensor cores (wgmma.h), and for sources that are read in packets. The
// deep one has more steps of copies under way, for few pixels; it and w64n64 are not for weight
// gradients.
enum class ConvTile : uint8_t {
  automatic,
  m128n128,
  m128n64,
  m128n32,
  m64n64,
  m64n32,
  w256n128,
  w128n128,
  w128n64,
  w64n64,
  w128n64deep,
};

// How to compute. A tile that does not exist for the operation and type becomes one that does; small
// tiles fill the device with small pictures, large ones read less memory.
struct ConvChoice {
  Math math = Math::fp32;
  ConvTile tile = ConvTile::automatic;
  // Among how many blocks a tile's sum is split, where it is that long; 0: automatic.
  int splits = 0;
  // Whether these blocks are a cluster, at most gpu::kMostInCluster, on a device that has clusters: they join
  // their sums through shared memory. The bits are those of as many splits without.
  bool clusters = false;
  ConvChoice(Math math_, ConvTile tile_ = ConvTile::automatic, int splits_ = 0,
             bool clusters_ = false)
      : math(math_), tile(tile_), splits(splits_), clusters(clusters_) {}

  bool automatic() const { return tile == ConvTile::automatic && splits == 0; }
};
// "automatic", "w128n64deep, 4 splits", "w64n64, 4 in a cluster".
std::string name_of(const ConvChoice& choice);

// Prologue and epilogue: a convolution can do what comes before and after it, batch norm in training included.
// CudaBackend leaves the prologue empty and asks of the epilogue bias, activation and Write alone, since batch norm
// is a kernel of its own (batch_norm_train.cu); whether fusing it with its neighbours is faster has not been
// measured. tests/cuda/test_conv_fused.cpp holds all of it against the reference.

// What happens to the first operand while it is loaded: act(scale[c] * value + shift[c]), the
// producer's batch norm and activation. Padding stays zero. Empty vectors: nothing.
struct ConvPrologue {
  Tensor scale, shift;                // float32 vectors
  Activation act = Activation::none;  // none, relu, leaky_relu
};

// What happens to a sum before it is stored, in this order:
//   v = act(sum + bias[c]);  v += old (accumulate);  v *= slope of the gate;  store v.
// The gate is the activation in front of which v is a gradient: its slope at
// gate_scale[c] * gate + gate_shift[c] (without vectors: at the activation's stored output).
// All vectors are float32.
struct ConvEpilogue {
  Tensor bias = {};
  Activation act = Activation::none;
  Write write = Write::overwrite;

  Tensor gate = {};  // shaped and typed like the output
  Tensor gate_scale = {}, gate_shift = {};
  Activation gate_act = Activation::none;

  // Wanted or empty, both or none: mean and biased variance per channel of what is stored.
  Tensor mean = {}, variance = {};
  // Wanted or empty, both or none, not together with the statistics: the sums of v and of
  // v * (gate - norm_mean[c]) * norm_inv_std[c] over all pixels, the gradients of batch norm's beta
  // and gamma. Needs the gate.
  Tensor norm_mean = {}, norm_inv_std = {};
  Tensor sum = {}, sum_normalized = {};
  Write sums_write = Write::overwrite;
};

// Whether the launchers below take this call (the six convolution operations).
bool conv_supports(const Call& call);

// The ways of computing a call that are worth measuring, sixteen at most and no two alike; the
// automatic one comes first.
std::vector<ConvChoice> conv_choices(const Call& call, Math math);

// Weights lie packed in the order in which the kernels read them, in the element type of the
// pictures: for forward directions and data gradients. The packed form depends on the operation, the
// type, the geometry and the channels, not on batch or extent.
size_t conv_pack_bytes(const Call& call);
// w: float32 {rows, kernel, kernel, columns}, see engine/tensor.h.
// packed: 16-byte aligned.
WeightJob conv_pack_job(const Call& call, const Tensor& w, void* packed);

// The launchers' scratch memory, 16-byte aligned; may be 0. Forward directions and data gradients
// need it for splits, and for an epilogue that sums: `sums` tells whether there is one.
size_t conv_scratch_bytes(const Call& call, const ConvChoice& choice, bool sums = false);

// y = epilogue(conv(prologue(x), w)). `packed` comes from conv_pack_job with the same operation.
void conv_forward(const ConvGeometry& geometry, ConvChoice choice, const Tensor& x,
                  const void* packed, const ConvPrologue& prologue, const ConvEpilogue& epilogue,
                  const Tensor& y, const Scratch& scratch, gpu::Stream stream);
// dx = epilogue(conv_data_gradient(prologue(dy), w))
void conv_backward_data(const ConvGeometry& geometry, ConvChoice choice, const Tensor& dy,
                        const void* packed, const ConvPrologue& prologue,
                        const ConvEpilogue& epilogue, const Tensor& dx, const Scratch& scratch,
                        gpu::Stream stream);
// dw (float32 {K, kernel, kernel, C}) = sum over pixels of prologue(x) times dy.
void conv_backward_weights(const ConvGeometry& geometry, ConvChoice choice, const Tensor& x,
                           const ConvPrologue& prologue, const Tensor& dy, const Tensor& dw,
                           Write write, void* scratch, gpu::Stream stream);

// The same for transposed convolution; w and dw: {C_in, kernel, kernel, C_out}.
void conv_transpose_forward(const ConvGeometry& geometry, ConvChoice choice, const Tensor& x,
                            const void* packed, const ConvPrologue& prologue,
                            const ConvEpilogue& epilogue, const Tensor& y, const Scratch& scratch,
                            gpu::Stream stream);
void conv_transpose_backward_data(const ConvGeometry& geometry, ConvChoice choice, const Tensor& dy,
                                  const void* packed, const ConvPrologue& prologue,
                                  const ConvEpilogue& epilogue, const Tensor& dx,
                                  const Scratch& scratch, gpu::Stream stream);
void conv_transpose_backward_weights(const ConvGeometry& geometry, ConvChoice choice,
                                     const Tensor& x, const ConvPrologue& prologue,
                                     const Tensor& dy, const Tensor& dw, Write write, void* scratch,
                                     gpu::Stream stream);

}  // namespace gan::cuda
