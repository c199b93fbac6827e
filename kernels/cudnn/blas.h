// Matrix products through cuBLAS.
#pragma once

#include <cublas_v2.h>

#include <memory>

#include "engine/memory.h"
#include "engine/tensor.h"
#include "kernels/cudnn/linear_gemm.h"

struct CUstream_st;

namespace gan::cudnn {

class Blas {
 public:
  // Throws DeviceError when cuBLAS cannot work with the device. Its working memory comes from
  // `memory` once: what is recorded must not allocate.
  Blas(Memory& memory, CUstream_st* stream, bool tf32);

  // C = op(A) op(B), or C += ... A and B have one type, float32 or bfloat16, C the same or float32.
  // Sums are float32; the same call gives the same bytes.
  void multiply(const LinearGemm& gemm, const void* a, const void* b, DType factors, void* c,
                DType result, bool accumulate) const;
  // What all products use while they run.
  const Buffer& workspace() const { return workspace_; }

 private:
  struct Destroy {
    void operator()(cublasContext* handle) const noexcept { cublasDestroy(handle); }
  };
  Buffer workspace_;  // outlives the handle
  std::unique_ptr<cublasContext, Destroy> handle_;
  bool tf32_;
};

}  // namespace gan::cudnn
