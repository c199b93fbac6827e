// Differentiable operations: the only place where the tape and the kernels meet. Models see this
// header and nothing below it.
//
// Every function runs its forward kernels at once and records how to run backwards. Results that
// take an `into` argument are written there (a slice of a Concat) instead of into fresh memory.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "engine/autograd.h"
#include "kernels/dispatch.h"

namespace gan {

// What a forward pass runs on.
struct Context {
  Kernels& kernels;
  Tape& tape;
  // Training: batch statistics, dropout, gradients. Inference: running statistics folded into the
  // weights, nothing recorded.
  bool training = true;
  // For dropout. `step` lives in the device's memory; `random_stream` counts the random operations
  // of this step.
  uint64_t seed = 0;
  const uint64_t* step = nullptr;
  uint32_t random_stream = 0;
  // Kinds of pictures in a batch, equally many of each, one kind after the other: in training each has
  // statistics of its own in batch norm, as if it came alone.
  int64_t kinds = 1;

  RandomKey next_random_key() { return next_random_keys(1); }
  // The first of `count` keys, whose streams follow one another.
  RandomKey next_random_keys(int64_t count) {
    const RandomKey first = {seed, random_stream, step};
    random_stream += static_cast<uint32_t>(count);
    return first;
  }
};

namespace ops {

// In which type statistics, losses, parameters and their gradients are kept where pictures have type
// `pictures`: sums over many elements and small updates need more digits than bfloat16 has.
constexpr DType statistics_type(DType pictures) {
  return pictures == DType::bf16 ? DType::f32 : pictures;
}

// A convolution or its transpose.
struct Conv {
  ConvGeometry geometry;
  bool transposed = false;
};
Shape output_shape(const Conv& conv, const Shape& x, const Tensor& w);

// Learned and running values of a batch norm.
struct NormVariables {
  Variable& gamma;
  Variable& beta;
  Variable& running_mean;  // its version names the content of both running statistics
  Variable& running_var;
};

// Weights with inference-mode batch norm folded in, kept until what they derive from changes.
struct FoldedWeights {
  Buffer memory;
  Tensor w, bias;
  uint64_t version = 0;
  uint64_t of_weights = 0, of_statistics = 0;
};

// What a layer ends in: nothing else, or average pooling over 2x2 windows, stride 2.
enum class Pooling : uint8_t { none, average };

// pool(act(conv(x) + bias))
Variable& conv_act(Context& context, const Conv& conv, Variable& x, Variable& w, Variable& bias,
                   Activation act, Pooling pooling = Pooling::none, const Tensor& into = {});

// What a block of convolution, batch norm and activation adds behind them. `drop`: in training, the probability
// with which a result is dropped, 0 <= drop < 1. Pooling: of pictures of even height and width.
struct BlockEnd {
  float drop = 0;
  Pooling pooling = Pooling::none;
};

// pool(drop(act(batch_norm(conv(x))))): the block that nearly every layer is. In training all but the
// convolution is one kernel each way.
Variable& conv_bn_act(Context& context, const Conv& conv, Variable& x, Variable& w,
                      const NormVariables& norm, Activation act, const BlockEnd& end,
                      FoldedWeights& folded, const Tensor& into = {});

Variable& activation(Context& context, Activation act, Variable& x, const Tensor& into = {});
Variable& avg_pool(Context& context, Variable& x);                           // 2x2
Variable& max_pool(Context& context, Variable& x);                           // 2x2
Variable& upsample(Context& context, Variable& x, const Tensor& into = {});  // to twice the extents
// `warps`: one per picture, in the device's memory, until the backward pass is over.
Variable& augment(Context& context, Variable& x, const Warp* warps);
Variable& linear(Context& context, Variable& x, Variable& w, Variable& bias);

// Losses. The result is one number in the device's memory, statistics_type of x, written to `into`
// or fresh memory; weight * its gradient flows into the variables that need one.
Tensor bce_with_logits(Context& context, Variable& x, float target, float weight = 1,
                       const Tensor& into = {});
Tensor l1_loss(Context& context, Variable& x, const Tensor& target, float weight = 1,
               const Tensor& into = {});
Tensor mse_loss(Context& context, Variable& x, const Tensor& target, float weight = 1,
                const Tensor& into = {});
Tensor relativistic_loss(Context& context, Variable& higher, Variable& lower, float weight = 1,
                         const Tensor& into = {});
Tensor chroma_loss(Context& context, Variable& x, const Tensor& target, const Tensor& weights,
                   float beta, float weight = 1, const Tensor& into = {});
Tensor moment_loss(Context& context, Variable& x, const Tensor& target, float weight = 1,
                   const Tensor& into = {});

// A batch in equal parts of pictures one after the other, without a copy: parts and their gradients lie in x's. So
// where gradients are wanted, nothing else may take x, before or after, and each part has to get one. InternalError
// where x has a gradient already, or when a part gets none.
std::vector<Variable*> split(Context& context, Variable& x, int64_t parts);

// Concatenation along the channels: its parts are written where they belong, without a copy where possible.
class Concat {
 public:
  // `picture` gives n, h and w; the parts' channels follow one another.
  Concat(Context& context, const Shape& picture, DType dtype,
         std::initializer_list<int64_t> channels);

  // Where part `index` has to be written.
  const Tensor& operator[](size_t index) const { return slots_[index]; }
  // Part `index` by layer(context, x, where to write it), for others to read as well. In training, on a device that
  // wants dense tensors, these are given one, and the part is a copy.
  template <class Layer>
  Variable& skip(size_t index, Layer&& layer, Variable& x) {
    return placed(index, layer(context_, x, apart() ? Tensor() : slots_[index]));
  }

  // The whole, once every part has been written.
  Variable& join(std::initializer_list<Variable*> parts);

 private:
  bool apart() const { return context_.training && context_.kernels.want_dense(); }
  // Copied at once: before anything else is written beside it, which a copy would have to wait for.
  Variable& placed(size_t index, Variable& part);

  Context& context_;
  Tensor whole_;
  std::vector<Tensor> slots_;
  std::vector<const Variable*> placed_;  // by skip()
};

}  // namespace ops
}  // namespace gan
