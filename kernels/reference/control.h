// Decisions of a training step, see Backend::begin_update and Backend::balance.
#pragma once

#include "kernels/backend.h"

namespace gan::reference {

template <class T>
void begin_update(const Tensor& numbers, const UpdateControl* after, UpdateControl& control);
template <class T>
void balance(const Tensor& squares, const UpdateControl* after, GradientBalance& balance,
             const Tensor& result);

}  // namespace gan::reference
