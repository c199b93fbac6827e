#include "engine/tensor.h"

#include <algorithm>
#include <cstring>

#include "engine/parallel.h"

namespace gan {
namespace {

template <class Body>
void with_element_type(DType type, Body&& body) {
  switch (type) {
    case DType::f32:
      return body(float{});
    case DType::f64:
      return body(double{});
    case DType::bf16:
      return body(bf16{});
    case DType::u8:
      return body(uint8_t{});
  }
}

// Runs body(pixel) for all of them, on all cores where they are many.
template <class Body>
void for_pixels(const Tensor& t, Body&& body) {
  constexpr int64_t kPiece = 1 << 16;  // numbers
  parallel_ranges(t.shape().pixels(), std::max<int64_t>(1, kPiece / t.shape().c),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t p = begin; p < end; ++p) body(p);
                  });
}

// Bytes from the first element to the end of the last: a slice's rows do not fill its last pixel.
size_t span_bytes(const Tensor& t) {
  if (t.elements() == 0) return 0;
  const int64_t elements = (t.shape().pixels() - 1) * t.pitch() + t.shape().c;
  return static_cast<size_t>(elements) * size_of(t.dtype());
}

// bf16 converts through float; the others convert directly so that doubles keep their digits.
template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, bf16>) {
    return bf16(static_cast<float>(value));
  } else if constexpr (std::is_same_v<From, bf16>) {
    return static_cast<To>(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <class Out>
std::vector<Out> download(Memory& memory, const Tensor& tensor) {
  std::vector<Out> out(static_cast<size_t>(tensor.elements()));
  if (out.empty()) return out;
  with_element_type(tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> raw(span_bytes(tensor) / sizeof(T));
    memory.copy_to_host(raw.data(), tensor.data(), span_bytes(tensor));
    const int64_t c = tensor.shape().c;
    for_pixels(tensor, [&](int64_t p) {
      for (int64_t k = 0; k < c; ++k) out[p * c + k] = convert<Out>(raw[p * tensor.pitch() + k]);
    });
  });
  return out;
}

template <class In>
void upload(Memory& memory, const Tensor& tensor, const In* values) {
  if (tensor.elements() == 0) return;
  with_element_type(tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> raw(span_bytes(tensor) / sizeof(T));
    // A slice keeps its neighbours' channels: read them, replace ours, write all back.
    if (!tensor.dense()) memory.copy_to_host(raw.data(), tensor.data(), span_bytes(tensor));
    const int64_t c = tensor.shape().c;
    for_pixels(tensor, [&](int64_t p) {
      for (int64_t k = 0; k < c; ++k) raw[p * tensor.pitch() + k] = convert<T>(values[p * c + k]);
    });
    memory.copy_from_host(tensor.data(), raw.data(), span_bytes(tensor));
  });
}

std::byte* offset(void* data, int64_t elements, DType type) {
  return static_cast<std::byte*>(data) + elements * static_cast<int64_t>(size_of(type));
}

}  // namespace

Tensor Tensor::channels(int64_t first, int64_t count) const {
  require(first >= 0 && count >= 0 && first + count <= shape_.c, "channels ", first, "..",
          first + count, " of a tensor of shape ", shape_);
  return Tensor(offset(data_, first, dtype_), {shape_.n, shape_.h, shape_.w, count}, dtype_,
                pitch_);
}

Tensor Tensor::pictures(int64_t first, int64_t count) const {
  require(first >= 0 && count >= 0 && first + count <= shape_.n, "pictures ", first, "..",
          first + count, " of a tensor of shape ", shape_);
  return Tensor(offset(data_, first * shape_.h * shape_.w * pitch_, dtype_),
                {count, shape_.h, shape_.w, shape_.c}, dtype_, pitch_);
}

Tensor Tensor::reshaped(Shape shape) const {
  require(dense() && shape.elements() == elements(), "cannot view shape ", shape_, " as ", shape);
  return Tensor(data_, shape, dtype_);
}

std::vector<float> to_host(Memory& memory, const Tensor& tensor) {
  return download<float>(memory, tensor);
}
std::vector<double> to_host_f64(Memory& memory, const Tensor& tensor) {
  return download<double>(memory, tensor);
}
void from_host(Memory& memory, const Tensor& tensor, const float* values) {
  upload(memory, tensor, values);
}
void from_host(Memory& memory, const Tensor& tensor, const double* values) {
  upload(memory, tensor, values);
}

}  // namespace gan
