#include "kernels/ops.h"

#include <algorithm>

namespace gan::ops {
namespace {

Weights weights_of(const Variable& w) {
  return {w.value, w.version};
}

void conv_forward(Kernels& kernels, const Conv& conv, const Tensor& x, const Weights& w,
                  const Epilogue& epilogue, const Tensor& y) {
  const Op op = conv.transposed ? Op::conv_transpose_forward : Op::conv_forward;
  Backend& backend = kernels(conv_call(op, conv.geometry, x, y, epilogue));
  if (conv.transposed) {
    backend.conv_transpose_forward(conv.geometry, x, w, epilogue, y);
  } else {
    backend.conv_forward(conv.geometry, x, w, epilogue, y);
  }
}

// The gradients of x and w from dy, each only where wanted.
void conv_backward(Kernels& kernels, Tape& tape, const Conv& conv, Variable& x, Variable& w,
                   const Tensor& dy) {
  if (w.needs_grad) {
    const auto [dw, write] = tape.grad_target(w);
    const Op op = conv.transposed ? Op::conv_transpose_backward_weights : Op::conv_backward_weights;
    Backend& backend = kernels(conv_call(op, conv.geometry, x.value, dy));
    if (conv.transposed) {
      backend.conv_transpose_backward_weights(conv.geometry, x.value, dy, dw, write);
    } else {
      backend.conv_backward_weights(conv.geometry, x.value, dy, dw, write);
    }
  }
  if (x.needs_grad) {
    const auto [dx, write] = tape.grad_target(x);
    const Op op = conv.transposed ? Op::conv_transpose_backward_data : Op::conv_backward_data;
    Backend& backend = kernels(conv_call(op, conv.geometry, dx, dy, write));
    if (conv.transposed) {
      backend.conv_transpose_backward_data(conv.geometry, dy, weights_of(w), dx, write);
    } else {
      backend.conv_backward_data(conv.geometry, dy, weights_of(w), dx, write);
    }
  }
}

void bias_backward(Kernels& kernels, Tape& tape, Variable& bias, const Tensor& dy) {
  if (!bias.needs_grad) return;
  const auto [db, write] = tape.grad_target(bias);
  kernels(call_on(Op::memory, dy, db)).channel_sum(dy, db, write);
}

BatchNorm norm_tensors(const NormVariables& norm) {
  return {norm.gamma.value, norm.beta.value, norm.running_mean.value, norm.running_var.value};
}

Tensor result_tensor(Context& context, const Shape& shape, DType dtype, const Tensor& into) {
  if (!into) return context.tape.allocate(shape, dtype);
  require(into.shape() == shape && into.dtype() == dtype, "a result of shape ", shape,
          " cannot be written into a tensor of shape ", into.shape());
  return into;
}

// A layer's results, the last of which go to `into` where it is given.
struct Results {
  Tensor before_pooling, last;

  Results(Context& context, const Shape& shape, DType dtype, Pooling pooling, const Tensor& into) {
    const bool pools = pooling == Pooling::average;
    last = result_tensor(context, pools ? halved(shape) : shape, dtype, into);
    before_pooling = pools ? context.tape.allocate(shape, dtype) : last;
  }
  void pool(Kernels& kernels) const {
    if (before_pooling.data() == last.data()) return;
    kernels(call_on(Op::avg_pool, before_pooling, last)).avg_pool_forward(before_pooling, last);
  }
};

// Folds `norm` into the weights unless that has been done for their present content.
void refresh_fold(Context& context, const Conv& conv, const Variable& w, const NormVariables& norm,
                  FoldedWeights& folded, Memory& memory) {
  if (folded.version != 0 && folded.of_weights == w.version &&
      folded.of_statistics == norm.running_mean.version) {
    return;
  }
  if (!folded.memory.data()) {
    const size_t bias_bytes = norm.gamma.value.bytes();
    folded.memory = Buffer(memory, w.value.bytes() + bias_bytes);
    auto* start = static_cast<std::byte*>(folded.memory.data());
    folded.w = Tensor(start, w.value.shape(), w.value.dtype());
    folded.bias = Tensor(start + w.value.bytes(), norm.gamma.value.shape(), w.value.dtype());
  }
  context.kernels(call_on(Op::batch_norm, w.value, w.value))
      .batch_norm_fold(w.value, norm_tensors(norm), conv.transposed, folded.w, folded.bias);
  folded.version = next_version();
  folded.of_weights = w.version;
  folded.of_statistics = norm.running_mean.version;
}

}  // namespace

Shape output_shape(const Conv& conv, const Shape& x, const Tensor& w) {
  require(w.shape().h == conv.geometry.kernel && w.shape().w == conv.geometry.kernel &&
              x.c == (conv.transposed ? w.shape().n : w.shape().c),
          "weights of shape ", w.shape(), " do not fit an input of shape ", x);
  return conv.transposed ? conv_transpose_output(x, w.shape().c, conv.geometry)
                         : conv_output(x, w.shape().n, conv.geometry);
}

Variable& conv_act(Context& context, const Conv& conv, Variable& x, Variable& w, Variable& bias,
                   Activation act, Pooling pooling, const Tensor& into) {
  Kernels& kernels = context.kernels;
  Tape& tape = context.tape;
  const Results results(context, output_shape(conv, x.value.shape(), w.value), x.value.dtype(),
                        pooling, into);
  const Tensor& y = results.before_pooling;
  conv_forward(kernels, conv, x.value, weights_of(w), {bias.value, act, !context.training}, y);
  results.pool(kernels);

  const bool needs_grad = context.training && (x.needs_grad || w.needs_grad || bias.needs_grad);
  Variable& result = tape.variable(results.last, needs_grad);
  tape.record(result, [&kernels, &tape, conv, &x, &w, &bias, act, pooling, y, &result] {
    Tensor dz = result.grad;  // gradient before the activation
    if (pooling == Pooling::average) {
      dz = tape.allocate(y.shape(), y.dtype());
      kernels(call_on(Op::avg_pool, y, result.value))
          .avg_pool_backward(act, y, result.grad, dz, Write::overwrite);
    } else if (act != Activation::none) {
      dz = tape.allocate(y.shape(), y.dtype());
      kernels(call_on(Op::activation, y, dz))
          .activation_backward(act, y, result.grad, dz, Write::overwrite);
    }
    bias_backward(kernels, tape, bias, dz);
    conv_backward(kernels, tape, conv, x, w, dz);
  });
  return result;
}

Variable& conv_bn_act(Context& context, const Conv& conv, Variable& x, Variable& w,
                      const NormVariables& norm, Activation act, const BlockEnd& end,
                      FoldedWeights& folded, const Tensor& into) {
  require(end.drop >= 0 && end.drop < 1, "dropout with probability ", end.drop,
          ", expected 0 <= p < 1");
  Kernels& kernels = context.kernels;
  Tape& tape = context.tape;
  const DType dtype = x.value.dtype();
  const Shape shape = output_shape(conv, x.value.shape(), w.value);

  if (!context.training) {
    const Results results(context, shape, dtype, end.pooling, into);
    refresh_fold(context, conv, w, norm, folded, tape.memory());
    conv_forward(kernels, conv, x.value, {folded.w, folded.version}, {folded.bias, act, true},
                 results.before_pooling);
    results.pool(kernels);
    return tape.constant(results.last);
  }

  const Tensor z = tape.allocate(shape, dtype);
  conv_forward(kernels, conv, x.value, weights_of(w), {}, z);
  const int64_t kinds = context.kinds;
  require(z.shape().n % kinds == 0, kinds, " kinds of pictures in a batch of ", z.shape().n);
  const Shape statistics = {kinds, 1, 1, shape.c};
  const BatchNormSaved saved = {tape.allocate(statistics, statistics_type(dtype)),
                                tape.allocate(statistics, statistics_type(dtype))};
  const BatchNorm tensors = norm_tensors(norm);
  const Dropout dropout = {end.drop, end.drop > 0 ? context.next_random_keys(kinds) : RandomKey{}};
  const Tensor y =
      result_tensor(context, end.pooling == Pooling::average ? halved(shape) : shape, dtype, into);
  kernels(call_on(Op::batch_norm, z, y)).batch_norm_train(z, tensors, act, dropout, saved, y);
  norm.running_mean.version = next_version();

  Variable& gamma = norm.gamma;
  Variable& beta = norm.beta;
  Variable& result =
      tape.variable(y, x.needs_grad || w.needs_grad || gamma.needs_grad || beta.needs_grad);
  tape.record(result, [&kernels, &tape, conv, &x, &w, &gamma, &beta, tensors, act, dropout, z,
                       saved, &result] {
    Tensor dgamma, dbeta;
    Write write = Write::overwrite;
    if (gamma.needs_grad && beta.needs_grad) {
      const auto target = tape.grad_target(gamma);
      dgamma = target.grad;
      write = target.write;
      dbeta = tape.grad_target(beta).grad;
    }
    // z is not needed any more: its gradient takes its place.
    const Tensor& dz = z;
    kernels(call_on(Op::batch_norm, z, result.value))
        .batch_norm_backward(z, result.grad, tensors, act, dropout, saved, dz, dgamma, dbeta,
                             write);
    conv_backward(kernels, tape, conv, x, w, dz);
  });
  return result;
}

Variable& activation(Context& context, Activation act, Variable& x, const Tensor& into) {
  Kernels& kernels = context.kernels;
  Tape& tape = context.tape;
  const Tensor y = result_tensor(context, x.value.shape(), x.value.dtype(), into);
  kernels(call_on(Op::activation, x.value, y)).activation_forward(act, x.value, y);
  Variable& result = tape.variable(y, context.training && x.needs_grad);
  tape.record(result, [&kernels, &tape, act, &x, &result] {
    const auto [dx, write] = tape.grad_target(x);
    kernels(call_on(Op::activation, x.value, result.value))
        .activation_backward(act, result.value, result.grad, dx, write);
  });
  return result;
}

Variable& avg_pool(Context& context, Variable& x) {
  Kernels& kernels = context.kernels;
  Tape& tape = context.tape;
  const Tensor y = tape.allocate(halved(x.value.shape()), x.value.dtype());
  kernels(call_on(Op::avg_pool, x.value, y)).avg_pool_forward(x.value, y);
  Variable& result = tape.variable(y, context.training && x.needs_grad);
  tape.record(result, [&kernels, &tape, &x, &result] {
    const auto [dx, write] = tape.grad_target(x);
    kernels(call_on(Op::avg_pool, x.value, result.value))
        .avg_pool_backward(Activation::none, {}, result.grad, dx, write);
  });
  return result;
}

Variable& max_pool(Context& context, Variable& x) {
  Kernels& kernels = context.kernels;
  Tape& tape = context.tape;
  const Tensor y = tape.allocate(halved(x.value.shape()), x.value.dtype());
  kernels(call_on(Op::max_pool, x.value, y)).max_pool_forward(x.value, y);
  Variable& result = tape.variable(y, context.training && x.needs_grad);
  tape.record(result, [&kernels, &tape, &x, &result] {
    const auto [dx, write] = tape.grad_target(x);
    kernels(call_on(Op::max_pool, x.value, result.value))
        .max_pool_backward(x.value, result.grad, dx, write);
  });
  return result;
}

Variable& upsample(Context& context, Variable& x, const Tensor& into) {
  Kernels& kernels = context.kernels;
  Tape& tape = context.tape;
  const Shape& s = x.value.shape();
  const Tensor y = result_tensor(context, {s.n, 2 * s.h, 2 * s.w, s.c}, x.value.dtype(), into);
  kernels(call_on(Op::upsample, x.value, y)).upsample_forward(x.value, y);
  Variable& result = tape.variable(y, context.training && x.needs_grad);
  tape.record(result, [&kernels, &tape, &x, &result] {
    const auto [dx, write] = tape.grad_target(x);
    kernels(call_on(Op::upsample, x.value, result.value)).upsample_backward(result.grad, dx, write);
  });
  return result;
}

Variable& augment(Context& context, Variable& x, const Warp* warps) {
  Kernels& kernels = context.kernels;
  Tape& tape = context.tape;
  const Tensor y = tape.allocate(x.value.shape(), x.value.dtype());
  kernels(call_on(Op::augment, x.value, y)).augment_forward(x.value, warps, y);
  Variable& result = tape.variable(y, context.training && x.needs_grad);
  tape.record(result, [&kernels, &tape, warps, &x, &result] {
    const auto [dx, write] = tape.grad_target(x);
    kernels(call_on(Op::augment, x.value, result.value))
        .augment_backward(result.grad, warps, dx, write);
  });
  return result;
}

Variable& linear(Context& context, Variable& x, Variable& w, Variable& bias) {
  Kernels& kernels = context.kernels;
  Tape& tape = context.tape;
  const Shape& in = x.value.shape();
  const Shape& weights = w.value.shape();
  require(in.h == weights.h && in.w == weights.w && in.c == weights.c, "a linear layer of shape ",
          weights, " does not fit an input of shape ", in);
  const Tensor y = tape.allocate({in.n, 1, 1, weights.n}, x.value.dtype());
  kernels(call_on(Op::linear, x.value, y)).linear_forward(x.value, weights_of(w), bias.value, y);
  const bool needs_grad = context.training && (x.needs_grad || w.needs_grad || bias.needs_grad);
  Variable& result = tape.variable(y, needs_grad);
  tape.record(result, [&kernels, &tape, &x, &w, &bias, &result] {
    Backend& backend = kernels(call_on(Op::linear, x.value, result.value));
    bias_backward(kernels, tape, bias, result.grad);
    if (w.needs_grad) {
      const auto [dw, write] = tape.grad_target(w);
      backend.linear_backward_weights(x.value, result.grad, dw, write);
    }
    if (x.needs_grad) {
      const auto [dx, write] = tape.grad_target(x);
      backend.linear_backward_data(result.grad, weights_of(w), dx, write);
    }
  });
  return result;
}

namespace {

// Where a loss puts its value: always a dense number, though `into` may be a slice of others.
Tensor loss_place(Context& context, DType pictures, const Tensor& into) {
  const DType dtype = statistics_type(pictures);
  if (!into) return context.tape.allocate(vector_shape(1), dtype);
  require(into.shape() == vector_shape(1) && into.dtype() == dtype,
          "a loss is one number, not of shape ", into.shape());
  return Tensor(into.data(), vector_shape(1), dtype);
}

// A loss computes its value and its gradient in one pass, so nothing is left to record.
template <class Run>
Tensor loss(Context& context, Variable& x, const Tensor& into, Run&& run) {
  const Tensor value = loss_place(context, x.value.dtype(), into);
  Tape::GradTarget target = {{}, Write::overwrite};
  if (context.training && x.needs_grad) target = context.tape.grad_target(x);
  run(context.kernels(call_on(Op::loss, x.value, x.value)), value, target.grad, target.write);
  return value;
}

}  // namespace

Tensor bce_with_logits(Context& context, Variable& x, float target, float weight,
                       const Tensor& into) {
  return loss(context, x, into,
              [&](Backend& backend, const Tensor& value, const Tensor& dx, Write write) {
                backend.bce_with_logits(x.value, target, weight, value, dx, write);
              });
}

Tensor l1_loss(Context& context, Variable& x, const Tensor& target, float weight,
               const Tensor& into) {
  return loss(context, x, into,
              [&](Backend& backend, const Tensor& value, const Tensor& dx, Write write) {
                backend.l1_loss(x.value, target, weight, value, dx, write);
              });
}

Tensor mse_loss(Context& context, Variable& x, const Tensor& target, float weight,
                const Tensor& into) {
  return loss(context, x, into,
              [&](Backend& backend, const Tensor& value, const Tensor& dx, Write write) {
                backend.mse_loss(x.value, target, weight, value, dx, write);
              });
}

Tensor relativistic_loss(Context& context, Variable& higher, Variable& lower, float weight,
                         const Tensor& into) {
  const Tensor value = loss_place(context, higher.value.dtype(), into);
  Backend& backend = context.kernels(call_on(Op::loss, higher.value, lower.value));
  const auto target_of = [&](Variable& x) {
    const bool wanted = context.training && x.needs_grad;
    return wanted ? context.tape.grad_target(x) : Tape::GradTarget{{}, Write::overwrite};
  };
  const auto [d_higher, write_higher] = target_of(higher);
  const auto [d_lower, write_lower] = target_of(lower);
  const auto run = [&](const Tensor& dh, const Tensor& dl, Write write) {
    backend.relativistic_loss(higher.value, lower.value, weight, value, dh, dl, write);
  };
  if (d_higher && d_lower && write_higher != write_lower) {
    run(d_higher, {}, write_higher);
    run({}, d_lower, write_lower);
  } else {
    run(d_higher, d_lower, d_higher ? write_higher : write_lower);
  }
  return value;
}

Tensor chroma_loss(Context& context, Variable& x, const Tensor& target, const Tensor& weights,
                   float beta, float weight, const Tensor& into) {
  return loss(context, x, into,
              [&](Backend& backend, const Tensor& value, const Tensor& dx, Write write) {
                backend.chroma_loss(x.value, target, weights, beta, weight, value, dx, write);
              });
}

Tensor moment_loss(Context& context, Variable& x, const Tensor& target, float weight,
                   const Tensor& into) {
  return loss(context, x, into,
              [&](Backend& backend, const Tensor& value, const Tensor& dx, Write write) {
                backend.moment_loss(x.value, target, weight, value, dx, write);
              });
}

std::vector<Variable*> split(Context& context, Variable& x, int64_t parts) {
  const int64_t count = x.value.shape().n / parts;
  require(count * parts == x.value.shape().n, "a batch of ", x.value.shape().n, " in ", parts,
          " equal parts");
  const bool needs_grad = context.training && x.needs_grad;
  Tensor grad;
  if (needs_grad) {
    require(!x.grad_written, "what is split has a gradient from elsewhere");
    grad = context.tape.grad_target(x).grad;
  }
  std::vector<Variable*> result;
  for (int64_t first = 0; first < x.value.shape().n; first += count) {
    Variable& part = context.tape.variable(x.value.pictures(first, count), needs_grad);
    if (needs_grad) part.grad = grad.pictures(first, count);
    result.push_back(&part);
  }
  if (needs_grad) {
    context.tape.record(x, [result] {
      for (const Variable* part : result)
        require(part->grad_written, "a part of what was split got no gradient");
    });
  }
  return result;
}

Concat::Concat(Context& context, const Shape& picture, DType dtype,
               std::initializer_list<int64_t> channels)
    : context_(context), placed_(channels.size()) {
  int64_t total = 0;
  for (int64_t count : channels) total += count;
  whole_ = context.tape.allocate({picture.n, picture.h, picture.w, total}, dtype);
  int64_t first = 0;
  for (int64_t count : channels) {
    slots_.push_back(whole_.channels(first, count));
    first += count;
  }
}

Variable& Concat::placed(size_t index, Variable& part) {
  const Tensor& slot = slots_[index];
  if (part.value.data() != slot.data())
    context_.kernels(call_on(Op::memory, part.value, slot)).copy(part.value, slot);
  placed_[index] = &part;
  return part;
}

Variable& Concat::join(std::initializer_list<Variable*> parts) {
  require(parts.size() == slots_.size(), "a concatenation of ", slots_.size(), " parts got ",
          parts.size());
  Kernels& kernels = context_.kernels;
  Tape& tape = context_.tape;
  bool needs_grad = false;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Variable& part = *parts.begin()[i];
    const bool in_slot = part.value.data() == slots_[i].data();
    require((in_slot || placed_[i] == &part) && part.value.shape() == slots_[i].shape(), "part ", i,
            " of a concatenation was not written into its slot");
    needs_grad = needs_grad || part.needs_grad;
  }
  Variable& result = tape.variable(whole_, context_.training && needs_grad);
  // The gradient of a part in its slot is a slice of the whole's, that of another one a copy. A part that
  // already has one (because something recorded later reads it alone) adds its slice.
  tape.record(result,
              [&kernels, &tape, members = std::vector<Variable*>(parts), slots = slots_, &result] {
                int64_t first = 0;
                for (size_t i = 0; i < members.size(); ++i) {
                  Variable& part = *members[i];
                  const Tensor slice = result.grad.channels(first, part.value.shape().c);
                  first += part.value.shape().c;
                  if (!part.needs_grad) continue;
                  if (!part.grad_written && part.value.data() == slots[i].data()) {
                    tape.adopt_grad(part, slice);
                    continue;
                  }
                  const auto [grad, write] = tape.grad_target(part);
                  Backend& backend = kernels(call_on(Op::memory, slice, grad));
                  if (write == Write::accumulate) {
                    backend.add(slice, grad);
                  } else {
                    backend.copy(slice, grad);
                  }
                }
              });
  return result;
}

}  // namespace gan::ops
