// Runs the recipe that a golden file holds and compares every step of it.
//
// Golden files are made by tests/peers/make_golden.py: metadata with the settings; x and y; init.*;
// step1.* of the first training step; losses.*; final.eval_fake. Layouts and names are those of
// weights files. Every result is optional: what a file lacks is named, not compared.
#pragma once

#include <string>

#include "kernels/cases/tolerances.h"
#include "kernels/device.h"
#include "tests/parity/compare.h"

namespace gan::parity {

// Repeats the training run of a golden file, within the limits of `precision` (golden.cpp says which,
// and why); bf16 stores pictures as bfloat16, how the device multiplies is its own affair. Throws
// DataError when the file has not the form.
Report check_training(Device& device, const TensorFile& file, const std::string& path,
                      cases::Precision precision = cases::Precision::f32);

// Compares a generator's answer to `x` with `y`, both in `pair`.
Report check_generator(Device& device, const std::string& weights_path, const TensorFile& pair,
                       const std::string& pair_path);

// What a file is to a check.
enum class FileKind { training, weights, pair };
// Throws DataError when it is none of them.
FileKind kind_of(const TensorFile& file, const std::string& path);

}  // namespace gan::parity
