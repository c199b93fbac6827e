#include "kernels/cudnn/cudnn_backend.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "kernels/cuda/activation.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/dataflow.h"
#include "kernels/cuda/linear.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/scratch.h"
#include "kernels/cudnn/blas.h"
#include "kernels/cudnn/conv_plan.h"

namespace gan {
namespace {

using cudnn::ConvPlan;
using cudnn::ConvProblem;
using cudnn::Direction;

// One for all backends of a process: what one of them has measured, the others do alike.
Choices& algorithms_of(const std::string& gpu) {
  static std::map<std::string, Choices> all;
  const std::string hardware = str(gpu, ", cuDNN ", cudnnGetVersion());
  return all
      .try_emplace(hardware, hardware,
                   gpu.empty() ? std::filesystem::path() : Choices::default_file("cudnn.txt"))
      .first->second;
}

class CudnnBackend final : public Backend {
 public:
  CudnnBackend(Memory& memory, CUstream_st* stream, DevicePrecision precision,
               const std::string& gpu, cuda::Dataflow* dataflow)
      : algorithms_(algorithms_of(gpu)),
        memory_(memory),
        stream_(stream),
        tf32_(precision == DevicePrecision::tf32),
        own_(memory, stream, tf32_ ? CudaPrecision::tf32 : CudaPrecision::fp32, dataflow),
        dataflow_(dataflow),
        blas_(memory, stream, tf32_),
        converted_(memory, stream, dataflow),
        results_(memory, dataflow),
        working_(memory, dataflow) {
    cudnnHandle_t made = nullptr;
    cudnn::check(cudnnCreate(&made), "beginning to use the GPU");
    handle_.reset(made);
    cudnn::check(cudnnSetStream(made, stream), "taking the stream");
  }

  std::string_view name() const override { return "cudnn"; }
  std::string description() const override {
    const size_t v = cudnnGetVersion();
    return str("cuDNN ", v / 10000, ".", v / 100 % 100, ".", v % 100, " and cuBLAS");
  }

  bool supports(const Call& call) const override {
    if (call.dtype != DType::f32 && call.dtype != DType::bf16) return false;
    if (call.op == Op::linear) return own_.supports(call);
    if (call.op > Op::conv_transpose_backward_weights) return false;
    if (call.adds && !can_add(call.x, call.x_pitch > 0)) return false;
    return own_.supports(call) && plan_for(cudnn::problem_of(call, tf32_)) != nullptr;
  }

  bool wants_dense() const override { return true; }

  void conv_forward(const ConvGeometry& g, const Tensor& x, const Weights& w,
                    const Epilogue& epilogue, const Tensor& y) override {
    if (!run(Op::conv_forward, g, x, w, y, epilogue)) own_.conv_forward(g, x, w, epilogue, y);
  }
  void conv_backward_data(const ConvGeometry& g, const Tensor& dy, const Weights& w,
                          const Tensor& dx, Write write) override {
    if (!run(Op::conv_backward_data, g, dx, w, dy, {}, write)) {
      own_.conv_backward_data(g, dy, w, dx, write);
    }
  }
  void conv_backward_weights(const ConvGeometry& g, const Tensor& x, const Tensor& dy,
                             const Tensor& dw, Write write) override {
    if (!run(Op::conv_backward_weights, g, x, {dw}, dy, {}, write)) {
      own_.conv_backward_weights(g, x, dy, dw, write);
    }
  }
  void conv_transpose_forward(const ConvGeometry& g, const Tensor& x, const Weights& w,
                              const Epilogue& epilogue, const Tensor& y) override {
    if (!run(Op::conv_transpose_forward, g, x, w, y, epilogue)) {
      own_.conv_transpose_forward(g, x, w, epilogue, y);
    }
  }
  void conv_transpose_backward_data(const ConvGeometry& g, const Tensor& dy, const Weights& w,
                                    const Tensor& dx, Write write) override {
    if (!run(Op::conv_transpose_backward_data, g, dx, w, dy, {}, write)) {
      own_.conv_transpose_backward_data(g, dy, w, dx, write);
    }
  }
  void conv_transpose_backward_weights(const ConvGeometry& g, const Tensor& x, const Tensor& dy,
                                       const Tensor& dw, Write write) override {
    if (!run(Op::conv_transpose_backward_weights, g, x, {dw}, dy, {}, write)) {
      own_.conv_transpose_backward_weights(g, x, dy, dw, write);
    }
  }

  // cuBLAS leaves the sums in float32; adding the bias and rounding is one pass of ours.
  void linear_forward(const Tensor& x, const Weights& w, const Tensor& bias,
                      const Tensor& y) override {
    if (!x.dense()) return own_.linear_forward(x, w, bias, y);
    const int64_t n = x.shape().n, o = y.shape().c, f = features(x);
    auto* sums =
        static_cast<float*>(results_.get(static_cast<size_t>(n * o) * sizeof(float)).memory);
    blas().multiply(cudnn::linear_forward_gemm(n, f, o, o), converted(w, x.dtype()), x.data(),
                    x.dtype(), sums, DType::f32, false);
    cuda::linear_finish(sums, 1, bias, y, stream_);
  }
  void linear_backward_data(const Tensor& dy, const Weights& w, const Tensor& dx,
                            Write write) override {
    if (!dx.dense()) return own_.linear_backward_data(dy, w, dx, write);
    blas().multiply(
        cudnn::linear_data_gradient_gemm(dx.shape().n, features(dx), dy.shape().c, dy.pitch()),
        converted(w, dx.dtype()), dy.data(), dx.dtype(), dx.data(), dx.dtype(),
        write == Write::accumulate);
  }
  void linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw,
                               Write write) override {
    if (!x.dense()) return own_.linear_backward_weights(x, dy, dw, write);
    blas().multiply(
        cudnn::linear_weight_gradient_gemm(x.shape().n, features(x), dy.shape().c, dy.pitch()),
        x.data(), dy.data(), x.dtype(), dw.data(), DType::f32, write == Write::accumulate);
  }

 private:
  const cudnn::Blas& blas() {
    const Buffer& shared = blas_.workspace();
    if (dataflow_) dataflow_->writes({shared.data(), shared.bytes()});
    return blas_;
  }

  static int64_t features(const Tensor& x) {
    const Shape& s = x.shape();
    return s.h * s.w * s.c;
  }

  // cuDNN adds to what is there in its own pass, which rounds once; but not in a slice of channels, which it
  // refuses, nor where it pads three channels to more. Adding later would round twice.
  static bool can_add(const Shape& result, bool slice) { return !slice && result.c % 8 == 0; }

  struct Known {
    ConvProblem problem;
    std::optional<ConvPlan> plan;  // none: cuDNN refuses it
  };

  ConvPlan* plan_for(const ConvProblem& problem) const {
    for (const auto& known : known_) {
      if (known->problem == problem) return known->plan ? &*known->plan : nullptr;
    }
    auto known = std::make_unique<Known>(Known{problem, std::nullopt});
    try {
      known->plan.emplace(handle_.get(), memory_, problem, algorithms_);
    } catch (const DeviceError&) {  // then the own kernels do it
    }
    known_.push_back(std::move(known));
    return known_.back()->plan ? &*known_.back()->plan : nullptr;
  }

  // A bias belongs to its weights, whose version says when it has changed.
  void* converted(const Weights& w, DType dtype) {
    if (dtype == DType::f32) return w.values.data();
    const size_t bytes = static_cast<size_t>(w.values.elements()) * size_of(dtype);
    return converted_.get({w.values.data(), Op::memory, dtype, 0, 0, 0, 0, w.values.elements(), 1},
                          w, bytes, [&](void* to) { return cuda::cast_job(w.values, to); });
  }

  // Runs the call through cuDNN; x and y are the call's forward input and output. A bias with ReLU behind
  // a plain convolution is part of its pass, whatever else there is to finish one of ours over the
  // result. False: cuDNN cannot.
  bool run(Op op, const ConvGeometry& g, const Tensor& x, const Weights& w, const Tensor& y,
           const Epilogue& epilogue, Write write = Write::overwrite) {
    const ConvProblem problem = cudnn::problem_of(conv_call(op, g, x, y), tf32_);
    const bool transposed = op >= Op::conv_transpose_forward;
    const Tensor& larger = transposed ? y : x;
    const Tensor& smaller = transposed ? x : y;
    const Direction direction = problem.direction;
    const Tensor& result = direction == Direction::forward         ? smaller
                           : direction == Direction::data_gradient ? larger
                                                                   : w.values;
    const bool adds = write == Write::accumulate;
    if (adds && direction != Direction::weight_gradient &&
        !can_add(result.shape(), !result.dense()))
      return false;
    // Weight gradients are float32; cuDNN writes the pictures' type, to be converted.
    const bool apart = result.dtype() != x.dtype();
    require(!apart || direction == Direction::weight_gradient, "cuDNN: a result in ",
            name_of(result.dtype()), " from ", name_of(x.dtype()));
    ConvPlan* plan = plan_for(problem);
    if (!plan) return false;

    Tensor target = result;
    if (apart) {
      const size_t bytes = static_cast<size_t>(result.elements()) * size_of(x.dtype());
      target = Tensor(results_.get(bytes).memory, result.shape(), x.dtype());
    }
    void* weights =
        direction == Direction::weight_gradient ? target.data() : converted(w, x.dtype());
    void* const scratch = working_.get(plan->scratch_bytes()).memory;
    if (epilogue.bias && epilogue.act == Activation::relu && !transposed && !apart &&
        plan->run_biased_relu(handle_.get(), larger.data(), weights,
                              converted({epilogue.bias, w.version}, x.dtype()), smaller.data(),
                              scratch)) {
      return true;
    }
    plan->run(handle_.get(), direction == Direction::data_gradient ? target.data() : larger.data(),
              weights, direction == Direction::forward ? target.data() : smaller.data(), scratch,
              adds && !apart);
    if (apart && adds) {
      cuda::add(target, result, stream_);
    } else if (apart) {
      cuda::copy(target, result, stream_);
    }
    if (epilogue) cuda::bias_activation(epilogue.act, epilogue.bias, y, stream_);
    return true;
  }

  Choices& algorithms_;
  Memory& memory_;
  CUstream_st* stream_;
  bool tf32_;
  CudaBackend own_;
  cuda::Dataflow* dataflow_;
  cudnn::Blas blas_;
  cudnn::Handle handle_;
  mutable std::vector<std::unique_ptr<Known>> known_;  // supports() makes plans
  cuda::PackedWeights converted_;                      // weights in the pictures' type
  cuda::ScratchMemory results_;                        // on their way to another type
  cuda::ScratchMemory working_;                        // cuDNN's
};

}  // namespace

std::unique_ptr<Backend> make_cudnn_backend(Memory& memory, CUstream_st* stream,
                                            DevicePrecision precision, const std::string& gpu,
                                            cuda::Dataflow* dataflow) {
  return std::make_unique<CudnnBackend>(memory, stream, precision, gpu, dataflow);
}

}  // namespace gan
