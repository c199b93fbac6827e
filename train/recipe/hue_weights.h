// How much each colour counts in the chroma loss.
#pragma once

#include <vector>

#include "train/data/dataset.h"

namespace gan {

constexpr int kHueCells = 32;  // along Cb and along Cr

// A table for Backend::chroma_loss, {kHueCells, kHueCells}. Brown and green fill most photos, and a
// network that is judged by the mean learns little else. So a colour counts the more the rarer it is
// (share^-0.35; after "Colorful image colorization", Zhang, Isola, Efros 2016, who flatten the counts
// too), and near-neutral ones 2.5 times as much again, so that white stays white; limited to five
// times as much as the mean pixel, whose weight is 1. Without `balance` all weights are 1.
std::vector<float> hue_weights(const PhotoSet& photos, bool balance);

}  // namespace gan
