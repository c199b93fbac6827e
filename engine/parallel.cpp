#include "engine/parallel.h"

#include <algorithm>

namespace gan {

void parallel_ranges(int64_t size, int64_t piece,
                     const std::function<void(int64_t, int64_t)>& body) {
  parallel_for((size + piece - 1) / piece,
               [&](int64_t i) { body(i * piece, std::min(size, (i + 1) * piece)); });
}

}  // namespace gan
