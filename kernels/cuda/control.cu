// Decisions of a training step: whether an update is taken, how strongly the adversarial gradient
// counts. See Backend::begin_update and Backend::balance.
//
//   begin_update  taken = all of `numbers` are finite and `after` was taken;  step += taken
//   balance       found = |second| / |first|, its moving average, weight = ratio / average
//
// A handful of numbers and one thread each, in float64 as on the CPU: what counts is that no host has
// to be asked. About 2 us on an H200, of which next to nothing is work.
#include "kernels/cuda/control.h"

#include "kernels/cuda/rows.cuh"

namespace gan::cuda {
namespace {

// Neither infinite nor NaN: those have a difference to themselves.
__device__ __forceinline__ bool finite(double value) {
  return value - value == 0;
}

__global__ void __launch_bounds__(32)
    begin_update_kernel(const float* numbers, int count, const UpdateControl* after,
                        UpdateControl* control) {
  if (threadIdx.x != 0) return;
  bool taken = after == nullptr || after->enabled != 0;
  for (int i = 0; i < count; ++i) taken = finite(numbers[i]) && taken;  // all are read at once
  control->enabled = taken;
  control->step += taken;
}

__global__ void __launch_bounds__(32)
    balance_kernel(const float* squares, const UpdateControl* after, GradientBalance* balance,
                   float* result) {
  if (threadIdx.x != 0) return;
  const double first = sqrt(static_cast<double>(squares[0]));
  const double second = sqrt(static_cast<double>(squares[1]));
  const double found = second / (first < 1e-20 ? 1e-20 : first);
  double weight = 0;
  if (finite(first) && finite(second) && (after == nullptr || after->enabled != 0)) {
    const double before = balance->smooth;
    const double smooth = before == 0 ? found : 0.95 * before + 0.05 * found;
    balance->smooth = smooth;
    weight = balance->ratio / (smooth < 1e-8 ? 1e-8 : smooth);
  }
  result[0] = static_cast<float>(weight);
  result[1] = 1;
  result[2] = static_cast<float>(found);
}

constexpr int64_t kMostNumbers = 64;  // one thread reads them one after another

}  // namespace

void begin_update(const Tensor& numbers, const UpdateControl* after, UpdateControl* control,
                  gpu::Stream stream) {
  const int64_t count = numbers ? numbers.elements() : 0;
  require(count <= kMostNumbers && numbers.shape().c == count, "begin_update: ", count,
          " numbers; at most ", kMostNumbers, ", dense");
  gpu::launch(begin_update_kernel, 1, 32, 0, stream, data_of<float>(numbers), count, after,
              control);
}

void balance(const Tensor& squares, const UpdateControl* after, GradientBalance* balance,
             const Tensor& result, gpu::Stream stream) {
  require(squares.shape() == vector_shape(2) && result.shape() == vector_shape(3),
          "balance: wants two squares and room for three results");
  gpu::launch(balance_kernel, 1, 32, 0, stream, data_of<float>(squares), after, balance,
              data_of<float>(result));
}

}  // namespace gan::cuda
