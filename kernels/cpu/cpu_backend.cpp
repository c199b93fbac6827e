#include "kernels/cpu/cpu_backend.h"

#include "engine/parallel.h"
#include "kernels/cpu/conv_micro.h"
#include "kernels/cpu/instruction_set.h"

namespace gan {

std::string CpuBackend::description() const {
  return str("own kernels (", cpu::name_of(cpu::instruction_set()),
             products_ == CpuProducts::bf16 ? ", bf16 products" : "", ")");
}

bool CpuBackend::supports(const Call& call) const {
  if (call.dtype != DType::f32 || call.op == Op::control) return false;
  const bool convolution = call.op <= Op::conv_transpose_backward_weights;
  return !convolution || cpu::conv_micro<float>() != nullptr;
}

float* CpuBackend::scratch(int64_t count) {
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  if (scratch_.bytes() < bytes) scratch_ = Buffer(host_memory(), bytes);
  return static_cast<float*>(scratch_.data());
}

std::unique_ptr<Backend> make_cpu_backend(CpuProducts products) {
  return std::make_unique<CpuBackend>(products);
}

bool bf16_products_are_fast() {
  return cpu::pairs_are_fast();
}

}  // namespace gan
