#include "kernels/cudnn/cudnn_backend.h"

namespace gan {

std::unique_ptr<Backend> make_cudnn_backend(Memory&, CUstream_st*, DevicePrecision,
                                            const std::string&, cuda::Dataflow*) {
  return nullptr;
}

}  // namespace gan
