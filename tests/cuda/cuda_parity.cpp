// cuda_parity PRECISION FILE...: runs whole training steps through the CUDA kernels and compares
// them with golden values computed by PyTorch in float64 (tests/parity/golden.h). Linked with the
// simulator's kernels it runs anywhere, with nvcc's on a GPU.
//
// PRECISION is f32, tf32 or bf16. Exit code 0: all within limits; 1: some are not; 2: wrong usage or
// no such file; 4: no GPU.
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "tests/parity/golden.h"

namespace gan {
namespace {

using cases::Precision;

std::optional<Precision> precision_called(std::string_view name) {
  if (name == "f32") return Precision::f32;
  if (name == "tf32") return Precision::tf32;
  if (name == "bf16") return Precision::bf16;
  return {};
}

// A device on which nothing runs but the kernels under test.
Device open_gpu(Precision precision) {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(
      make_cuda_backend(cuda_memory(), nullptr,
                        precision == Precision::tf32 ? CudaPrecision::tf32 : CudaPrecision::fp32));
  return {cuda_memory(), Kernels(std::move(backends)), "CUDA kernels"};
}

int check(int argc, char** argv) {
  const auto precision = argc < 3 ? std::nullopt : precision_called(argv[1]);
  if (!precision) {
    std::cerr << "usage: cuda_parity f32|tf32|bf16 FILE...\n";
    return 2;
  }
  Device device = open_gpu(*precision);
  bool all_ok = true;
  for (int i = 2; i < argc; ++i) {
    const std::string path = argv[i];
    const parity::Report report =
        parity::check_training(device, read_tensor_file(path), path, *precision);
    std::cout << argv[1] << ", " << report.text() << std::flush;
    all_ok = all_ok && report.ok();
  }
  std::cout << (all_ok ? "all within limits\n" : "some values are off limits\n");
  return all_ok ? 0 : 1;
}

}  // namespace
}  // namespace gan

int main(int argc, char** argv) {
  try {
    return gan::check(argc, argv);
  } catch (const gan::DeviceError& error) {
    std::cerr << "cuda_parity: " << error.what() << "\n";
    return 4;
  } catch (const std::exception& error) {
    std::cerr << "cuda_parity: " << error.what() << "\n";
    return 2;
  }
}
