// The GPU, for open_device(): cuda/gpu_device.cpp in a build with CUDA, no_gpu.cpp in one without.
#pragma once

#include "kernels/device.h"

namespace gan {

// Whether this build knows of GPUs at all.
bool gpu_built();

// GPU 0 with the backend and precision asked for. Throws DeviceError saying why when it cannot be
// used. The work of all devices it has opened goes into one stream, and is recorded in the order that the
// last of them was opened with.
Device open_gpu(const DeviceOptions& options);

// Tells a profiler that waits for it (ncu --profile-from-start off) when to look at the GPU. There has to be
// one.
void profile_gpu(bool on);

}  // namespace gan
