// A trained generator at work on photos.
#pragma once

#include <vector>

#include "kernels/device.h"
#include "model/generator.h"
#include "train/image.h"

namespace gan {

// The side of the squares that the networks are trained on, in pixels.
constexpr int kWorkSize = 128;

class Colorizer {
 public:
  // Both must outlive the colorizer.
  Colorizer(Device& device, Generator& generator)
      : device_(device), generator_(generator), tape_(device.memory) {}

  // The network's own colours for photos of one common size, whose sides are multiples of
  // Generator::size_multiple(). Only the luma of the photos (gray or RGB) is looked at.
  std::vector<Image> predict(const std::vector<Image>& photos);

  // The photo in the network's colours, at its own size and with its own luma. The network sees
  // the whole photo with its short side resized to kWorkSize; its chroma is enlarged linearly.
  Image colorize(const Image& photo);

 private:
  // RGB in 0..1, dense, picture after picture.
  std::vector<float> run(const std::vector<Image>& photos);

  Device& device_;
  Generator& generator_;
  Tape tape_;
};

// The photo (gray or RGB) with the chroma of `colors`, an RGB picture of any size showing the same;
// every pixel keeps its luma.
Image with_chroma_of(const Image& photo, const Image& colors);

}  // namespace gan
