// gpu_tests [small|network]: every kernel on a real GPU against the reference, on the small and
// awkward shapes or on those of the networks, in float32, tf32 and bfloat16.
//
// Exit code 0: all equal; 1: some differ; 2: wrong usage; 77: skipped, there is no GPU.
#include <iostream>
#include <string_view>

#include "kernels/cases/backend_parity.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"

namespace gan::testing {

using namespace cases;

namespace {

constexpr int kSkipped = 77;
constexpr int64_t kWidth = 16, kBatch = 2;  // the reference is slow

bool check(const std::vector<OpCase>& cases, Precision precision, const char* name) {
  CudaBackend backend(cuda_memory(), nullptr,
                      precision == Precision::tf32 ? CudaPrecision::tf32 : CudaPrecision::fp32);
  const ParitySummary summary =
      check_backend_against_reference(backend, cuda_memory(), cases, precision);
  std::cout << name << ": " << summary.text() << std::endl;
  return summary.failures.empty() && summary.unsupported == 0;
}

int run(std::string_view which) {
  try {
    Buffer probe(cuda_memory(), 1);
  } catch (const DeviceError& error) {
    std::cout << "skipped: no GPU (" << error.what() << ")\n";
    return kSkipped;
  }
  const auto cases = which == "network" ? network_cases(kWidth, kBatch) : small_cases();
  bool equal = check(cases, Precision::f32, "float32");
  equal = check(cases, Precision::tf32, "tf32") && equal;
  equal = check(cases, Precision::bf16, "bfloat16") && equal;
  return equal ? 0 : 1;
}

}  // namespace
}  // namespace gan::testing

int main(int argc, char** argv) {
  const std::string_view which = argc > 1 ? argv[1] : "small";
  if (argc > 2 || (which != "small" && which != "network")) {
    std::cerr << "usage: gpu_tests [small|network]\n";
    return 2;
  }
  return gan::testing::run(which);
}
