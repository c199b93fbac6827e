// The convolution launchers as a Backend, so that the parity harness can hold them against the
// reference. Every call packs the weights anew and brings exactly the scratch memory asked for.
#pragma once

#include <cstring>
#include <vector>

#include "kernels/cuda/conv.h"

namespace gan::testing {

// Device memory with guards around it, filled with NaN.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(size_t bytes) : bytes_(bytes), block_(bytes + 2 * kGuard) {
    std::memset(block_.data(), 0xff, block_.size());
    start_ = (16 - reinterpret_cast<uintptr_t>(block_.data()) % 16) % 16 + kGuard / 2;
  }
  void* data() { return block_.data() + start_; }
  // Throws when a byte before or behind was written.
  void check(const char* what) const {
    for (size_t i = 0; i < block_.size(); ++i)
      require((i >= start_ && i < start_ + bytes_) || block_[i] == 0xff, what,
              ": written outside, at byte ", static_cast<int64_t>(i) - static_cast<int64_t>(start_),
              " of ", bytes_);
  }

 private:
  static constexpr size_t kGuard = 256;
  size_t bytes_, start_ = 0;
  std::vector<uint8_t> block_;
};

// What kernels count arriving blocks in.
inline unsigned* no_arrivals() {
  static unsigned arrivals[cuda::Scratch::kArrivals] = {};
  return arrivals;
}

class ConvBackend : public Backend {
 public:
  explicit ConvBackend(cuda::ConvChoice choice) : choice_(choice) {}

  std::string_view name() const override { return "conv kernels"; }
  std::string description() const override { return "conv kernels"; }
  bool supports(const Call& call) const override {
    return call.op <= Op::conv_transpose_backward_weights && cuda::conv_supports(call);
  }

  void conv_forward(const ConvGeometry& g, const Tensor& x, const Weights& w,
                    const Epilogue& epilogue, const Tensor& y) override {
    const Call call = {Op::conv_forward, x.dtype(), x.shape(), y.shape(), g};
    gather(cuda::conv_forward, call, x, w, {epilogue.bias, epilogue.act}, y);
  }
  void conv_backward_data(const ConvGeometry& g, const Tensor& dy, const Weights& w,
                          const Tensor& dx, Write write) override {
    const Call call = {Op::conv_backward_data, dx.dtype(), dx.shape(), dy.shape(), g};
    gather(cuda::conv_backward_data, call, dy, w, {{}, Activation::none, write}, dx);
  }
  void conv_backward_weights(const ConvGeometry& g, const Tensor& x, const Tensor& dy,
                             const Tensor& dw, Write write) override {
    const Call call = {Op::conv_backward_weights, x.dtype(), x.shape(), dy.shape(), g};
    weights(cuda::conv_backward_weights, call, x, dy, dw, write);
  }
  void conv_transpose_forward(const ConvGeometry& g, const Tensor& x, const Weights& w,
                              const Epilogue& epilogue, const Tensor& y) override {
    const Call call = {Op::conv_transpose_forward, x.dtype(), x.shape(), y.shape(), g};
    gather(cuda::conv_transpose_forward, call, x, w, {epilogue.bias, epilogue.act}, y);
  }
  void conv_transpose_backward_data(const ConvGeometry& g, const Tensor& dy, const Weights& w,
                                    const Tensor& dx, Write write) override {
    const Call call = {Op::conv_transpose_backward_data, dx.dtype(), dx.shape(), dy.shape(), g};
    gather(cuda::conv_transpose_backward_data, call, dy, w, {{}, Activation::none, write}, dx);
  }
  void conv_transpose_backward_weights(const ConvGeometry& g, const Tensor& x, const Tensor& dy,
                                       const Tensor& dw, Write write) override {
    const Call call = {Op::conv_transpose_backward_weights, x.dtype(), x.shape(), dy.shape(), g};
    weights(cuda::conv_transpose_backward_weights, call, x, dy, dw, write);
  }

 private:
  template <class Launcher>
  void gather(Launcher launcher, const Call& call, const Tensor& source, const Weights& w,
              const cuda::ConvEpilogue& epilogue, const Tensor& out) {
    GuardedBuffer packed(cuda::conv_pack_bytes(call)),
        scratch(cuda::conv_scratch_bytes(call, choice_));
    const cuda::WeightJob jobs[] = {cuda::conv_pack_job(call, w.values, packed.data())};
    cuda::pack_weights(jobs, call.dtype, {});
    launcher(call.geometry, choice_, source, packed.data(), {}, epilogue, out,
             {scratch.data(), no_arrivals()}, {});
    packed.check("packed weights");
    scratch.check("scratch");
  }
  template <class Launcher>
  void weights(Launcher launcher, const Call& call, const Tensor& x, const Tensor& dy,
               const Tensor& dw, Write write) {
    GuardedBuffer scratch(cuda::conv_scratch_bytes(call, choice_));
    launcher(call.geometry, choice_, x, {}, dy, dw, write, scratch.data(), {});
    scratch.check("scratch");
  }

  cuda::ConvChoice choice_;
};

}  // namespace gan::testing
