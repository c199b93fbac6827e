// Two realistic kernels and a few tiny ones, each with bugs that can be planted by name. Correct,
// they prove that the simulator raises no false alarm; with a bug, that it is caught, and by what.
#pragma once

#include <string>
#include <vector>

#include "kernels/cuda/gpu.h"

namespace gan::gpu::bugs {

enum class Bug {
  none,
  // In column_means.
  missing_barrier,         // partial sums read before other warps wrote them
  missing_ticket_barrier,  // the block announces itself before all its threads have written
  missing_fence,           // the announcement is not ordered after the writes
  shared_read_past_end,
  shared_write_past_end,
  missing_syncwarp,  // a lane reads what another lane of its warp wrote
  // In matrix_product.
  missing_wait,              // shared memory read while copies are under way
  missing_trailing_barrier,  // a buffer refilled while another warp still reads it
  global_read_past_end,      // multiplied by zero, so only NaN or AddressSanitizer shows it
};

// Whether the result is right. A fault of the simulator is thrown.
bool column_means_right(Bug bug);
bool matrix_product_right(Bug bug);

// The same choice by name, for programs: the kernel that has the bug is run.
struct Named {
  const char* name;
  Bug bug;
  bool (*run)(Bug);
};
const std::vector<Named>& all_bugs();

// c[m][n] = a[m][k] x b[n][k], k a multiple of 8; for timing.
void matrix_product(const bf16* a, const bf16* b, float* c, int m, int n, int k, Stream stream);

}  // namespace gan::gpu::bugs
