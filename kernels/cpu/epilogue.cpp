#include "kernels/cpu/epilogue.h"

#include "engine/parallel.h"
#include "kernels/cpu/activation.h"
#include "kernels/cpu/simd.h"

namespace gan::cpu {
namespace {

GAN_SIMD void epilogue_rows(Activation act, int64_t rows, int64_t channels,
                            const float* __restrict bias, float* __restrict y, int64_t pitch) {
  with_activation(act, [&]<Activation a>() GAN_INLINE_LAMBDA {
    for (int64_t r = 0; r < rows; ++r, y += pitch) {
      if (bias) {
        for (int64_t c = 0; c < channels; ++c) y[c] = activate<a>(y[c] + bias[c]);
      } else {
        for (int64_t c = 0; c < channels; ++c) y[c] = activate<a>(y[c]);
      }
    }
  });
}

const float* bias_of(const Epilogue& epilogue) {
  return epilogue.bias ? epilogue.bias.as<float>() : nullptr;
}

}  // namespace

void apply_epilogue(const Epilogue& epilogue, int64_t first, int64_t count, float* y) {
  const float* bias = bias_of(epilogue);
  if (!bias && epilogue.act == Activation::none) return;
  epilogue_rows(epilogue.act, 1, count, bias ? bias + first : nullptr, y, count);
}

void apply_epilogue(const Epilogue& epilogue, const Tensor& y) {
  constexpr int64_t kRows = 512;
  const float* bias = bias_of(epilogue);
  parallel_ranges(y.shape().pixels(), kRows, [&](int64_t begin, int64_t end) {
    epilogue_rows(epilogue.act, end - begin, y.shape().c, bias, y.as<float>() + begin * y.pitch(),
                  y.pitch());
  });
}

}  // namespace gan::cpu
