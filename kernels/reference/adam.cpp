#include "kernels/reference/adam.h"

#include <cmath>

#include "kernels/reference/view.h"

namespace gan::reference {

template <class T>
void adam(const AdamSettings& settings, const UpdateControl* control, const Tensor& parameters,
          const Tensor& gradients, const Tensor& first_moment, const Tensor& second_moment) {
  const Shape shape = parameters.shape();
  check_shape("adam", "gradients", gradients, shape);
  check_shape("adam", "first moment", first_moment, shape);
  check_shape("adam", "second moment", second_moment, shape);
  if (!control->enabled) return;
  const auto t = static_cast<double>(control->step);
  const double correction1 = 1 - std::pow(settings.beta1, t);
  const double correction2 = 1 - std::pow(settings.beta2, t);
  const View<T> parameter(parameters), gradient(gradients);
  const View<T> first(first_moment), second(second_moment);
  for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
    for (int64_t c = 0; c < shape.c; ++c) {
      const double g = gradient(pixel, c);
      const double m = settings.beta1 * first(pixel, c) + (1 - settings.beta1) * g;
      const double v = settings.beta2 * second(pixel, c) + (1 - settings.beta2) * g * g;
      const double denominator = std::sqrt(v / correction2) + settings.eps;
      store(first(pixel, c), m, Write::overwrite);
      store(second(pixel, c), v, Write::overwrite);
      store(parameter(pixel, c), -control->learning_rate * (m / correction1) / denominator,
            Write::accumulate);
    }
  }
}

template void adam<float>(const AdamSettings&, const UpdateControl*, const Tensor&, const Tensor&,
                          const Tensor&, const Tensor&);
template void adam<double>(const AdamSettings&, const UpdateControl*, const Tensor&, const Tensor&,
                           const Tensor&, const Tensor&);

}  // namespace gan::reference
