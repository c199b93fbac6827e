#include "model/generators/generators.h"

namespace gan {
namespace {

using enum Activation;

// The original's final generator: encoder to an embedding at 1/8 of the size, decoder with two skip
// connections. Against a discriminator it is "gan", trained alone "autoencoder9-skip". Shapes in the
// comments: w = 64, 128 x 128 input.
class FinalGenerator final : public Generator {
 public:
  FinalGenerator(std::string model, int width)
      : Generator(std::move(model), width),
        w_(width),
        enc1_(parameters_, "enc1", kDown, 3, w_, relu),
        enc2_(parameters_, "enc2", kSame, w_, 2 * w_, relu),
        enc3_(parameters_, "enc3", kDown, 2 * w_, 2 * w_, relu),
        enc4_(parameters_, "enc4", kSame, 2 * w_, 4 * w_, relu),
        enc5_(parameters_, "enc5", kDown, 4 * w_, 8 * w_, relu),
        dec1_(parameters_, "dec1", kUp, 8 * w_, 4 * w_, relu),
        dec2_(parameters_, "dec2", kUp, 8 * w_, 2 * w_, relu),
        dec3_(parameters_, "dec3", kUp, 4 * w_, w_, relu),
        out_(parameters_, "out.conv", kSame, w_, 3, sigmoid) {}

  int size_multiple() const override { return 8; }

  Variable& forward(Context& context, Variable& gray, const Tensor& into) override {
    const auto [n, h, w, c] = gray.value.shape();
    const DType dtype = gray.value.dtype();
    ops::Concat half(context, {n, h / 2, w / 2, 0}, dtype, {2 * w_, 2 * w_});
    ops::Concat quarter(context, {n, h / 4, w / 4, 0}, dtype, {4 * w_, 4 * w_});

    Variable& e1 = enc1_(context, gray);                                   // 64x64x64
    Variable& skip_a = half.skip(1, enc2_, e1);                            // 64x64x128
    Variable& e3 = enc3_(context, skip_a);                                 // 32x32x128
    Variable& skip_b = quarter.skip(1, enc4_, e3);                         // 32x32x256
    Variable& embedding = enc5_(context, skip_b);                          // 16x16x512
    Variable& d1 = dec1_(context, embedding, quarter[0]);                  // 32x32x256
    Variable& d2 = dec2_(context, quarter.join({&d1, &skip_b}), half[0]);  // 64x64x128
    Variable& d3 = dec3_(context, half.join({&d2, &skip_a}));              // 128x128x64
    return out_(context, d3, into);                                        // 128x128x3
  }

 private:
  int64_t w_;
  ConvBlock enc1_, enc2_, enc3_, enc4_, enc5_, dec1_, dec2_, dec3_;
  PlainConv out_;
};

}  // namespace

std::unique_ptr<Generator> make_final_generator(std::string model, int width) {
  return std::make_unique<FinalGenerator>(std::move(model), width);
}

}  // namespace gan
