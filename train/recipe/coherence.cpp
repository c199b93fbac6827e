#include "train/recipe/coherence.h"

#include <vector>

namespace gan {
namespace {

constexpr int64_t kChannels = 2, kDifferences = 2 * kChannels;
constexpr int kScales = 3;
constexpr Shape kKernel = {kDifferences, 3, 3, kChannels};
constexpr ops::Conv kConv = {{.stride = 1}, false};

}  // namespace

CoherenceLoss::CoherenceLoss(Memory& memory, DType dtype)
    : memory_(memory, static_cast<size_t>(kKernel.elements() + kDifferences) * size_of(dtype)),
      kernel_(memory_.data(), kKernel, dtype),
      no_bias_(static_cast<std::byte*>(memory_.data()) + kernel_.bytes(),
               vector_shape(kDifferences), dtype) {
  // Differences as a convolution: one filter for each channel and direction.
  std::vector<float> values(static_cast<size_t>(kKernel.elements()));
  const auto at = [&](int64_t filter, int64_t row, int64_t column, int64_t channel) -> float& {
    return values[static_cast<size_t>(((filter * 3 + row) * 3 + column) * kChannels + channel)];
  };
  for (int64_t channel = 0; channel < kChannels; ++channel) {
    for (int64_t down : {0, 1}) {
      const int64_t filter = kChannels * down + channel;
      at(filter, 1, 1, channel) = -1;
      at(filter, 1 + down, 2 - down, channel) = 1;
    }
  }
  from_host(memory, kernel_, values.data());
  memory.fill_zero(no_bias_.data(), no_bias_.bytes());
}

void CoherenceLoss::operator()(Context& context, Variable& chroma, const Tensor& truth,
                               float weight, const Tensor& into) const {
  Tape& tape = context.tape;
  Variable& kernel = tape.constant(kernel_);
  kernel.version = version_;
  Variable& no_bias = tape.constant(no_bias_);
  const auto differences = [&](Variable& x) -> Variable& {
    return ops::conv_act(context, kConv, x, kernel, no_bias, Activation::none);
  };
  Backend& backend = context.kernels(call_on(Op::memory, into, into));
  backend.fill(into, 0);
  Variable* painted = &chroma;
  Variable* real = &tape.constant(truth);
  for (int scale = 0; scale < kScales; ++scale) {
    if (scale > 0) {
      painted = &ops::avg_pool(context, *painted);
      real = &ops::avg_pool(context, *real);
    }
    const Tensor loss =
        ops::l1_loss(context, differences(*painted), differences(*real).value, weight / kScales);
    backend.axpby(1.0f / kScales, loss, 1, into);
  }
}

}  // namespace gan
