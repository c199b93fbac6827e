// How much of a device's memory a training run takes, known before it begins.
#pragma once

#include <cstddef>

#include "kernels/device.h"
#include "train/data/dataset.h"
#include "train/state/settings.h"

namespace gan {

// The most bytes at once, those of the photos included, and some for a GPU's libraries. Found by
// rehearsing (kernels/rehearsal.h): the recipe itself takes steps of all its phases, ends an epoch and
// has photos coloured, on a device that keeps nothing.
size_t training_bytes(const Device& device, const TrainSettings& settings, const PhotoSet& photos,
                      const PhotoSet& held_out);

// The largest batch, up to `most`, that training takes no more than `room` bytes with; 0: none.
int batch_that_fits(size_t room, int most, const Device& device, TrainSettings settings,
                    const PhotoSet& photos, const PhotoSet& held_out);

// What --batch-size auto means: the largest batch that leaves a fifth of the free memory alone, but at
// most 64 on a GPU and 16 on a CPU, which is no faster with more, and so small that an epoch has 16 steps,
// where there are photos enough for it. At least 1.
int automatic_batch(const Device& device, const TrainSettings& settings, const PhotoSet& photos,
                    const PhotoSet& held_out);

// Throws DeviceError when the device has less room than that, saying how much is wanted and what would
// fit.
void require_room(size_t bytes, const Device& device, const TrainSettings& settings,
                  const PhotoSet& photos, const PhotoSet& held_out);

}  // namespace gan
