// Can a network tell coloured photos from true ones by their colours alone?
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/device.h"
#include "train/image/image.h"

namespace gan {

// What a classifier two-sample test (C2ST) spends. Numbers compare only between equal settings.
struct TwoSampleSettings {
  int steps = 400;
  int64_t batch = 16;  // photos a step, each as output and as truth
  double learning_rate = 1e-3;
  uint64_t seed = 2016;
};

struct TwoSampleResult {
  double accuracy = 0;        // share of the test pictures judged right; 0.5: indistinguishable
  double standard_error = 0;  // of an accuracy whose expectation is 0.5
  int64_t trained = 0, tested = 0;  // photos; a photo counts for two pictures
};

// The classifier two-sample test of Lopez-Paz, Oquab, "Revisiting classifier two-sample tests",
// 2017, on chroma. The protocol:
//
//   pictures   Cb and Cr at half the photo's resolution, without luma
//   split      the photos are shuffled; the first half is trained on, the other tested on. A photo's
//              output and truth are always in the same half
//   critic     3x3 convolutions 2 -> 32 -> 64 -> 64 -> 64 -> 1 with LeakyReLU(0.2), 2x2 average
//              pooling after the first three, the mean of the last is the logit. Its weights are
//              fresh: nothing of the network that is measured, or of its discriminator
//   training   binary cross entropy of truths (1) and outputs (0), Adam (0.9, 0.99), `steps` batches
//              of photos drawn with replacement, mirrored at random; the learning rate falls to 0
//   test       a picture counts as true when its logit is above 0
//
// All randomness comes from the seed, so the same pictures give the same accuracy.
class ChromaTwoSampleTest {
 public:
  explicit ChromaTwoSampleTest(const TwoSampleSettings& settings = {}) : settings_(settings) {}

  // All pictures are squares of one size, sides multiples of 16.
  void add(const Image& output, const Image& truth);

  // Throws DataError with fewer than four photos.
  TwoSampleResult run(Device& device,
                      const std::function<void(int step)>& progress = nullptr) const;

  const TwoSampleSettings& settings() const { return settings_; }

 private:
  using Picture = std::vector<float>;  // Cb, Cr of every pixel

  Picture chroma_of(const Image& image) const;

  TwoSampleSettings settings_;
  int size_ = 0;  // of the photos
  std::vector<Picture> outputs_, truths_;
};

}  // namespace gan
