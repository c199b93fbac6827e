// The names of options. Apart from device.cpp, which a program with a simulated GPU does without.
#include "kernels/device.h"

namespace gan {

const char* name_of(DevicePrecision precision) {
  constexpr const char* kNames[] = {"fp32", "tf32", "bf16"};
  return kNames[static_cast<int>(precision)];
}

const char* name_of(RecordedOrder order) {
  constexpr const char* kNames[] = {"given", "data", "fastest"};
  return kNames[static_cast<int>(order)];
}

}  // namespace gan
