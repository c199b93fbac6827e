// A view of numbers in a device's memory, channels last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/dtype.h"
#include "engine/memory.h"
#include "engine/shape.h"

namespace gan {

// Element (n, h, w, c) lies at ((n*H + h)*W + w) * pitch + c. A tensor whose pitch exceeds its
// channel count is a slice of the channels of a wider one; everything that takes a tensor takes
// slices too. A Tensor owns nothing: arenas and buffers do.
//
// Convolution weights are tensors of shape {rows, kernel, kernel, columns}: for a convolution
// rows = output channels and columns = input channels; for a transposed convolution the other way
// round, since it is the data gradient of that convolution. Vectors have shape {1, 1, 1, c}.
class Tensor {
 public:
  Tensor() = default;
  Tensor(void* data, Shape shape, DType dtype) : Tensor(data, shape, dtype, shape.c) {}
  Tensor(void* data, Shape shape, DType dtype, int64_t pitch)
      : data_(data), shape_(shape), pitch_(pitch), dtype_(dtype) {}

  explicit operator bool() const { return data_ != nullptr; }
  void* data() const { return data_; }
  const Shape& shape() const { return shape_; }
  int64_t pitch() const { return pitch_; }
  DType dtype() const { return dtype_; }
  bool dense() const { return pitch_ == shape_.c; }
  int64_t elements() const { return shape_.elements(); }
  size_t bytes() const { return static_cast<size_t>(elements()) * size_of(dtype_); }

  // The elements as T*. Throws InternalError when T is not the element type.
  template <class T>
  T* as() const {
    require(dtype_ == dtype_of<T>(), "tensor holds ", name_of(dtype_), ", asked for ",
            name_of(dtype_of<T>()));
    return static_cast<T*>(data_);
  }

  // Channels [first, first + count) of the same pixels.
  Tensor channels(int64_t first, int64_t count) const;
  // Pictures [first, first + count).
  Tensor pictures(int64_t first, int64_t count) const;
  // The same dense elements under another shape.
  Tensor reshaped(Shape shape) const;

 private:
  void* data_ = nullptr;
  Shape shape_;
  int64_t pitch_ = 0;
  DType dtype_ = DType::f32;
};

// Copies between a tensor (dense or a slice) in `memory` and dense host values, converting the
// element type.
std::vector<float> to_host(Memory& memory, const Tensor& tensor);
std::vector<double> to_host_f64(Memory& memory, const Tensor& tensor);
void from_host(Memory& memory, const Tensor& tensor, const float* values);
void from_host(Memory& memory, const Tensor& tensor, const double* values);

}  // namespace gan
