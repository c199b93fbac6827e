// A trained network as the beginning of a wider one.
#pragma once

#include <cstdint>
#include <string>

#include "model/parameters.h"
#include "model/tensor_file.h"

namespace gan {

// The weights in `narrow` (read from `path`) for the network that `wide` belongs to, which is of the same
// model and k times as wide, k = 1, 2, 3, ...: its every channel c does what channel c / k did, so that
// the wider network computes what the narrower one did, and training goes on from there. k = 1 returns
// `narrow` as it is.
//
// A layer that reads k equal channels instead of one takes a share of the old weight from each,
//
//   w'[o, i k + r] = s[o, i, r] w[o, i],   s[o, i, 0] + ... + s[o, i, k-1] = 1,
//
// and the shares are random, other ones for every weight: with equal shares the k channels would get
// equal gradients and stay equal for ever. (Net2WiderNet: Chen, Goodfellow and Shlens 2015,
// arXiv 1511.05641; they copy channels in a random order and share evenly, with noise.)
//
// Throws DataError naming the first tensor that is missing or whose shape is not that of such a network.
TensorFile widened(const ParameterSet& wide, const TensorFile& narrow, const std::string& path,
                   uint64_t seed);

}  // namespace gan
