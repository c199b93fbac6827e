#pragma once

#include <cstdint>

#include "engine/memory.h"

namespace gan::cpu {

// Working memory of one thread, kept between calls.
class ThreadScratch {
 public:
  // `count` numbers, valid until the next call with this object.
  template <class Number = float>
  Number* numbers(int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(Number);
    if (buffer_.bytes() < bytes) buffer_ = Buffer(host_memory(), bytes);
    return static_cast<Number*>(buffer_.data());
  }

 private:
  Buffer buffer_;
};

}  // namespace gan::cpu
