// How cuDNN computes one convolution: its descriptors, the algorithm, the working memory.
#pragma once

#include <cstddef>

#include "kernels/cudnn/descriptors.h"

namespace gan::cudnn {

class ConvPlan {
 public:
  // Measures cuDNN's algorithms on memory of its own and keeps the fastest that gives the same bytes
  // every time. Waits for the device. Throws DeviceError when there is none.
  ConvPlan(cudnnHandle_t handle, Memory& memory, const ConvProblem& problem);

  size_t scratch_bytes() const { return scratch_bytes_; }
  // forward: y = conv(x, w); data_gradient: x from y and w; weight_gradient: w from x and y.
  void run(cudnnHandle_t handle, void* x, void* w, void* y, void* scratch) const;

 private:
  Direction direction_;
  ConvDescriptors descriptors_;
  int algorithm_ = 0;  // one of cuDNN's three enumerations, by direction
  size_t scratch_bytes_ = 0;
};

}  // namespace gan::cudnn
