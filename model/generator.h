// Networks that turn a gray photo into a coloured one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/layers.h"

namespace gan {

// What a generator's last layer says, for a photo of 128 x 128:
//   rgb        red, green, blue in 0..1, {128, 128, 3}
//   chroma64   Cb, Cr in -1..1 (ColorSpace::ycbcr), {64, 64, 2}; the photo's own luma completes them
//   chroma128  the same at {128, 128, 2}
enum class ColorHead : uint8_t { rgb, chroma64, chroma128 };
const char* name_of(ColorHead head);
// Throws UsageError for an unknown name.
ColorHead color_head_named(const std::string& name);

class Generator {
 public:
  virtual ~Generator() = default;
  // gray: {N, H, W, 3}, three equal channels in 0..1; H and W multiples of size_multiple(). The
  // result is what head() says, for H x W instead of 128 x 128. `into`: where to write it.
  virtual Variable& forward(Context& context, Variable& gray, const Tensor& into = {}) = 0;
  virtual int size_multiple() const = 0;
  virtual ColorHead head() const { return ColorHead::rgb; }

  const std::string& model() const { return model_; }  // the name for --model
  int width() const { return width_; }
  ParameterSet& parameters() { return parameters_; }
  const ParameterSet& parameters() const { return parameters_; }

 protected:
  Generator(std::string model, int width) : model_(std::move(model)), width_(width) {}
  ParameterSet parameters_;

 private:
  std::string model_;
  int width_;
};

// Whether networks can be that wide: multiples of 4 from 4 to 512.
bool is_generator_width(int width);

// The names that make_generator knows.
const std::vector<std::string>& generator_models();
// `width`: base width of "gan", "autoencoder9-skip" and "unet"; the others have only one size and
// ignore it. Only "gan" has chroma heads. Throws UsageError for an unknown model, a head it does not
// have, or a width outside 4..512 or not a multiple of 4. Memory and values are not there yet: see
// ParameterSet::allocate and initialize.
std::unique_ptr<Generator> make_generator(const std::string& model, int width,
                                          ColorHead head = ColorHead::rgb);

}  // namespace gan
