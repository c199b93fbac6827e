#include "kernels/cudnn/descriptors.h"

#include "engine/error.h"

namespace gan::cudnn {
namespace {

cudnnDataType_t data_type(DType dtype) {
  return dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

TensorDescriptor tensor(const Shape& s, int64_t pitch, DType dtype) {
  cudnnTensorDescriptor_t made = nullptr;
  check(cudnnCreateTensorDescriptor(&made), "making a tensor descriptor");
  TensorDescriptor owned(made);
  const auto i = [](int64_t value) { return static_cast<int>(value); };
  check(cudnnSetTensor4dDescriptorEx(made, data_type(dtype), i(s.n), i(s.c), i(s.h), i(s.w),
                                     i(s.h * s.w * pitch), 1, i(s.w * pitch), i(pitch)),
        "describing a tensor");
  return owned;
}

}  // namespace

void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw DeviceError(str("cuDNN: ", what, ": ", cudnnGetErrorString(status)));
}

ConvProblem problem_of(const Call& call, bool tf32) {
  ConvProblem problem;
  const bool transposed = call.op == Op::conv_transpose_forward ||
                          call.op == Op::conv_transpose_backward_data ||
                          call.op == Op::conv_transpose_backward_weights;
  problem.x = transposed ? call.y : call.x;
  problem.y = transposed ? call.x : call.y;
  const int64_t x_pitch = transposed ? call.y_pitch : call.x_pitch;
  const int64_t y_pitch = transposed ? call.x_pitch : call.y_pitch;
  problem.x_pitch = x_pitch > 0 ? x_pitch : problem.x.c;
  problem.y_pitch = y_pitch > 0 ? y_pitch : problem.y.c;
  problem.dtype = call.dtype;
  problem.geometry = call.geometry;
  problem.geometry.output_padding = 0;  // x's extent says it
  problem.tf32 = tf32;
  switch (call.op) {
    case Op::conv_forward:
    case Op::conv_transpose_backward_data:
      problem.direction = Direction::forward;
      break;
    case Op::conv_backward_data:
    case Op::conv_transpose_forward:
      problem.direction = Direction::data_gradient;
      break;
    case Op::conv_backward_weights:
    case Op::conv_transpose_backward_weights:
      problem.direction = Direction::weight_gradient;
      break;
    default:
      throw InternalError(str(name_of(call.op), " is not a convolution"));
  }
  return problem;
}

ConvDescriptors::ConvDescriptors(const ConvProblem& p)
    : x(tensor(p.x, p.x_pitch, p.dtype)), y(tensor(p.y, p.y_pitch, p.dtype)) {
  const ConvGeometry& g = p.geometry;
  cudnnFilterDescriptor_t filter = nullptr;
  check(cudnnCreateFilterDescriptor(&filter), "making a filter descriptor");
  w.reset(filter);
  check(cudnnSetFilter4dDescriptor(filter, data_type(p.dtype), CUDNN_TENSOR_NHWC,
                                   static_cast<int>(p.y.c), static_cast<int>(p.x.c), g.kernel,
                                   g.kernel),
        "describing weights");
  cudnnConvolutionDescriptor_t made = nullptr;
  check(cudnnCreateConvolutionDescriptor(&made), "making a convolution descriptor");
  conv.reset(made);
  check(cudnnSetConvolution2dDescriptor(made, g.padding, g.padding, g.stride, g.stride, 1, 1,
                                        CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
        "describing a convolution");
  // Without this, cuDNN rounds the factors of float32 products as it likes.
  const cudnnMathType_t math =
      p.dtype == DType::bf16 || p.tf32 ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH;
  check(cudnnSetConvolutionMathType(made, math), "choosing the arithmetic");
}

BiasReluDescriptors::BiasReluDescriptors(const ConvProblem& p)
    : bias(tensor(vector_shape(p.y.c), p.y.c, p.dtype)) {
  cudnnActivationDescriptor_t made = nullptr;
  check(cudnnCreateActivationDescriptor(&made), "making an activation descriptor");
  relu.reset(made);
  check(cudnnSetActivationDescriptor(made, CUDNN_ACTIVATION_RELU, CUDNN_PROPAGATE_NAN, 0),
        "describing an activation");
}

}  // namespace gan::cudnn
