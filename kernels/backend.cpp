#include "kernels/backend.h"

#include <initializer_list>

namespace gan {

Call conv_call(Op op, const ConvGeometry& geometry, const Tensor& x, const Tensor& y) {
  const auto pitch = [](const Tensor& tensor) { return tensor.dense() ? 0 : tensor.pitch(); };
  return {.op = op,
          .dtype = x.dtype(),
          .x = x.shape(),
          .y = y.shape(),
          .geometry = geometry,
          .x_pitch = pitch(x),
          .y_pitch = pitch(y)};
}

Call conv_call(Op op, const ConvGeometry& geometry, const Tensor& x, const Tensor& y,
               const Epilogue& epilogue) {
  Call call = conv_call(op, geometry, x, y);
  call.finishes = static_cast<bool>(epilogue);
  return call;
}

Call conv_call(Op op, const ConvGeometry& geometry, const Tensor& dx, const Tensor& dy,
               Write write) {
  Call call = conv_call(op, geometry, dx, dy);
  call.adds = write == Write::accumulate;
  return call;
}

size_t CallHash::operator()(const Call& call) const {
  const ConvGeometry& g = call.geometry;
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a over the fields
  for (int64_t field :
       {static_cast<int64_t>(call.op), static_cast<int64_t>(call.dtype), call.x.n, call.x.h,
        call.x.w, call.x.c, call.y.n, call.y.h, call.y.w, call.y.c, int64_t{g.kernel},
        int64_t{g.stride}, int64_t{g.padding}, int64_t{g.output_padding}, int64_t{call.finishes},
        int64_t{call.adds}, call.x_pitch, call.y_pitch}) {
    hash = (hash ^ static_cast<uint64_t>(field)) * 0x100000001b3u;
  }
  return hash;
}

const char* name_of(Op op) {
  switch (op) {
    case Op::conv_forward:
      return "conv forward";
    case Op::conv_backward_data:
      return "conv backward data";
    case Op::conv_backward_weights:
      return "conv backward weights";
    case Op::conv_transpose_forward:
      return "conv_transpose forward";
    case Op::conv_transpose_backward_data:
      return "conv_transpose backward data";
    case Op::conv_transpose_backward_weights:
      return "conv_transpose backward weights";
    case Op::batch_norm:
      return "batch norm";
    case Op::activation:
      return "activation";
    case Op::avg_pool:
      return "average pooling";
    case Op::max_pool:
      return "max pooling";
    case Op::upsample:
      return "upsampling";
    case Op::augment:
      return "augmentation";
    case Op::linear:
      return "linear";
    case Op::loss:
      return "loss";
    case Op::adam:
      return "adam";
    case Op::memory:
      return "memory";
    case Op::random:
      return "random";
    case Op::batch:
      return "batch";
    case Op::control:
      return "control";
  }
  return "?";
}

Shape conv_output(const Shape& input, int64_t channels, const ConvGeometry& g) {
  return {input.n, (input.h + 2 * g.padding - g.kernel) / g.stride + 1,
          (input.w + 2 * g.padding - g.kernel) / g.stride + 1, channels};
}

Shape conv_transpose_output(const Shape& input, int64_t channels, const ConvGeometry& g) {
  return {input.n, (input.h - 1) * g.stride - 2 * g.padding + g.kernel + g.output_padding,
          (input.w - 1) * g.stride - 2 * g.padding + g.kernel + g.output_padding, channels};
}

Shape halved(const Shape& input) {
  return {input.n, input.h / 2, input.w / 2, input.c};
}

Call call_on(Op op, const Tensor& x, const Tensor& y) {
  return {op, x.dtype(), x.shape(), y.shape(), {}};
}

bool pooled(const char* operation, const Shape& x, const Shape& y) {
  if (y == x) return false;
  require(x.h % 2 == 0 && x.w % 2 == 0 && y == halved(x), operation, ": a result of shape ", y,
          " is neither of the input's shape, ", x, ", nor of its averages over 2x2 windows");
  return true;
}

WorkingMemory Backend::working_memory(const Call&) const {
  return {};
}

bool Backend::wants_dense() const {
  return false;
}

std::vector<std::string> Backend::variants(const Call&) const {
  return {"automatic"};
}

void Backend::take_variant(const Call& call, size_t index) {
  require(index == 0, "backend ", name(), " has one way of computing ", name_of(call.op));
}

void Backend::unsupported(const char* function) const {
  throw InternalError(str("backend ", name(), " does not implement ", function));
}

#define GAN_UNSUPPORTED(function, ...)  \
  void Backend::function(__VA_ARGS__) { \
    unsupported(#function);             \
  }

GAN_UNSUPPORTED(conv_forward, const ConvGeometry&, const Tensor&, const Weights&, const Epilogue&,
                const Tensor&)
GAN_UNSUPPORTED(conv_backward_data, const ConvGeometry&, const Tensor&, const Weights&,
                const Tensor&, Write)
GAN_UNSUPPORTED(conv_backward_weights, const ConvGeometry&, const Tensor&, const Tensor&,
                const Tensor&, Write)
GAN_UNSUPPORTED(conv_transpose_forward, const ConvGeometry&, const Tensor&, const Weights&,
                const Epilogue&, const Tensor&)
GAN_UNSUPPORTED(conv_transpose_backward_data, const ConvGeometry&, const Tensor&, const Weights&,
                const Tensor&, Write)
GAN_UNSUPPORTED(conv_transpose_backward_weights, const ConvGeometry&, const Tensor&, const Tensor&,
                const Tensor&, Write)
GAN_UNSUPPORTED(batch_norm_train, const Tensor&, const BatchNorm&, Activation, const Dropout&,
                const BatchNormSaved&, const Tensor&)
GAN_UNSUPPORTED(batch_norm_infer, const Tensor&, const BatchNorm&, Activation, const Tensor&)
GAN_UNSUPPORTED(batch_norm_backward, const Tensor&, const Tensor&, const BatchNorm&, Activation,
                const Dropout&, const BatchNormSaved&, const Tensor&, const Tensor&, const Tensor&,
                Write)
GAN_UNSUPPORTED(batch_norm_fold, const Tensor&, const BatchNorm&, bool, const Tensor&,
                const Tensor&)
GAN_UNSUPPORTED(activation_forward, Activation, const Tensor&, const Tensor&)
GAN_UNSUPPORTED(activation_backward, Activation, const Tensor&, const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(avg_pool_forward, const Tensor&, const Tensor&)
GAN_UNSUPPORTED(avg_pool_backward, Activation, const Tensor&, const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(max_pool_forward, const Tensor&, const Tensor&)
GAN_UNSUPPORTED(max_pool_backward, const Tensor&, const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(linear_forward, const Tensor&, const Weights&, const Tensor&, const Tensor&)
GAN_UNSUPPORTED(linear_backward_data, const Tensor&, const Weights&, const Tensor&, Write)
GAN_UNSUPPORTED(linear_backward_weights, const Tensor&, const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(bce_with_logits, const Tensor&, float, float, const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(l1_loss, const Tensor&, const Tensor&, float, const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(mse_loss, const Tensor&, const Tensor&, float, const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(begin_update, const Tensor&, const UpdateControl*, UpdateControl*)
GAN_UNSUPPORTED(balance, const Tensor&, const UpdateControl*, GradientBalance*, const Tensor&)
GAN_UNSUPPORTED(adam, const AdamSettings&, const UpdateControl*, const Tensor&, const Tensor&,
                const Tensor&, const Tensor&)
GAN_UNSUPPORTED(fill, const Tensor&, float)
GAN_UNSUPPORTED(fill_uniform, const RandomKey&, const Tensor&)
GAN_UNSUPPORTED(copy, const Tensor&, const Tensor&)
GAN_UNSUPPORTED(add, const Tensor&, const Tensor&)
GAN_UNSUPPORTED(channel_sum, const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(assemble_batch, const Tensor&, const PhotoPick*, ColorSpace, const Tensor&,
                const Tensor&)
GAN_UNSUPPORTED(upsample_forward, const Tensor&, const Tensor&)
GAN_UNSUPPORTED(upsample_backward, const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(augment_forward, const Tensor&, const Warp*, const Tensor&)
GAN_UNSUPPORTED(augment_backward, const Tensor&, const Warp*, const Tensor&, Write)
GAN_UNSUPPORTED(relativistic_loss, const Tensor&, const Tensor&, float, const Tensor&,
                const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(chroma_loss, const Tensor&, const Tensor&, const Tensor&, float, float,
                const Tensor&, const Tensor&, Write)
GAN_UNSUPPORTED(moment_loss, const Tensor&, const Tensor&, float, const Tensor&, const Tensor&,
                Write)
GAN_UNSUPPORTED(axpby, float, const Tensor&, float, const Tensor&)

#undef GAN_UNSUPPORTED

void Backend::mix(const Tensor& factors, const Tensor& x, const Tensor& y) {
  const float* ab = factors.as<float>();
  axpby(ab[0], x, ab[1], y);
}

}  // namespace gan
