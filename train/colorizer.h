// A trained generator at work on photos.
#pragma once

#include <vector>

#include "engine/replay.h"
#include "kernels/device.h"
#include "model/generator.h"
#include "train/image.h"

namespace gan {

// The side of the squares that the networks are trained on, in pixels.
constexpr int kWorkSize = 128;

// Chroma of a picture at some resolution, in 8-bit levels (YCbCr, color.h).
struct ChromaPlane {
  int width = 0, height = 0;
  std::vector<float> cb, cr;  // row by row
};

struct ColorizeOptions {
  bool flip = false;      // average the answers to the photo and to its mirror image
  double saturation = 1;  // factor on chroma; what leaves the gamut shrinks back into it
};

class Colorizer {
 public:
  // Device and generator must outlive the colorizer.
  Colorizer(Device& device, Generator& generator, const ColorizeOptions& options = {})
      : device_(device),
        generator_(generator),
        options_(options),
        tape_(device.memory),
        replay_(device.memory) {}

  // The network's own colours for photos of one common size, whose sides are multiples of
  // Generator::size_multiple(). Only the luma of the photos (gray or RGB) is looked at. A network
  // that predicts chroma alone has no luma of its own: the photo's is used.
  std::vector<Image> predict(const std::vector<Image>& photos);

  // The photos' own luma in the network's colours; sizes as for predict().
  std::vector<Image> recolor_squares(const std::vector<Image>& photos);

  // The photo in the network's colours, at its own size and with its own luma. The network sees
  // the whole photo with its short side resized to kWorkSize; its chroma is enlarged linearly.
  Image colorize(const Image& photo);

 private:
  // What the generator's head says, dense, picture after picture: once through the network, and as
  // the options ask.
  std::vector<float> run_once(const std::vector<Image>& photos);
  void forward(const Tensor& input, const Tensor& output);
  std::vector<float> run(const std::vector<Image>& photos);
  // The RGB head's pictures, before saturation.
  std::vector<Image> pictures(const std::vector<Image>& photos);
  std::vector<ChromaPlane> chroma(const std::vector<Image>& photos);

  Device& device_;
  Generator& generator_;
  ColorizeOptions options_;
  Tape tape_;
  Replay replay_;
  Buffer input_memory_, output_memory_;
};

// The photo (gray or RGB) in these colours, a plane of any size showing the same; every pixel keeps
// its luma.
Image with_chroma(const Image& photo, const ChromaPlane& chroma);

}  // namespace gan
