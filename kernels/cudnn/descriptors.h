// cuDNN's descriptors with owners, and a convolution described by them. Needs no device.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <memory>

#include "kernels/backend.h"

namespace gan::cudnn {

// Throws DeviceError naming what was tried.
void check(cudnnStatus_t status, const char* what);

template <class Descriptor, auto destroy>
struct Destroy {
  void operator()(Descriptor descriptor) const noexcept { destroy(descriptor); }
};
template <class Descriptor, auto destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Descriptor>, Destroy<Descriptor, destroy>>;

using Handle = Owned<cudnnHandle_t, cudnnDestroy>;
using TensorDescriptor = Owned<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor>;
using FilterDescriptor = Owned<cudnnFilterDescriptor_t, cudnnDestroyFilterDescriptor>;
using ActivationDescriptor = Owned<cudnnActivationDescriptor_t, cudnnDestroyActivationDescriptor>;
using ConvDescriptor = Owned<cudnnConvolutionDescriptor_t, cudnnDestroyConvolutionDescriptor>;

// What cuDNN computes. As in kernels/cuda/conv.h, transposed convolutions are the plain ones' other
// directions: x is always the larger side, y the smaller.
enum class Direction : uint8_t { forward, data_gradient, weight_gradient };

// One convolution as cuDNN is told of it.
struct ConvProblem {
  Direction direction = Direction::forward;
  Shape x, y;  // of the plain convolution
  int64_t x_pitch = 0, y_pitch = 0;
  DType dtype = DType::f32;  // of pictures; cuDNN's weights have the same
  ConvGeometry geometry;
  bool tf32 = false;  // float32: products may be rounded
  bool operator==(const ConvProblem&) const = default;

  Shape weights() const { return {y.c, geometry.kernel, geometry.kernel, x.c}; }
};
// Of one of the six convolution calls, tensors being dense.
ConvProblem problem_of(const Call& call, bool tf32);

struct ConvDescriptors {
  // Throws DeviceError when cuDNN refuses the description.
  explicit ConvDescriptors(const ConvProblem& problem);

  TensorDescriptor x, y;
  FilterDescriptor w;
  ConvDescriptor conv;
};

// What cuDNN's forward convolution can do with its sums before it stores them: y = relu(sum + bias).
// It wants the bias in the pictures' type.
struct BiasReluDescriptors {
  explicit BiasReluDescriptors(const ConvProblem& problem);

  TensorDescriptor bias;
  ActivationDescriptor relu;
};

}  // namespace gan::cudnn
