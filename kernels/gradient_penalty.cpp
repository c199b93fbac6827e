#include "kernels/gradient_penalty.h"

namespace gan::ops {
namespace {

// A stage at work: its input, its activated output before pooling, D's gradient at its convolution.
struct Pass {
  Tensor in, activated, delta;
};

}  // namespace

Tensor gradient_penalty(Context& context, const std::vector<ChainStage>& chain, const Tensor& x,
                        const ChannelRange& channels, float gamma, const Tensor& into) {
  Kernels& kernels = context.kernels;
  Tape& tape = context.tape;
  const DType dtype = x.dtype();
  const auto fresh = [&](const Shape& shape) { return tape.allocate(shape, dtype); };
  const auto fill = [&](const Tensor& t, float value) {
    kernels(call_on(Op::memory, t, t)).fill(t, value);
  };
  const auto averages = [&](const Tensor& t) {
    const Tensor small = fresh(halved(t.shape()));
    kernels(call_on(Op::avg_pool, t, small)).avg_pool_forward(t, small);
    return small;
  };

  // Forward, for the slopes.
  std::vector<Pass> passes;
  Tensor value = x;
  for (const ChainStage& stage : chain) {
    require(!stage.conv.transposed, "gradient_penalty: a transposed convolution in the chain");
    const Tensor y = fresh(output_shape(stage.conv, value.shape(), stage.w->value));
    const ConvGeometry& geometry = stage.conv.geometry;
    const Epilogue end = {stage.bias->value, stage.act};
    kernels(conv_call(Op::conv_forward, geometry, value, y, end))
        .conv_forward(geometry, value, {stage.w->value, stage.w->version}, end, y);
    passes.push_back({value, y, {}});
    value = stage.pooling == Pooling::average ? averages(y) : y;
  }

  // Backward from the mean of each picture's outputs down to g.
  Tensor gradient = fresh(value.shape());
  fill(gradient, 1 / static_cast<float>(value.elements() / value.shape().n));
  for (size_t i = chain.size(); i-- > 0;) {
    const ChainStage& stage = chain[i];
    Pass& pass = passes[i];
    const Tensor& y = pass.activated;
    pass.delta = fresh(y.shape());
    if (stage.pooling == Pooling::average) {
      kernels(call_on(Op::avg_pool, y, gradient))
          .avg_pool_backward(stage.act, y, gradient, pass.delta, Write::overwrite);
    } else {
      kernels(call_on(Op::activation, y, y))
          .activation_backward(stage.act, y, gradient, pass.delta, Write::overwrite);
    }
    gradient = fresh(pass.in.shape());
    kernels(conv_call(Op::conv_backward_data, stage.conv.geometry, gradient, pass.delta,
                      Write::overwrite))
        .conv_backward_data(stage.conv.geometry, pass.delta, {stage.w->value, stage.w->version},
                            gradient, Write::overwrite);
  }
  const int64_t behind = channels.first + channels.count;
  if (channels.first > 0) fill(gradient.channels(0, channels.first), 0);
  if (behind < x.shape().c) fill(gradient.channels(behind, x.shape().c - behind), 0);

  const Tensor zero = fresh(x.shape());
  const Tensor squares = into ? into : tape.allocate(vector_shape(1), statistics_type(dtype));
  fill(zero, 0);
  kernels(call_on(Op::loss, gradient, gradient))
      .mse_loss(gradient, zero, 0, squares, {}, Write::overwrite);

  // The tangent pass, and the weights' gradients on its way.
  Tensor tangent = fresh(x.shape());
  fill(tangent, 0);
  kernels(call_on(Op::memory, gradient, tangent))
      .axpby(gamma / static_cast<float>(x.shape().n), gradient, 1, tangent);
  for (size_t i = 0; i < chain.size(); ++i) {
    const ChainStage& stage = chain[i];
    const Pass& pass = passes[i];
    const auto [dw, write] = tape.grad_target(*stage.w);
    kernels(conv_call(Op::conv_backward_weights, stage.conv.geometry, tangent, pass.delta))
        .conv_backward_weights(stage.conv.geometry, tangent, pass.delta, dw, write);
    if (i + 1 == chain.size()) break;
    const Tensor linear = fresh(pass.activated.shape()), next = fresh(pass.activated.shape());
    kernels(conv_call(Op::conv_forward, stage.conv.geometry, tangent, linear, Epilogue{}))
        .conv_forward(stage.conv.geometry, tangent, {stage.w->value, stage.w->version}, {}, linear);
    kernels(call_on(Op::activation, pass.activated, next))
        .activation_backward(stage.act, pass.activated, linear, next, Write::overwrite);
    tangent = stage.pooling == Pooling::average ? averages(next) : next;
  }
  return squares;
}

}  // namespace gan::ops
