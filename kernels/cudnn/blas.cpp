#include "kernels/cudnn/blas.h"

#include "engine/error.h"

namespace gan::cudnn {
namespace {

constexpr size_t kWorkspace = size_t{32} << 20;  // what cuBLAS asks for itself on Hopper

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(str("cuBLAS: ", what, ": ", cublasGetStatusString(status)));
}

cudaDataType_t data_type(DType dtype) {
  return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

}  // namespace

Blas::Blas(Memory& memory, CUstream_st* stream, bool tf32) : tf32_(tf32) {
  cublasHandle_t made = nullptr;
  check(cublasCreate(&made), "beginning to use the GPU");
  handle_.reset(made);
  workspace_ = Buffer(memory, kWorkspace);
  // Setting the stream takes a workspace away, so that comes first.
  check(cublasSetStream(made, stream), "taking the stream");
  check(cublasSetWorkspace(made, workspace_.data(), workspace_.bytes()), "taking working memory");
}

void Blas::multiply(const LinearGemm& g, const void* a, const void* b, DType factors, void* c,
                    DType result, bool accumulate) const {
  const auto i = [](int64_t value) { return static_cast<int>(value); };
  const float one = 1, beta = accumulate ? 1 : 0;
  const cublasComputeType_t compute =
      factors == DType::f32 && tf32_ ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  check(cublasGemmEx(handle_.get(), g.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N,
                     g.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, i(g.m), i(g.n), i(g.k), &one, a,
                     data_type(factors), i(g.a_pitch), b, data_type(factors), i(g.b_pitch), &beta,
                     c, data_type(result), i(g.c_pitch), compute, CUBLAS_GEMM_DEFAULT),
        "multiplying matrices");
}

}  // namespace gan::cudnn
