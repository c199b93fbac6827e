#include "engine/error.h"
#include "kernels/gpu_device.h"

namespace gan {

bool gpu_built() {
  return false;
}

Device open_gpu(const DeviceOptions&) {
  throw DeviceError(
      "this build has no GPU support: use --device cpu, or configure with -DGAN_CUDA=ON and build "
      "again");
}

void profile_gpu(bool) {}

}  // namespace gan
