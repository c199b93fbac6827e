// Losses, a mean over all m elements of x: {N, H, W, C}; `loss` is one number.
//   bce_with_logits: x*(1 - target) + log(1 + exp(-x)), written so that exp never overflows;
//                    dx = weight/m * (sigmoid(x) - target)
//   l1:              |x - target|;    dx = weight/m * sign(x - target), 0 where they are equal
//   mse:             (x - target)^2;  dx = weight/m * 2 (x - target)
//   relativistic:    log(1 + exp(lower - higher)), d_lower = weight/m * sigmoid(lower - higher),
//                    d_higher = -d_lower
// Gradients may be empty.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                     const Tensor& dx, Write write);
template <class T>
void l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
             const Tensor& dx, Write write);
template <class T>
void mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
              const Tensor& dx, Write write);
template <class T>
void relativistic_loss(const Tensor& higher, const Tensor& lower, float weight, const Tensor& loss,
                       const Tensor& d_higher, const Tensor& d_lower, Write write);

}  // namespace gan::reference
