// A backend whose calls are operations of a Dataflow.
#pragma once

#include <memory>

#include "kernels/backend.h"
#include "kernels/cuda/dataflow.h"

namespace gan {

// What `backend` computes, as operations that say what they read and write by the definitions of backend.h.
// Memory that it keeps for itself (packed weights, working memory) it has to tell `dataflow` of.
std::unique_ptr<Backend> in_order_of_data(std::unique_ptr<Backend> backend,
                                          cuda::Dataflow& dataflow);

}  // namespace gan
