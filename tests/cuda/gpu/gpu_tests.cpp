// gpu_tests [small|network|variants|cudnn]: every kernel on a real GPU against the reference, on the small
// and awkward shapes or on those of the networks, in float32, tf32 and bfloat16; variants: every way in which
// the networks' convolutions can be computed in bfloat16; cudnn: what the cudnn backend takes of the
// networks' convolutions and linear layers.
//
// Exit code 0: all equal; 1: some differ, or a kernel failed; 2: wrong usage; 77: skipped, there is no
// GPU, or no cuDNN.
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/parallel.h"
#include "kernels/cases/backend_parity.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/cudnn/cudnn_backend.h"

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

// More rows than a GPU's shared memory holds, more channels than it has blocks for (three kinds of
// pictures keep it from clusters): batch norm goes around there, which it does for no network at kBatch.
// In tf32 it does what it does in float32.
std::vector<OpCase> large_norms(Precision precision) {
  std::vector<OpCase> cases;
  if (precision == Precision::tf32) return cases;
  const int64_t height = precision == Precision::bf16 ? 512 : 256;
  for (const Function f : {Function::batch_norm_train, Function::batch_norm_backward}) {
    for (const Shape& shape :
         {Shape{1, height, 512, 64}, Shape{2, 333, 333, 24}, Shape{2, 334, 334, 24},
          Shape{3, 2, 3, 20000}, Shape{3, 2, 4, 20000}}) {
      OpCase& op_case = cases.emplace_back();
      op_case.function = f;
      op_case.x = op_case.y = shape;
      op_case.act = Activation::leaky_relu;
      op_case.drop = 0.3f;
      op_case.kinds = shape.n;
      op_case.name = str(name_of(f), " ", shape);
      if (shape.h % 2 != 0 || shape.w % 2 != 0) continue;
      cases.push_back(op_case);
      cases.back().y = halved(shape);
      cases.back().name += " averaged";
    }
  }
  return cases;
}

// Every variant of the convolutions that have more than one, for one photo and for some, which have others.
bool check_variants() {
  constexpr int64_t kVariantsWidth = 64;
  CudaBackend backend(cuda_memory());
  ParitySummary summary;
  for (const int64_t batch : {1, 4}) {
    std::vector<OpCase> cases = network_cases(kVariantsWidth, batch);
    const auto variants_of = [&](const OpCase& op_case) {
      return backend.variants(call_of(op_case, DType::bf16));
    };
    std::erase_if(cases, [&](const OpCase& c) { return variants_of(c).size() < 2; });
    const auto group = static_cast<size_t>(threads());  // of checks, whose making takes longest
    for (size_t first = 0; first < cases.size(); first += group) {
      std::vector<std::optional<CaseCheck>> checks(std::min(group, cases.size() - first));
      parallel_for(static_cast<int64_t>(checks.size()), [&](int64_t i) {
        const OpCase& op_case = cases[first + static_cast<size_t>(i)];
        checks[static_cast<size_t>(i)].emplace(op_case, Precision::bf16, Extent::sample);
      });
      for (const std::optional<CaseCheck>& check : checks) {
        const std::vector<std::string> variants = variants_of(check->op_case());
        for (size_t variant = 0; variant < variants.size(); ++variant) {
          Call call = call_of(check->op_case(), DType::bf16);
          for (const bool adds : {false, true}) {  // data gradients are computed both ways
            call.adds = adds;
            backend.take_variant(call, variant);
          }
          try {
            ParityReport report = check->run(backend, cuda_memory());
            report.text += ", " + variants[variant];
            summary.add(report);
          } catch (const DeviceError& error) {
            throw DeviceError(str(variants[variant], " of ", error.what()));
          }
        }
      }
    }
    std::cout << "bfloat16, all variants, batches up to " << batch << ": " << summary.text()
              << std::endl;
  }
  return summary.failures.empty() && summary.checked > 0;
}

bool finishes(const OpCase& op_case) {
  return call_of(op_case, DType::bf16).finishes;
}

// Those that the cudnn backend is for. In bfloat16 cuDNN rounds weight gradients, which the tolerances
// for float32 results do not allow: training with them is held against the CPU instead. Nor do they allow
// for sums that are rounded before a bias is added: check_finished().
std::vector<OpCase> library_cases(Precision precision) {
  std::vector<OpCase> cases = network_cases(kWidth, kBatch);
  std::erase_if(cases, [&](const OpCase& c) {
    const Op op = op_of(c.function);
    const bool weights =
        op == Op::conv_backward_weights || op == Op::conv_transpose_backward_weights;
    return (op > Op::conv_transpose_backward_weights && op != Op::linear) ||
           (precision == Precision::bf16 && (weights || finishes(c)));
  });
  return cases;
}

// Bias and activation in bfloat16: the bias, or the sum before it, and the result may each be off by half
// a last place. No activation makes that larger, and the sum is no larger than what comes of it and the
// bias together, or than the limits at which an activation is flat.
bool check_finished(Backend& backend) {
  constexpr double kLastPlace = 0x1p-8, kFlat = 4, kSums = 1e-3;
  int checked = 0, wrong = 0;
  for (const OpCase& op_case : network_cases(kWidth, kBatch)) {
    const bool bounded = op_case.act == Activation::sigmoid || op_case.act == Activation::tanh;
    if (!finishes(op_case) || !backend.supports(call_of(op_case, DType::bf16))) continue;
    const CaseCheck check(op_case, Precision::bf16);
    OpTensors tensors(cuda_memory(), op_case, Precision::bf16);
    tensors.fill(check.values(), Write::overwrite);
    std::vector<double> result;
    try {
      tensors.run(backend, Write::overwrite);
      result = tensors.values("y");
    } catch (const DeviceError& error) {  // a kernel's fault shows when its results are fetched
      throw DeviceError(str(op_case.name, " (", backend.name(), "): ", error.what()));
    }
    const std::vector<double>& expected = check.results().find("y")->second;
    const auto bias = check.values().find("bias");
    for (size_t i = 0; i < result.size(); ++i) {
      const double shift =
          bias == check.values().end() ? 0 : bias->second[i % static_cast<size_t>(op_case.y.c)];
      const double sum = bounded ? kFlat : std::abs(expected[i]) / kLeakySlope;
      const double error = std::abs(result[i] - expected[i]);
      if (!(error <= kLastPlace * (sum + std::abs(shift)) + kSums)) ++wrong;
    }
    ++checked;
  }
  std::cout << "bfloat16 with bias or activation: " << checked << " cases, " << wrong
            << " numbers too far off" << std::endl;
  return checked > 0 && wrong == 0;
}

bool check_cudnn(Precision precision, DevicePrecision products, const char* name) {
  const auto backend = make_cudnn_backend(cuda_memory(), nullptr, products);
  const ParitySummary summary =
      check_backend_against_reference(*backend, cuda_memory(), library_cases(precision), precision);
  std::cout << name << ": " << summary.text() << std::endl;
  return summary.failures.empty() && summary.checked > 0;
}

int run(std::string_view which) {
  try {
    Buffer probe(cuda_memory(), 1);
  } catch (const DeviceError& error) {
    std::cout << "skipped: no GPU (" << error.what() << ")\n";
    return kSkipped;
  }
  if (which == "variants") return check_variants() ? 0 : 1;
  if (which == "cudnn") {
    if (!make_cudnn_backend(cuda_memory(), nullptr, DevicePrecision::fp32)) {
      std::cout << "skipped: no cuDNN in this build\n";
      return kSkipped;
    }
    bool equal = check_cudnn(Precision::f32, DevicePrecision::fp32, "float32");
    equal = check_cudnn(Precision::tf32, DevicePrecision::tf32, "tf32") && equal;
    equal = check_cudnn(Precision::bf16, DevicePrecision::bf16, "bfloat16") && equal;
    equal =
        check_finished(*make_cudnn_backend(cuda_memory(), nullptr, DevicePrecision::bf16)) && equal;
    return equal ? 0 : 1;
  }
  const auto cases_in = [&](Precision precision) {
    if (which == "small") return small_cases();
    std::vector<OpCase> cases = large_norms(precision);
    std::ranges::move(network_cases(kWidth, kBatch), std::back_inserter(cases));
    return cases;
  };
  bool equal = true;
  for (const auto& [precision, name] : {std::pair{Precision::f32, "float32"},
                                        {Precision::tf32, "tf32"},
                                        {Precision::bf16, "bfloat16"}}) {
    equal = check(cases_in(precision), precision, name) && equal;
  }
  return equal ? 0 : 1;
}

}  // namespace
}  // namespace gan::testing

int main(int argc, char** argv) {
  const std::string_view which = argc > 1 ? argv[1] : "small";
  constexpr std::string_view kAll[] = {"small", "network", "variants", "cudnn"};
  if (argc > 2 || std::ranges::find(kAll, which) == std::end(kAll)) {
    std::cerr << "usage: gpu_tests [small|network|variants|cudnn]\n";
    return 2;
  }
  // Vectors of megabytes come and go with every case: their memory is kept, or getting it anew would take
  // longer than the checks.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  try {
    return gan::testing::run(which);
  } catch (const std::exception& error) {
    std::cerr << "gpu_tests: " << error.what() << "\n";
    return 1;
  }
}
