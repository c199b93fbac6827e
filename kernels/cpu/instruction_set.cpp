#include "kernels/cpu/instruction_set.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "engine/error.h"

namespace gan::cpu {
namespace {

InstructionSet best_of_processor() {
#if defined(__x86_64__) && defined(__GNUC__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return InstructionSet::baseline;
  }
  if (!__builtin_cpu_supports("avx512f")) return InstructionSet::avx2;
  if (!__builtin_cpu_supports("avx512bf16")) return InstructionSet::avx512;
  return InstructionSet::avx512_bf16;
#else
  return InstructionSet::baseline;
#endif
}

InstructionSet limit() {
  const char* value = std::getenv("GAN_INSTRUCTION_SET");
  if (!value || !*value) return InstructionSet::avx512_bf16;
  const std::string_view name = value;
  if (name == "baseline") return InstructionSet::baseline;
  if (name == "avx2") return InstructionSet::avx2;
  if (name == "avx512") return InstructionSet::avx512;
  throw UsageError(str("GAN_INSTRUCTION_SET is '", name,
                       "'; it can be baseline, avx2 or avx512, or be left unset"));
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet chosen = std::min(best_of_processor(), limit());
  return chosen;
}

const char* name_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return "baseline";
    case InstructionSet::avx2:
      return "AVX2";
    default:
      return "AVX-512";
  }
}

}  // namespace gan::cpu
