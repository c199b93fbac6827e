#include "engine/arena.h"

#include <algorithm>

namespace gan {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kSmallestBlock = size_t{1} << 20;

}  // namespace

Tensor Arena::allocate(Shape shape, DType dtype) {
  const size_t bytes = static_cast<size_t>(shape.elements()) * size_of(dtype);
  const size_t rounded = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (blocks_.empty() || used_in_last_ + rounded > blocks_.back().bytes()) {
    used_before_ += used_in_last_;
    used_in_last_ = 0;
    blocks_.emplace_back(*memory_, std::max(rounded, kSmallestBlock));
  }
  void* data = static_cast<std::byte*>(blocks_.back().data()) + used_in_last_;
  used_in_last_ += rounded;
  peak_ = std::max(peak_, used_before_ + used_in_last_);
  return Tensor(data, shape, dtype);
}

void Arena::reset() {
  if (blocks_.size() > 1) {
    ++generation_;
    blocks_.clear();
    blocks_.emplace_back(*memory_, peak_);
  }
  used_in_last_ = used_before_ = 0;
}

}  // namespace gan
