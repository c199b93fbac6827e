// Which of the loops that are compiled for several instruction sets run here.
#pragma once

#include <cstdint>

namespace gan::cpu {

// Each with all before it. `avx2` is with fused multiply-add, `avx512` its foundation (F).
enum class InstructionSet : uint8_t { baseline, avx2, avx512, avx512_bf16 };

// The best that the processor has; or less, where the environment variable GAN_INSTRUCTION_SET says
// baseline, avx2 or avx512, for trying what other machines will run. Asked once, and the same from
// then on. Loops marked GAN_SIMD (simd.h) are chosen before main() and follow the processor alone.
// Throws UsageError where the variable holds anything else.
InstructionSet instruction_set();

// For people: "AVX-512".
const char* name_of(InstructionSet set);

}  // namespace gan::cpu
