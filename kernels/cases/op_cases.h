// The one list of what the kernels are tested on and timed at: every shape that the networks
// really use, and small awkward ones. Parity tests, gradient tests and gan_bench all read it, so
// what is timed is what is tested.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace gan::cases {

// The functions of Backend, but for begin_update, balance and mix (tests/cuda/test_recorded.cpp).
enum class Function : uint8_t {
  conv_forward,
  conv_backward_data,
  conv_backward_weights,
  conv_transpose_forward,
  conv_transpose_backward_data,
  conv_transpose_backward_weights,
  batch_norm_train,
  batch_norm_infer,
  batch_norm_backward,
  batch_norm_fold,
  activation_forward,
  activation_backward,
  avg_pool_forward,
  avg_pool_backward,
  max_pool_forward,
  max_pool_backward,
  upsample_forward,
  upsample_backward,
  augment_forward,
  augment_backward,
  linear_forward,
  linear_backward_data,
  linear_backward_weights,
  bce_with_logits,
  l1_loss,
  mse_loss,
  relativistic_loss,
  chroma_loss,
  moment_loss,
  adam,
  fill,
  fill_uniform,
  copy,
  add,
  axpby,
  channel_sum,
  assemble_batch,
};
const char* name_of(Function function);
Op op_of(Function function);

// Foreign channels on both sides of a slice. Gradients lie as their values do.
struct Margin {
  int64_t before = 0, after = 0;
};

// One call of one function.
struct OpCase {
  std::string name;  // "enc2 conv_forward"
  Function function = Function::copy;
  // The operation's forward input and output, also for its backward directions. batch_norm_fold:
  // x is the weights; adam: x is the flat parameters; assemble_batch: x is the photo set;
  // relativistic_loss: x is `higher`.
  Shape x = {}, y = {};  // batch norm in training: a y of half the extents is averaged
  ConvGeometry geometry = {};
  Activation act = Activation::none;
  Margin x_margin = {}, y_margin = {};
  bool bias = false;
  bool inference = false;      // a forward convolution that no gradient follows
  bool transposed = false;     // batch_norm_fold
  bool skip_optional = false;  // without dx of a loss, dgamma and dbeta of batch norm
  bool skip_higher = false, skip_lower = false;  // relativistic_loss: without that gradient
  bool in_place = false;                         // batch_norm_backward: dx is x
  bool ties = false;                             // max pooling: many equal maxima
  float target = 1;                              // bce_with_logits
  int64_t cells = 32;                            // chroma_loss, along each axis
  float drop = 0;                                // batch norm in training: dropout
  int64_t kinds = 1;                             // batch norm in training: of pictures in the batch
  ColorSpace space = ColorSpace::rgb;            // assemble_batch
  uint64_t step = 3;                             // adam, batch norm with dropout, fill_uniform
};

// How a backend is asked whether it can do this.
Call call_of(const OpCase& op_case, DType dtype);

// How many terms the longest sum behind one result has. 0: results are copies, not computed.
int64_t reduction_length(const OpCase& op_case);

// Multiplications of the convolutions and linear layers; 0 for the others, which move memory.
int64_t multiply_adds(const OpCase& op_case);

// Every call of a training step and of inference of the classic recipe's generator of base width
// `width` with its discriminator (which a step shows several such batches at once), of the demo
// generator, and of what the stable recipe adds; names beginning "d.", "demo." and "stable."; and the
// layers of the original's other models that are unlike those, "ae5.", "ae7." and "unet.".
std::vector<OpCase> network_cases(int64_t width, int64_t batch);

// 1x1 pictures, odd extents, batches of 1 and 3, channel counts no vector width divides, slices,
// every activation, and everything optional left out once.
std::vector<OpCase> small_cases();

}  // namespace gan::cases
