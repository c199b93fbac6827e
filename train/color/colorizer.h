// A trained generator at work on photos.
#pragma once

#include <vector>

#include "engine/replay.h"
#include "kernels/device.h"
#include "model/generator.h"
#include "train/color/chroma_plane.h"
#include "train/image/image.h"

namespace gan {

// The side of the squares that the networks are trained on, in pixels.
constexpr int kWorkSize = 128;

struct ColorizeOptions {
  bool flip = false;      // average the answers to the photo and to its mirror image
  double saturation = 1;  // factor on chroma; what leaves the gamut shrinks back into it
  bool smooth = true;     // smooth a chroma head's answer along edges (smooth_chroma.h)
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

  // The three stages of colorize(), for those who want to read, compute and write at the same time.
  // The first and the last may run in any number of threads at once; the network in one.
  //
  // What the network sees of a photo: all of it in gray, in the middle of a frame whose size the
  // network takes, near to the photo's shape and to as many pixels as a square of `side` has. What the
  // photo leaves free of the frame, a narrow margin and what its shape asks for, its outermost pixels
  // fill. A photo longer than 16 times its short side is squeezed to that.
  //
  // Measured with 120 validation photos cut to eight shapes from 1:2 to 2.3:1, without margins:
  // CIEDE2000 12.41; where the photo is stretched to fill the frame, 12.48; with a short side of
  // `side` pixels, which is 1.6 times the work, 12.89.
  Image work_image(const Photo& photo, int side = kWorkSize) const;
  // The network's chroma for work images of one common size, smoothed if the options say so.
  std::vector<ChromaPlane> chroma(const std::vector<Image>& work_images);
  // The photo in the chroma of its work image, at its own size and with its own luma; alpha, bits and
  // metadata stay. Moving the photo here saves memory.
  Photo recolored(Photo photo, const ChromaPlane& chroma) const;

  // work_image, chroma and recolored in one.
  Photo colorize(Photo photo, int side = kWorkSize);
  Image colorize(const Image& photo) { return to_image(colorize(to_photo(photo))); }

 private:
  // What the generator's head says, dense, picture after picture: once through the network, and as
  // the options ask.
  std::vector<float> run_once(const std::vector<Image>& photos);
  void forward(const Tensor& input, const Tensor& output);
  std::vector<float> run(const std::vector<Image>& photos);
  // The RGB head's pictures, before saturation.
  std::vector<Image> pictures(const std::vector<Image>& photos);
  // chroma() before it is smoothed.
  std::vector<ChromaPlane> own_chroma(const std::vector<Image>& photos);

  Device& device_;
  Generator& generator_;
  ColorizeOptions options_;
  Tape tape_;
  Replay replay_;
  Buffer input_memory_, output_memory_;
};

}  // namespace gan
