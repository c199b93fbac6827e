// Helpers of the tests in this folder: device arrays, reproducible values, host-side bf16 and tf32.
// Compiled by nvcc and by the host compiler alike.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/cuda/gpu.h"

namespace gan::gpu {

// Device memory with the contents of a vector, or NaN-filled.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& values)
      : size_(values.size()), data_(static_cast<T*>(device_alloc(size_ * sizeof(T)))) {
    copy_to_device(data_, values.data(), size_ * sizeof(T), Stream{});
  }
  explicit DeviceArray(int size) : DeviceArray(poison(size)) {}
  ~DeviceArray() { device_free(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> read() const {
    std::vector<T> values(size_);
    copy_to_host(values.data(), data_, size_ * sizeof(T), Stream{});
    synchronize(Stream{});
    return values;
  }

 private:
  static std::vector<T> poison(int size) {
    std::vector<T> values(static_cast<size_t>(size));
    std::memset(static_cast<void*>(values.data()), 0xff, values.size() * sizeof(T));
    return values;
  }

  size_t size_;
  T* data_;
};

// Written apart from the kernels' conversions, which it checks: the nearest of the two neighbours,
// ties to the even one.
inline bf16 host_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (std::isnan(value)) return bf16{0x7fff};
  const uint32_t lower = bits >> 16, rest = bits & 0xffffu;
  const bool up = rest > 0x8000u || (rest == 0x8000u && lower % 2 == 1);
  return bf16{static_cast<uint16_t>(lower + (up ? 1 : 0))};
}
inline float host_float(bf16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}
// Nearest, ties away from zero, computed by scaling instead of on bits.
inline float host_tf32(float value) {
  if (!std::isfinite(value) || value == 0) return value;
  int exponent = 0;
  const double mantissa = std::frexp(static_cast<double>(value), &exponent);
  // 11 significant bits, fewer below the smallest normal number.
  const int bits = std::min(11, exponent + 136);
  const double rounded = std::round(std::ldexp(mantissa, bits));
  return static_cast<float>(std::ldexp(rounded, exponent - bits));
}

inline void assign(float& to, float from) {
  to = from;
}
inline void assign(bf16& to, float from) {
  to = host_bf16(from);
}

// Values in -1..1 that need all bits of their type; the same for the same seed everywhere.
template <class T>
std::vector<T> test_values(int count, uint32_t seed) {
  std::vector<T> values(static_cast<size_t>(count));
  uint32_t state = seed * 2654435761u + 12345u;
  for (T& value : values) {
    state = state * 1664525u + 1013904223u;
    assign(value, static_cast<float>(state >> 8) / 8388608.0f - 1.0f);
  }
  return values;
}

}  // namespace gan::gpu
