// Convolutions through cuDNN, linear layers through cuBLAS: the measuring stick of the own kernels, and
// their stand-in where it is faster.
//
// Forward, data and weight gradient of plain and transposed convolutions. The algorithm is the fastest
// deterministic one of those that cuDNN measures, once for each shape, type and pitch. Bias and ReLU are
// part of a plain convolution, any other end is a pass of ours; what cuDNN refuses, the own kernels do.
// In bfloat16 the bias, or the sum before it is added, is rounded to bfloat16.
// bfloat16 weight gradients are rounded to bfloat16 before they are stored as float32, because that
// is what cuDNN offers. The one linear layer there is, 65,536 features to one logit, reads each number
// once whoever does it; --backend auto leaves it to the own kernels, which need no weights in bfloat16.
#pragma once

#include <memory>
#include <string>

#include "kernels/backend.h"
#include "kernels/device.h"

struct CUstream_st;

namespace gan {

namespace cuda {
class Dataflow;
}

// Null where cuDNN is not in this build. Throws DeviceError when cuDNN cannot work with the device.
// `memory`, `stream`: as for CudaBackend; the stream must not be recorded while a shape is new. `gpu`: its
// name, under which the algorithms chosen are kept in a file, so that the next process takes the same;
// empty: they are not. `dataflow`: as for CudaBackend.
std::unique_ptr<Backend> make_cudnn_backend(Memory& memory, CUstream_st* stream,
                                            DevicePrecision precision, const std::string& gpu = {},
                                            cuda::Dataflow* dataflow = nullptr);

}  // namespace gan
