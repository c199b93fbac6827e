// Cuts tensors into pieces for the threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/parallel.h"
#include "engine/tensor.h"

namespace gan::cpu {

// `rows` runs of `cols` neighbouring numbers: what a loop gets to work on. The runs are pixels when
// some tensor of the operation is a channel slice; otherwise one long run ignores the pixels.
struct Piece {
  int64_t index = 0;
  int64_t first = 0;  // the first pixel, or the first number when flat
  int64_t rows = 0, cols = 0;
  bool flat = false;

  float* at(const Tensor& tensor) const {
    return tensor.as<float>() + first * (flat ? 1 : tensor.pitch());
  }
};

// The pieces of tensors of one shape. The cuts depend on the shape and on whether all tensors are
// dense, never on the number of threads.
class Pieces {
 public:
  template <class... Others>
  explicit Pieces(const Tensor& tensor, const Others&... others)
      : flat_(tensor.dense() && (... && others.dense())),
        cols_(tensor.shape().c),
        size_(flat_ ? tensor.elements() : tensor.shape().pixels()),
        step_(flat_ ? kPiece : std::max<int64_t>(1, kPiece / std::max<int64_t>(1, cols_))) {
    (..., require(others.shape() == tensor.shape(), "tensors of shape ", tensor.shape(), " and ",
                  others.shape(), " where equal ones are needed"));
  }

  int64_t count() const { return (size_ + step_ - 1) / step_; }

  Piece operator[](int64_t index) const {
    const int64_t first = index * step_, length = std::min(step_, size_ - first);
    return flat_ ? Piece{index, first, 1, length, true} : Piece{index, first, length, cols_, false};
  }

  // Runs body(piece) for all pieces, in parallel.
  template <class Body>
  void run(Body&& body) const {
    parallel_for(count(), [&](int64_t index) { body((*this)[index]); });
  }

 private:
  static constexpr int64_t kPiece = 16384;  // numbers; 64 KB each, so that a few fit the L2 cache

  bool flat_;
  int64_t cols_, size_, step_;
};

}  // namespace gan::cpu
