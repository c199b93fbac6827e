// Tensors that own their values, for tests that look at numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "engine/random.h"
#include "engine/tensor.h"

namespace gan::testing {

// A dense float64 tensor with its own memory; converts to the Tensor that kernels take.
class HostTensor {
 public:
  HostTensor(Shape shape, std::vector<double> initial)
      : values_(std::make_unique<std::vector<double>>(std::move(initial))),
        tensor_(values_->data(), shape, DType::f64) {
    require(static_cast<int64_t>(values_->size()) == shape.elements(),
            "HostTensor: ", values_->size(), " values for shape ", shape);
  }
  explicit HostTensor(Shape shape)
      : HostTensor(shape, std::vector<double>(static_cast<size_t>(shape.elements()))) {}

  operator const Tensor&() const { return tensor_; }
  const Tensor& tensor() const { return tensor_; }
  std::vector<double>& values() { return *values_; }
  const std::vector<double>& values() const { return *values_; }
  double& operator[](int64_t i) { return (*values_)[static_cast<size_t>(i)]; }
  double operator[](int64_t i) const { return (*values_)[static_cast<size_t>(i)]; }

 private:
  std::unique_ptr<std::vector<double>> values_;  // stays where it is when the tensor moves
  Tensor tensor_;
};

// A vector of channels.
inline HostTensor vector_of(std::vector<double> values) {
  const Shape shape = vector_shape(static_cast<int64_t>(values.size()));
  return HostTensor(shape, std::move(values));
}

// Uniform in [low, high).
inline HostTensor random_tensor(Shape shape, uint64_t seed, double low = -1, double high = 1) {
  HostTensor tensor(shape);
  Random random(seed);
  for (double& value : tensor.values()) value = low + (high - low) * random.uniform_f64();
  return tensor;
}

inline double inner_product(const HostTensor& a, const HostTensor& b) {
  double sum = 0;
  for (size_t i = 0; i < a.values().size(); ++i) sum += a.values()[i] * b.values()[i];
  return sum;
}

inline double largest_difference(const HostTensor& a, const HostTensor& b) {
  double largest = a.values().size() == b.values().size() ? 0 : HUGE_VAL;
  for (size_t i = 0; i < std::min(a.values().size(), b.values().size()); ++i) {
    const double difference = std::abs(a.values()[i] - b.values()[i]);
    if (!(difference <= largest)) largest = difference;  // a NaN shows
  }
  return largest;
}

}  // namespace gan::testing
