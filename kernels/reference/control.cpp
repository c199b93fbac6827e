#include "kernels/reference/control.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/view.h"

namespace gan::reference {

template <class T>
void begin_update(const Tensor& numbers, const UpdateControl* after, UpdateControl& control) {
  bool taken = !after || after->enabled;
  const int64_t count = numbers ? numbers.elements() : 0;
  for (int64_t i = 0; i < count; ++i) taken = taken && std::isfinite(numbers.as<T>()[i]);
  control.enabled = taken;
  control.step += taken;
}

template <class T>
void balance(const Tensor& squares, const UpdateControl* after, GradientBalance& balance,
             const Tensor& result) {
  const double first = std::sqrt(static_cast<double>(squares.as<T>()[0]));
  const double second = std::sqrt(static_cast<double>(squares.as<T>()[1]));
  const double found = second / std::max(first, 1e-20);
  double weight = 0;
  if (std::isfinite(first) && std::isfinite(second) && (!after || after->enabled)) {
    balance.smooth = balance.smooth == 0 ? found : 0.95 * balance.smooth + 0.05 * found;
    weight = balance.ratio / std::max(balance.smooth, 1e-8);
  }
  T* const out = result.as<T>();
  out[0] = static_cast<T>(weight);
  out[1] = 1;
  out[2] = static_cast<T>(found);
}

template void begin_update<float>(const Tensor&, const UpdateControl*, UpdateControl&);
template void begin_update<double>(const Tensor&, const UpdateControl*, UpdateControl&);
template void balance<float>(const Tensor&, const UpdateControl*, GradientBalance&, const Tensor&);
template void balance<double>(const Tensor&, const UpdateControl*, GradientBalance&, const Tensor&);

}  // namespace gan::reference
