// The backend that does everything, slowly, and defines what the others must equal.
#pragma once

#include <memory>

#include "kernels/backend.h"

namespace gan {

// Plain loops on the CPU for float32 and float64, every sum added in float64. Threads never change
// a result.
std::unique_ptr<Backend> make_reference_backend();

}  // namespace gan
