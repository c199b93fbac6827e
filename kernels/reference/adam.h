// Adam (Kingma & Ba 2015, algorithm 1), element by element, t = *step counted from 1:
//   m = beta1*m + (1 - beta1)*g,   v = beta2*v + (1 - beta2)*g^2
//   p -= learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
// Parameters p, gradients g and the moments m and v have one shape.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void adam(const AdamSettings& settings, const UpdateControl* control, const Tensor& parameters,
          const Tensor& gradients, const Tensor& first_moment, const Tensor& second_moment);

}  // namespace gan::reference
