// What every operation of the reference uses to reach elements.
#pragma once

#include "engine/autograd.h"
#include "engine/tensor.h"

namespace gan::reference {

// The elements of a tensor by index. Throws InternalError when they are not of type T.
template <class T>
class View {
 public:
  explicit View(const Tensor& t) : data_(t.as<T>()), shape_(t.shape()), pitch_(t.pitch()) {}

  T& operator()(int64_t n, int64_t h, int64_t w, int64_t c) const {
    return data_[((n * shape_.h + h) * shape_.w + w) * pitch_ + c];
  }
  // `pixel` counts through all rows of all pictures.
  T& operator()(int64_t pixel, int64_t c) const { return data_[pixel * pitch_ + c]; }

 private:
  T* data_;
  Shape shape_;
  int64_t pitch_;
};

// Puts `value` where `to` is, or adds it. The only place where a result is rounded to T.
template <class T>
void store(T& to, double value, Write write) {
  to = static_cast<T>(write == Write::accumulate ? static_cast<double>(to) + value : value);
}

// Throws InternalError naming both shapes unless `tensor` has memory and is of shape `expected`.
inline void check_shape(const char* operation, const char* name, const Tensor& tensor,
                        const Shape& expected) {
  require(static_cast<bool>(tensor), operation, ": ", name, " is missing");
  require(tensor.shape() == expected, operation, ": ", name, " has shape ", tensor.shape(),
          ", expected ", expected);
}

}  // namespace gan::reference
