// How cuDNN computes one convolution: its descriptors, the algorithm, the working memory.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "kernels/cuda/choices.h"
#include "kernels/cudnn/descriptors.h"

namespace gan::cudnn {

class ConvPlan {
 public:
  // Takes the algorithm that `known` holds for the problem. Where there is none, measures cuDNN's on
  // memory of its own, keeps the fastest that gives the same bytes every time, and tells `known`.
  // Waits for the device. Throws DeviceError when there is none.
  ConvPlan(cudnnHandle_t handle, Memory& memory, const ConvProblem& problem, Choices& known);

  size_t scratch_bytes() const { return scratch_bytes_; }
  // forward: y = conv(x, w); data_gradient: x from y and w; weight_gradient: w from x and y. Accumulating,
  // the result is added to what is there, and rounded once.
  void run(cudnnHandle_t handle, void* x, void* w, void* y, void* scratch, bool accumulate) const;
  // forward: y = relu(conv(x, w) + bias) in one pass. False, with nothing done, where cuDNN cannot; the
  // first call finds out, so it must not be recorded.
  bool run_biased_relu(cudnnHandle_t handle, const void* x, const void* w, const void* bias,
                       void* y, void* scratch);

 private:
  // What cuDNN found, or knows of itself.
  struct Algorithm {
    int number = 0;  // of one of its three enumerations, by direction
    cudnnMathType_t math = CUDNN_DEFAULT_MATH;
  };
  Algorithm measured(cudnnHandle_t handle, Memory& memory, const ConvProblem& problem) const;
  size_t working_bytes(cudnnHandle_t handle) const;

  Direction direction_;
  ConvDescriptors descriptors_;
  Algorithm algorithm_;
  size_t scratch_bytes_ = 0;
  std::optional<BiasReluDescriptors> biased_relu_;  // forward only
  enum class BiasedRelu : uint8_t { unknown, works, refused } biased_relu_state_ = {};
};

// Names a problem in the list of known algorithms.
std::string text_of(const ConvProblem& problem);

}  // namespace gan::cudnn
