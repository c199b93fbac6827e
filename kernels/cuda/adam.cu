// Adam over one flat vector, with t the number of this step, counted from 1:
//
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
//
// t, lr and whether there is anything to do lie in the device's memory, so that a recorded step can be
// replayed. The corrections are
// -expm1(t * log b), with log b from the host in float64: exact to the last bits for t small and
// large, without float64 on the device.
//
// Bytes per parameter: 28 (reads p, g, m, v, writes p, m, v), 30 with the bfloat16 copy; about 25
// instructions, so memory is the limit. All 4.1 M parameters of both networks: 114 MB, 27 us on an
// H200.
#include "kernels/cuda/adam.h"

#include <cmath>

#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

struct AdamConstants {
  float beta1, beta2, rest1, rest2, log_beta1, log_beta2, eps;
};

template <int N, bool copies>
__global__ void __launch_bounds__(kThreads)
    adam_kernel(AdamConstants k, const UpdateControl* control, int64_t size, float* parameters,
                const float* gradients, float* first, float* second, gpu::bf16* copy) {
  if (!control->enabled) return;
  const auto t = static_cast<float>(control->step);
  const auto learning_rate = static_cast<float>(control->learning_rate);
  const float correction1 = -expm1f(t * k.log_beta1);
  const float correction2 = -expm1f(t * k.log_beta2);
  for_columns<N>(size, [&](int64_t i, int count) {
    float p[N], g[N], m[N], v[N];
    load(p, parameters + i, count);
    load(g, gradients + i, count);
    load(m, first + i, count);
    load(v, second + i, count);
    GAN_UNROLL
    for (int j = 0; j < N; ++j) {
      m[j] = k.beta1 * m[j] + k.rest1 * g[j];
      v[j] = k.beta2 * v[j] + k.rest2 * g[j] * g[j];
      const float denominator = sqrtf(v[j] / correction2) + k.eps;
      p[j] -= learning_rate * (m[j] / correction1) / denominator;
    }
    store(parameters + i, p, count);
    store(first + i, m, count);
    store(second + i, v, count);
    if constexpr (copies) store(copy + i, p, count);
  });
}

}  // namespace

void adam(const AdamSettings& settings, const UpdateControl* control, const Tensor& parameters,
          const Tensor& gradients, const Tensor& first_moment, const Tensor& second_moment,
          const Tensor& copy, gpu::Stream stream) {
  for (const auto& [name, tensor] :
       {std::pair{"gradients", &gradients}, std::pair{"first moment", &first_moment},
        std::pair{"second moment", &second_moment}}) {
    check_shape("adam", name, *tensor, parameters.shape());
    require(tensor->dense(), "adam: ", name, " must be dense");
  }
  require(parameters.dense(), "adam: parameters must be dense");
  if (copy) {
    check_shape("adam", "copy", copy, parameters.shape());
    require(copy.dense(), "adam: copy must be dense");
  }
  const AdamConstants constants = {static_cast<float>(settings.beta1),
                                   static_cast<float>(settings.beta2),
                                   static_cast<float>(1 - settings.beta1),
                                   static_cast<float>(1 - settings.beta2),
                                   static_cast<float>(std::log(settings.beta1)),
                                   static_cast<float>(std::log(settings.beta2)),
                                   static_cast<float>(settings.eps)};
  constexpr int kWidth = kPacket<float>;
  Layout layout = element_layout(kWidth, parameters, gradients, first_moment, second_moment);
  if (copy && !takes_packets(copy, kWidth, 1))
    layout = layout_of(1, parameters.elements(), kWidth, false);
  with_width<kWidth>(layout.packets, [&]<int N>() {
    gpu::launch(copy ? adam_kernel<N, true> : adam_kernel<N, false>, layout.grid, layout.block, 0,
                stream, constants, control, parameters.elements(), parameters.as<float>(),
                gradients.as<float>(), first_moment.as<float>(), second_moment.as<float>(),
                data_of<gpu::bf16>(copy));
  });
}

}  // namespace gan::cuda
