// The photo set in the device's memory, and the batches that are cut out of it.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/random.h"
#include "kernels/device.h"
#include "train/data/dataset.h"

namespace gan {

// 0 .. count-1 in random order.
std::vector<int32_t> shuffled(int64_t count, Random random);

struct Batch {
  Tensor gray, color;  // {N, size, size, 3}, as Backend::assemble_batch makes them
};

class BatchSource {
 public:
  // Copies the photos. `batch`: the most pictures that will be asked for at once.
  BatchSource(Device& device, const PhotoSet& photos, int64_t batch, ColorSpace space);

  int64_t photos() const { return photos_.shape().n; }
  // Of a batch's tensors.
  Shape shape(int64_t count) const { return gray_.pictures(0, count).shape(); }

  // Picks the photos with these indices for the next batch, as they are.
  void pick(const int32_t* indices, int64_t count);
  // The same, each moved by up to `shift` pixels up or down and left or right, and mirrored or not.
  void pick_moved(const int32_t* indices, int64_t count, int shift, Random& random);
  // The batch of the first `count` photos picked. Valid until the next call; always in one place.
  Batch assemble(int64_t count);

  // pick() and assemble().
  Batch assemble(const int32_t* indices, int64_t count);

 private:
  void pick(const std::vector<PhotoPick>& picks);

  Device& device_;
  ColorSpace space_;
  Buffer photo_memory_, batch_memory_, pick_memory_;
  Tensor photos_, gray_, color_;
};

}  // namespace gan
