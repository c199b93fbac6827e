// How much of a device's memory a training run takes, known before it begins.
#pragma once

#include <cstddef>

#include "kernels/device.h"
#include "train/data/dataset.h"
#include "train/run/settings.h"

namespace gan {

// The most bytes at once, those of the photos included, and some for a GPU's libraries. Found by rehearsing (kernels/rehearsal.h): the
// recipe itself takes steps of all its phases, ends an epoch and has photos coloured, on a device that
// keeps nothing. Takes some milliseconds.
size_t training_bytes(const Device& device, const TrainSettings& settings, const PhotoSet& photos,
                      const PhotoSet& held_out);

// The largest batch, up to `most`, that training takes no more than `room` bytes with; 0: none.
int batch_that_fits(size_t room, int most, const Device& device, TrainSettings settings,
                    const PhotoSet& photos, const PhotoSet& held_out);

// Throws DeviceError when a GPU has less room than that, saying how much is wanted and what would fit.
// The system lends more memory than there is free, so nothing is said about the computer's own.
void require_room(size_t bytes, const Device& device, const TrainSettings& settings,
                  const PhotoSet& photos, const PhotoSet& held_out);

}  // namespace gan
