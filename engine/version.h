// Families of versions (next_version() of autograd.h). Tensors that change together and live as long as
// each other, a network's parameters, have one version at a time, and all their versions one family: whoever
// finds one of them changed knows that the others have changed too, and are there.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/autograd.h"

namespace gan {

inline constexpr int kFamilyShift = 32;

// 0: a version of its own.
constexpr uint64_t family_of(uint64_t version) {
  return version >> kFamilyShift;
}

// The next version of the same family.
inline uint64_t next_in_family(uint64_t version) {
  return family_of(version) << kFamilyShift | (next_version() & 0xffffffffu);
}

// The first version of a new family.
inline uint64_t new_family() {
  static std::atomic<uint64_t> last{0};
  return next_in_family(++last << kFamilyShift);
}

}  // namespace gan
