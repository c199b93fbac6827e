#include "kernels/cudnn/conv_plan.h"

#include <array>

#include "engine/error.h"

namespace gan::cudnn {
namespace {

constexpr size_t kMostScratch = size_t{512} << 20;  // for what an algorithm may ask
constexpr int kMostResults = 16;

// The fastest algorithm that ran and is deterministic. cuDNN gives them in the order of their time.
template <class Result>
const Result& best_of(const std::array<Result, kMostResults>& results, int count) {
  for (int i = 0; i < count; ++i) {
    if (results[i].status == CUDNN_STATUS_SUCCESS && results[i].memory <= kMostScratch &&
        results[i].determinism == CUDNN_DETERMINISTIC) {
      return results[i];
    }
  }
  throw DeviceError("cuDNN: no deterministic algorithm for this convolution");
}

}  // namespace

ConvPlan::ConvPlan(cudnnHandle_t handle, Memory& memory, const ConvProblem& p)
    : direction_(p.direction), descriptors_(p) {
  const auto bytes = [&](const Shape& shape, int64_t pitch) {
    return static_cast<size_t>(shape.pixels() * pitch) * size_of(p.dtype);
  };
  const Shape weights = p.weights();
  const Buffer x(memory, bytes(p.x, p.x_pitch)), y(memory, bytes(p.y, p.y_pitch)),
      w(memory, bytes(weights, weights.c)), scratch(memory, kMostScratch);
  for (const Buffer* buffer : {&x, &y, &w}) memory.fill_zero(buffer->data(), buffer->bytes());

  // Algorithms that cannot run leave errors that the next launch of ours would be blamed for.
  struct Forget {
    ~Forget() { cudaGetLastError(); }
  } const forget;
  int count = 0;
  const ConvDescriptors& d = descriptors_;
  if (direction_ == Direction::forward) {
    std::array<cudnnConvolutionFwdAlgoPerf_t, kMostResults> results;
    check(cudnnFindConvolutionForwardAlgorithmEx(
              handle, d.x.get(), x.data(), d.w.get(), w.data(), d.conv.get(), d.y.get(), y.data(),
              kMostResults, &count, results.data(), scratch.data(), kMostScratch),
          "measuring forward algorithms");
    const auto& best = best_of(results, count);
    algorithm_ = best.algo;
    scratch_bytes_ = best.memory;
    check(cudnnSetConvolutionMathType(d.conv.get(), best.mathType), "choosing the arithmetic");
  } else if (direction_ == Direction::data_gradient) {
    std::array<cudnnConvolutionBwdDataAlgoPerf_t, kMostResults> results;
    check(cudnnFindConvolutionBackwardDataAlgorithmEx(
              handle, d.w.get(), w.data(), d.y.get(), y.data(), d.conv.get(), d.x.get(), x.data(),
              kMostResults, &count, results.data(), scratch.data(), kMostScratch),
          "measuring data gradient algorithms");
    const auto& best = best_of(results, count);
    algorithm_ = best.algo;
    scratch_bytes_ = best.memory;
    check(cudnnSetConvolutionMathType(d.conv.get(), best.mathType), "choosing the arithmetic");
  } else {
    std::array<cudnnConvolutionBwdFilterAlgoPerf_t, kMostResults> results;
    check(cudnnFindConvolutionBackwardFilterAlgorithmEx(
              handle, d.x.get(), x.data(), d.y.get(), y.data(), d.conv.get(), d.w.get(), w.data(),
              kMostResults, &count, results.data(), scratch.data(), kMostScratch),
          "measuring weight gradient algorithms");
    const auto& best = best_of(results, count);
    algorithm_ = best.algo;
    scratch_bytes_ = best.memory;
    check(cudnnSetConvolutionMathType(d.conv.get(), best.mathType), "choosing the arithmetic");
  }
}

void ConvPlan::run(cudnnHandle_t handle, void* x, void* w, void* y, void* scratch) const {
  const float one = 1, zero = 0;
  const ConvDescriptors& d = descriptors_;
  switch (direction_) {
    case Direction::forward:
      return check(cudnnConvolutionForward(handle, &one, d.x.get(), x, d.w.get(), w, d.conv.get(),
                                           static_cast<cudnnConvolutionFwdAlgo_t>(algorithm_),
                                           scratch, scratch_bytes_, &zero, d.y.get(), y),
                   "forward");
    case Direction::data_gradient:
      return check(
          cudnnConvolutionBackwardData(handle, &one, d.w.get(), w, d.y.get(), y, d.conv.get(),
                                       static_cast<cudnnConvolutionBwdDataAlgo_t>(algorithm_),
                                       scratch, scratch_bytes_, &zero, d.x.get(), x),
          "data gradient");
    case Direction::weight_gradient:
      return check(
          cudnnConvolutionBackwardFilter(handle, &one, d.x.get(), x, d.y.get(), y, d.conv.get(),
                                         static_cast<cudnnConvolutionBwdFilterAlgo_t>(algorithm_),
                                         scratch, scratch_bytes_, &zero, d.w.get(), w),
          "weight gradient");
  }
}

}  // namespace gan::cudnn
