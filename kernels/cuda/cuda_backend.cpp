#include "kernels/cuda/cuda_backend.h"

#include <algorithm>

#include "kernels/cuda/activation.h"
#include "kernels/cuda/adam.h"
#include "kernels/cuda/augment.h"
#include "kernels/cuda/batch.h"
#include "kernels/cuda/batch_norm.h"
#include "kernels/cuda/chroma_loss.h"
#include "kernels/cuda/control.h"
#include "kernels/cuda/conv.h"
#include "kernels/cuda/linear.h"
#include "kernels/cuda/loss.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/pool.h"
#include "kernels/cuda/uniform.h"
#include "kernels/cuda/upsample.h"

namespace gan {
namespace {

cuda::Math math_of(CudaPrecision precision) {
  return precision == CudaPrecision::tf32 ? cuda::Math::tf32 : cuda::Math::fp32;
}

bool is_convolution(const Call& call) {
  return call.op <= Op::conv_transpose_backward_weights;
}

cuda::ConvEpilogue plain(Write write) {
  cuda::ConvEpilogue epilogue;
  epilogue.write = write;
  return epilogue;
}

cuda::ConvEpilogue with_bias(const Epilogue& wanted) {
  cuda::ConvEpilogue epilogue;
  epilogue.bias = wanted.bias;
  epilogue.act = wanted.act;
  return epilogue;
}

}  // namespace

CudaBackend::CudaBackend(Memory& memory, CUstream_st* stream, CudaPrecision precision,
                         cuda::Dataflow* dataflow)
    : stream_(stream),
      precision_(precision),
      scratch_(memory, dataflow),
      packed_(memory, stream, dataflow) {}

std::string CudaBackend::description() const {
  return precision_ == CudaPrecision::tf32 ? "cuda (own kernels, tf32)" : "cuda (own kernels)";
}

bool CudaBackend::supports(const Call& call) const {
  if (is_convolution(call)) return cuda::conv_supports(call);
  switch (call.op) {
    case Op::adam:
      return call.dtype == DType::f32;
    default:
      return call.dtype == DType::f32 || call.dtype == DType::bf16;
  }
}

WorkingMemory CudaBackend::working_memory(const Call& call) const {
  if (is_convolution(call)) {
    if (!cuda::conv_supports(call)) return {};
    size_t most = 0;
    for (const cuda::ConvChoice& choice : cuda::conv_choices(call, math_of(precision_)))
      most = std::max(most, cuda::conv_scratch_bytes(call, choice));
    return {most, cuda::conv_pack_bytes(call)};
  }
  switch (call.op) {
    case Op::batch_norm:
      return {cuda::batch_norm_scratch_bytes(call.x), 0};
    case Op::linear:
      return {cuda::linear_scratch_bytes(call.x, call.y), 0};
    case Op::loss:
      return {std::max({cuda::loss_scratch_bytes(), cuda::chroma_loss_scratch_bytes(),
                        cuda::moment_loss_scratch_bytes(call.x)}),
              0};
    case Op::memory:
      return {cuda::channel_sum_scratch_bytes(call.x), 0};
    default:
      return {};
  }
}

std::vector<std::string> CudaBackend::variants(const Call& call) const {
  if (!is_convolution(call) || !cuda::conv_supports(call)) return Backend::variants(call);
  std::vector<std::string> names;
  for (const cuda::ConvChoice& choice : cuda::conv_choices(call, math_of(precision_)))
    names.push_back(name_of(choice));
  return names;
}

void CudaBackend::take_variant(const Call& call, size_t index) {
  taken_.erase(call);
  if (index == 0) return;
  const auto choices = cuda::conv_choices(call, math_of(precision_));
  require(index < choices.size(), "there are ", choices.size(), " ways of ", name_of(call.op));
  taken_.emplace(call, choices[index]);
}

cuda::ConvChoice CudaBackend::choice_for(const Call& call) const {
  const auto found = taken_.find(call);
  return found == taken_.end() ? math_of(precision_) : found->second;
}

const void* CudaBackend::packed(const Call& call, const Weights& w) {
  const size_t bytes = cuda::conv_pack_bytes(call);
  if (bytes == 0) return w.values.data();
  const ConvGeometry& g = call.geometry;
  const Shape& s = w.values.shape();
  return packed_.get({w.values.data(), call.op, call.dtype, g.kernel, g.stride, g.padding,
                      g.output_padding, s.n, s.c},
                     w, bytes, [&](void* to) { return cuda::conv_pack_job(call, w.values, to); });
}

void CudaBackend::conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                               const Epilogue& epilogue, const Tensor& y) {
  const Call call = conv_call(Op::conv_forward, geometry, x, y, epilogue);
  const cuda::ConvChoice choice = choice_for(call);
  cuda::conv_forward(geometry, choice, x, packed(call, w), {}, with_bias(epilogue), y,
                     scratch_.get(cuda::conv_scratch_bytes(call, choice)), stream_);
}

void CudaBackend::conv_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                     const Weights& w, const Tensor& dx, Write write) {
  const Call call = conv_call(Op::conv_backward_data, geometry, dx, dy, write);
  const cuda::ConvChoice choice = choice_for(call);
  cuda::conv_backward_data(geometry, choice, dy, packed(call, w), {}, plain(write), dx,
                           scratch_.get(cuda::conv_scratch_bytes(call, choice)), stream_);
}

void CudaBackend::conv_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                        const Tensor& dy, const Tensor& dw, Write write) {
  const Call call = conv_call(Op::conv_backward_weights, geometry, x, dy);
  const cuda::ConvChoice choice = choice_for(call);
  cuda::conv_backward_weights(geometry, choice, x, {}, dy, dw, write,
                              scratch(cuda::conv_scratch_bytes(call, choice)), stream_);
}

void CudaBackend::conv_transpose_forward(const ConvGeometry& geometry, const Tensor& x,
                                         const Weights& w, const Epilogue& epilogue,
                                         const Tensor& y) {
  const Call call = conv_call(Op::conv_transpose_forward, geometry, x, y, epilogue);
  const cuda::ConvChoice choice = choice_for(call);
  cuda::conv_transpose_forward(geometry, choice, x, packed(call, w), {}, with_bias(epilogue), y,
                               scratch_.get(cuda::conv_scratch_bytes(call, choice)), stream_);
}

void CudaBackend::conv_transpose_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                               const Weights& w, const Tensor& dx, Write write) {
  const Call call = conv_call(Op::conv_transpose_backward_data, geometry, dx, dy, write);
  const cuda::ConvChoice choice = choice_for(call);
  cuda::conv_transpose_backward_data(geometry, choice, dy, packed(call, w), {}, plain(write), dx,
                                     scratch_.get(cuda::conv_scratch_bytes(call, choice)), stream_);
}

void CudaBackend::conv_transpose_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                                  const Tensor& dy, const Tensor& dw, Write write) {
  const Call call = conv_call(Op::conv_transpose_backward_weights, geometry, x, dy);
  const cuda::ConvChoice choice = choice_for(call);
  cuda::conv_transpose_backward_weights(geometry, choice, x, {}, dy, dw, write,
                                        scratch(cuda::conv_scratch_bytes(call, choice)), stream_);
}

void CudaBackend::batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                                   const Dropout& dropout, const BatchNormSaved& saved,
                                   const Tensor& y) {
  cuda::batch_norm_train(x, norm, act, dropout, saved, y,
                         scratch(cuda::batch_norm_scratch_bytes(x.shape())), stream_);
}

void CudaBackend::batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act,
                                   const Tensor& y) {
  cuda::batch_norm_infer(x, norm, act, y, stream_);
}

void CudaBackend::batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm,
                                      Activation act, const Dropout& dropout,
                                      const BatchNormSaved& saved, const Tensor& dx,
                                      const Tensor& dgamma, const Tensor& dbeta, Write write) {
  cuda::batch_norm_backward(x, dy, norm, act, dropout, saved, dx, dgamma, dbeta, write,
                            scratch(cuda::batch_norm_scratch_bytes(x.shape())), stream_);
}

void CudaBackend::batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                                  const Tensor& folded_w, const Tensor& folded_bias) {
  cuda::batch_norm_fold(w, norm, transposed, folded_w, folded_bias, stream_);
}

void CudaBackend::activation_forward(Activation act, const Tensor& x, const Tensor& y) {
  cuda::activation_forward(act, x, y, stream_);
}

void CudaBackend::activation_backward(Activation act, const Tensor& y, const Tensor& dy,
                                      const Tensor& dx, Write write) {
  cuda::activation_backward(act, y, dy, dx, write, stream_);
}

void CudaBackend::avg_pool_forward(const Tensor& x, const Tensor& y) {
  cuda::avg_pool_forward(x, y, stream_);
}

void CudaBackend::avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy,
                                    const Tensor& dx, Write write) {
  cuda::avg_pool_backward(act, x, dy, dx, write, stream_);
}

void CudaBackend::max_pool_forward(const Tensor& x, const Tensor& y) {
  cuda::max_pool_forward(x, y, stream_);
}

void CudaBackend::max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx,
                                    Write write) {
  cuda::max_pool_backward(x, dy, dx, write, stream_);
}

void CudaBackend::upsample_forward(const Tensor& x, const Tensor& y) {
  cuda::upsample_forward(x, y, stream_);
}

void CudaBackend::upsample_backward(const Tensor& dy, const Tensor& dx, Write write) {
  cuda::upsample_backward(dy, dx, write, stream_);
}

void CudaBackend::augment_forward(const Tensor& x, const Warp* warps, const Tensor& y) {
  cuda::augment_forward(x, warps, y, stream_);
}

void CudaBackend::augment_backward(const Tensor& dy, const Warp* warps, const Tensor& dx,
                                   Write write) {
  cuda::augment_backward(dy, warps, dx, write, stream_);
}

void CudaBackend::linear_forward(const Tensor& x, const Weights& w, const Tensor& bias,
                                 const Tensor& y) {
  cuda::linear_forward(x, w.values, bias, y,
                       scratch(cuda::linear_scratch_bytes(x.shape(), y.shape())), stream_);
}

void CudaBackend::linear_backward_data(const Tensor& dy, const Weights& w, const Tensor& dx,
                                       Write write) {
  cuda::linear_backward_data(dy, w.values, dx, write, stream_);
}

void CudaBackend::linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw,
                                          Write write) {
  cuda::linear_backward_weights(x, dy, dw, write, stream_);
}

void CudaBackend::bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                                  const Tensor& dx, Write write) {
  cuda::bce_with_logits(x, target, weight, loss, dx, write, scratch(cuda::loss_scratch_bytes()),
                        stream_);
}

void CudaBackend::l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                          const Tensor& dx, Write write) {
  cuda::l1_loss(x, target, weight, loss, dx, write, scratch(cuda::loss_scratch_bytes()), stream_);
}

void CudaBackend::mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                           const Tensor& dx, Write write) {
  cuda::mse_loss(x, target, weight, loss, dx, write, scratch(cuda::loss_scratch_bytes()), stream_);
}

void CudaBackend::relativistic_loss(const Tensor& higher, const Tensor& lower, float weight,
                                    const Tensor& loss, const Tensor& d_higher,
                                    const Tensor& d_lower, Write write) {
  cuda::relativistic_loss(higher, lower, weight, loss, d_higher, d_lower, write,
                          scratch(cuda::loss_scratch_bytes()), stream_);
}

void CudaBackend::chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights,
                              float beta, float weight, const Tensor& loss, const Tensor& dx,
                              Write write) {
  cuda::chroma_loss(x, target, weights, beta, weight, loss, dx, write,
                    scratch(cuda::chroma_loss_scratch_bytes()), stream_);
}

void CudaBackend::moment_loss(const Tensor& x, const Tensor& target, float weight,
                              const Tensor& loss, const Tensor& dx, Write write) {
  cuda::moment_loss(x, target, weight, loss, dx, write,
                    scratch(cuda::moment_loss_scratch_bytes(x.shape())), stream_);
}

void CudaBackend::begin_update(const Tensor& numbers, const UpdateControl* after,
                               UpdateControl* control) {
  cuda::begin_update(numbers, after, control, stream_);
}

void CudaBackend::balance(const Tensor& squares, const UpdateControl* after,
                          GradientBalance* balance, const Tensor& result) {
  cuda::balance(squares, after, balance, result, stream_);
}

void CudaBackend::adam(const AdamSettings& settings, const UpdateControl* control,
                       const Tensor& parameters, const Tensor& gradients,
                       const Tensor& first_moment, const Tensor& second_moment) {
  cuda::adam(settings, control, parameters, gradients, first_moment, second_moment, {}, stream_);
}

void CudaBackend::fill(const Tensor& x, float value) {
  cuda::fill(x, value, stream_);
}

void CudaBackend::fill_uniform(const RandomKey& key, const Tensor& x) {
  cuda::fill_uniform(key, x, stream_);
}

void CudaBackend::copy(const Tensor& x, const Tensor& y) {
  cuda::copy(x, y, stream_);
}

void CudaBackend::add(const Tensor& x, const Tensor& y) {
  cuda::add(x, y, stream_);
}

void CudaBackend::axpby(float a, const Tensor& x, float b, const Tensor& y) {
  cuda::axpby(a, x, b, y, stream_);
}

void CudaBackend::mix(const Tensor& factors, const Tensor& x, const Tensor& y) {
  cuda::mix(factors, x, y, stream_);
}

void CudaBackend::channel_sum(const Tensor& x, const Tensor& sums, Write write) {
  cuda::channel_sum(x, sums, write, scratch(cuda::channel_sum_scratch_bytes(x.shape())), stream_);
}

void CudaBackend::assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                                 const Tensor& gray, const Tensor& color) {
  cuda::assemble_batch(photos, picks, space, gray, color, stream_);
}

std::unique_ptr<Backend> make_cuda_backend(Memory& memory, CUstream_st* stream,
                                           CudaPrecision precision, cuda::Dataflow* dataflow) {
  return std::make_unique<CudaBackend>(memory, stream, precision, dataflow);
}

}  // namespace gan
