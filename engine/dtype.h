// Element types of tensors.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "engine/error.h"

namespace gan {

// A float32 without its lower 16 bits: 8 exponent bits, 7 mantissa bits. Storage only; arithmetic
// happens in float.
struct bf16 {
  uint16_t bits = 0;

  bf16() = default;
  // Rounds to the nearest value, ties to even; NaN stays NaN.
  explicit bf16(float value) {
    const uint32_t u = std::bit_cast<uint32_t>(value);
    const bool is_nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = is_nan ? static_cast<uint16_t>((u >> 16) | 0x40u)
                  : static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

enum class DType : uint8_t { f32, f64, bf16, u8 };

constexpr size_t size_of(DType type) {
  switch (type) {
    case DType::f32:
      return 4;
    case DType::f64:
      return 8;
    case DType::bf16:
      return 2;
    case DType::u8:
      return 1;
  }
  return 0;
}

constexpr const char* name_of(DType type) {
  switch (type) {
    case DType::f32:
      return "float32";
    case DType::f64:
      return "float64";
    case DType::bf16:
      return "bfloat16";
    case DType::u8:
      return "uint8";
  }
  return "?";
}

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<bf16>() {
  return DType::bf16;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::u8;
}

// Calls body(T{}) with T = float or double, whichever `type` is.
template <class Body>
decltype(auto) with_real_type(DType type, Body&& body) {
  if (type == DType::f64) return body(double{});
  require(type == DType::f32, "expected float32 or float64, got ", name_of(type));
  return body(float{});
}

}  // namespace gan
