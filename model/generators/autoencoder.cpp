#include "model/generators/generators.h"

namespace gan {
namespace {

using enum Activation;

// The original's first model: five layers, no skips, no batch norm. Whatever is finer than 4 pixels
// has to be guessed from the embedding. Shapes in the comments: 128 x 128 input.
class Autoencoder5 final : public Generator {
 public:
  Autoencoder5()
      : Generator("autoencoder5", 16),
        enc1_(parameters_, "enc1.conv", kDown, 3, 16, relu),
        enc2_(parameters_, "enc2.conv", kSame, 16, 32, relu),
        enc3_(parameters_, "enc3.conv", kDown, 32, 64, relu),
        dec1_(parameters_, "dec1.conv", kUp, 64, 32, relu),
        dec2_(parameters_, "dec2.conv", kUp, 32, 3, sigmoid) {}

  int size_multiple() const override { return 4; }

  Variable& forward(Context& context, Variable& gray, const Tensor& into) override {
    Variable& e1 = enc1_(context, gray);       // 64x64x16
    Variable& e2 = enc2_(context, e1);         // 64x64x32
    Variable& embedding = enc3_(context, e2);  // 32x32x64
    Variable& d1 = dec1_(context, embedding);  // 64x64x32
    return dec2_(context, d1, into);           // 128x128x3
  }

 private:
  PlainConv enc1_, enc2_, enc3_, dec1_, dec2_;
};

// Its second: seven layers, an embedding half as large. `act`: between the layers, ReLU or, in
// "autoencoder7-leaky", LeakyReLU.
class Autoencoder7 final : public Generator {
 public:
  Autoencoder7(std::string model, Activation act)
      : Generator(std::move(model), 16),
        enc1_(parameters_, "enc1.conv", kSame, 3, 16, act),
        enc2_(parameters_, "enc2.conv", kDown, 16, 32, act),
        enc3_(parameters_, "enc3.conv", kDown, 32, 64, act),
        enc4_(parameters_, "enc4.conv", kDown, 64, 128, act),
        dec1_(parameters_, "dec1.conv", kUp, 128, 64, act),
        dec2_(parameters_, "dec2.conv", kUp, 64, 32, act),
        dec3_(parameters_, "dec3.conv", kUp, 32, 3, sigmoid) {}

  int size_multiple() const override { return 8; }

  Variable& forward(Context& context, Variable& gray, const Tensor& into) override {
    Variable& e1 = enc1_(context, gray);       // 128x128x16
    Variable& e2 = enc2_(context, e1);         // 64x64x32
    Variable& e3 = enc3_(context, e2);         // 32x32x64
    Variable& embedding = enc4_(context, e3);  // 16x16x128
    Variable& d1 = dec1_(context, embedding);  // 32x32x64
    Variable& d2 = dec2_(context, d1);         // 64x64x32
    return dec3_(context, d2, into);           // 128x128x3
  }

 private:
  PlainConv enc1_, enc2_, enc3_, enc4_, dec1_, dec2_, dec3_;
};

}  // namespace

std::unique_ptr<Generator> make_autoencoder5() {
  return std::make_unique<Autoencoder5>();
}

std::unique_ptr<Generator> make_autoencoder7(std::string model, Activation act) {
  return std::make_unique<Autoencoder7>(std::move(model), act);
}

}  // namespace gan
