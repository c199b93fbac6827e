#include "kernels/cudnn/conv_plan.h"

#include <array>
#include <cstdio>

#include "engine/error.h"

namespace gan::cudnn {
namespace {

constexpr size_t kMostScratch = size_t{512} << 20;  // for what an algorithm may ask
constexpr int kMostResults = 16;

constexpr const char* kNone = "none";

// The fastest algorithm that ran and is deterministic. cuDNN gives them in the order of their time.
template <class Result>
const Result* best_of(const std::array<Result, kMostResults>& results, int count) {
  for (int i = 0; i < count; ++i) {
    if (results[i].status == CUDNN_STATUS_SUCCESS && results[i].memory <= kMostScratch &&
        results[i].determinism == CUDNN_DETERMINISTIC) {
      return &results[i];
    }
  }
  return nullptr;
}

[[noreturn]] void refuse() {
  throw DeviceError("cuDNN: no deterministic algorithm for this convolution");
}

}  // namespace

std::string text_of(const ConvProblem& p) {
  const ConvGeometry& g = p.geometry;
  constexpr std::array<const char*, 3> kDirections = {"forward", "data", "weights"};
  return str(kDirections[static_cast<size_t>(p.direction)], " ", name_of(p.dtype),
             p.tf32 ? " tf32 " : " ", p.x, " at ", p.x_pitch, " ", p.y, " at ", p.y_pitch,
             " kernel ", g.kernel, " stride ", g.stride, " padding ", g.padding);
}

ConvPlan::ConvPlan(cudnnHandle_t handle, Memory& memory, const ConvProblem& p, Choices& known)
    : direction_(p.direction), descriptors_(p) {
  // What cannot run leaves errors that the next launch of ours would be blamed for.
  struct Forget {
    ~Forget() { cudaGetLastError(); }
  } const forget;
  const std::string text = text_of(p), chosen = known.find(text);
  if (chosen == kNone) refuse();
  int number = 0, math = 0;
  if (std::sscanf(chosen.c_str(), "%d %d", &number, &math) == 2) {
    algorithm_ = {number, static_cast<cudnnMathType_t>(math)};
  } else {
    algorithm_ = measured(handle, memory, p);
    known.keep(text, algorithm_.number < 0 ? kNone : str(algorithm_.number, " ", algorithm_.math));
    if (algorithm_.number < 0) refuse();
  }
  check(cudnnSetConvolutionMathType(descriptors_.conv.get(), algorithm_.math),
        "choosing the arithmetic");
  scratch_bytes_ = working_bytes(handle);
  if (p.direction == Direction::forward) biased_relu_.emplace(p);
}

// A negative number: none.
ConvPlan::Algorithm ConvPlan::measured(cudnnHandle_t handle, Memory& memory,
                                       const ConvProblem& p) const {
  const auto bytes = [&](const Shape& shape, int64_t pitch) {
    return static_cast<size_t>(shape.pixels() * pitch) * size_of(p.dtype);
  };
  const Shape weights = p.weights();
  const Buffer x(memory, bytes(p.x, p.x_pitch)), y(memory, bytes(p.y, p.y_pitch)),
      w(memory, bytes(weights, weights.c)), scratch(memory, kMostScratch);
  for (const Buffer* buffer : {&x, &y, &w}) memory.fill_zero(buffer->data(), buffer->bytes());

  const ConvDescriptors& d = descriptors_;
  // The best by the second time that cuDNN looks for it: in the first one, loading its kernels counts.
  const auto best = [](auto results, auto&& find, const char* what) {
    int count = 0;
    for (int i = 0; i < 2; ++i) check(find(results, &count), what);
    const auto* result = best_of(results, count);
    return result ? Algorithm{static_cast<int>(result->algo), result->mathType} : Algorithm{-1};
  };
  switch (direction_) {
    case Direction::forward:
      return best(
          std::array<cudnnConvolutionFwdAlgoPerf_t, kMostResults>(),
          [&](auto& results, int* count) {
            return cudnnFindConvolutionForwardAlgorithmEx(
                handle, d.x.get(), x.data(), d.w.get(), w.data(), d.conv.get(), d.y.get(), y.data(),
                kMostResults, count, results.data(), scratch.data(), kMostScratch);
          },
          "measuring forward algorithms");
    case Direction::data_gradient:
      return best(
          std::array<cudnnConvolutionBwdDataAlgoPerf_t, kMostResults>(),
          [&](auto& results, int* count) {
            return cudnnFindConvolutionBackwardDataAlgorithmEx(
                handle, d.w.get(), w.data(), d.y.get(), y.data(), d.conv.get(), d.x.get(), x.data(),
                kMostResults, count, results.data(), scratch.data(), kMostScratch);
          },
          "measuring data gradient algorithms");
    case Direction::weight_gradient:
      return best(
          std::array<cudnnConvolutionBwdFilterAlgoPerf_t, kMostResults>(),
          [&](auto& results, int* count) {
            return cudnnFindConvolutionBackwardFilterAlgorithmEx(
                handle, d.x.get(), x.data(), d.y.get(), y.data(), d.conv.get(), d.w.get(), w.data(),
                kMostResults, count, results.data(), scratch.data(), kMostScratch);
          },
          "measuring weight gradient algorithms");
  }
  return {-1};
}

size_t ConvPlan::working_bytes(cudnnHandle_t handle) const {
  const ConvDescriptors& d = descriptors_;
  size_t bytes = 0;
  const char* const what = "asking for working memory";
  switch (direction_) {
    case Direction::forward:
      check(cudnnGetConvolutionForwardWorkspaceSize(
                handle, d.x.get(), d.w.get(), d.conv.get(), d.y.get(),
                static_cast<cudnnConvolutionFwdAlgo_t>(algorithm_.number), &bytes),
            what);
      break;
    case Direction::data_gradient:
      check(cudnnGetConvolutionBackwardDataWorkspaceSize(
                handle, d.w.get(), d.y.get(), d.conv.get(), d.x.get(),
                static_cast<cudnnConvolutionBwdDataAlgo_t>(algorithm_.number), &bytes),
            what);
      break;
    case Direction::weight_gradient:
      check(cudnnGetConvolutionBackwardFilterWorkspaceSize(
                handle, d.x.get(), d.y.get(), d.conv.get(), d.w.get(),
                static_cast<cudnnConvolutionBwdFilterAlgo_t>(algorithm_.number), &bytes),
            what);
      break;
  }
  return bytes;
}

void ConvPlan::run(cudnnHandle_t handle, void* x, void* w, void* y, void* scratch,
                   bool accumulate) const {
  const float one = 1, old = accumulate ? 1 : 0;
  const ConvDescriptors& d = descriptors_;
  switch (direction_) {
    case Direction::forward:
      return check(
          cudnnConvolutionForward(handle, &one, d.x.get(), x, d.w.get(), w, d.conv.get(),
                                  static_cast<cudnnConvolutionFwdAlgo_t>(algorithm_.number),
                                  scratch, scratch_bytes_, &old, d.y.get(), y),
          "forward");
    case Direction::data_gradient:
      return check(cudnnConvolutionBackwardData(
                       handle, &one, d.w.get(), w, d.y.get(), y, d.conv.get(),
                       static_cast<cudnnConvolutionBwdDataAlgo_t>(algorithm_.number), scratch,
                       scratch_bytes_, &old, d.x.get(), x),
                   "data gradient");
    case Direction::weight_gradient:
      return check(cudnnConvolutionBackwardFilter(
                       handle, &one, d.x.get(), x, d.y.get(), y, d.conv.get(),
                       static_cast<cudnnConvolutionBwdFilterAlgo_t>(algorithm_.number), scratch,
                       scratch_bytes_, &old, d.w.get(), w),
                   "weight gradient");
  }
}

bool ConvPlan::run_biased_relu(cudnnHandle_t handle, const void* x, const void* w, const void* bias,
                               void* y, void* scratch) {
  if (!biased_relu_ || biased_relu_state_ == BiasedRelu::refused) return false;
  const float one = 1, zero = 0;
  const ConvDescriptors& d = descriptors_;
  // z, which could be added, is not read; cuDNN still wants it described as y is.
  const cudnnStatus_t status = cudnnConvolutionBiasActivationForward(
      handle, &one, d.x.get(), x, d.w.get(), w, d.conv.get(),
      static_cast<cudnnConvolutionFwdAlgo_t>(algorithm_.number), scratch, scratch_bytes_, &zero,
      d.y.get(), y, biased_relu_->bias.get(), bias, biased_relu_->relu.get(), d.y.get(), y);
  if (status != CUDNN_STATUS_SUCCESS && biased_relu_state_ == BiasedRelu::unknown) {
    cudaGetLastError();  // the next launch of ours would be blamed for it
    biased_relu_state_ = BiasedRelu::refused;
    return false;
  }
  check(status, "forward with bias and activation");
  biased_relu_state_ = BiasedRelu::works;
  return true;
}

}  // namespace gan::cudnn
