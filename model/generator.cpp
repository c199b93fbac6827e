#include "model/generator.h"

#include <algorithm>

namespace gan {
namespace {

using enum Activation;

// The final generator (--model gan): encoder to an embedding at 1/8 of the size, decoder with two
// skip connections. Shapes in the comments: w = 64, 128 x 128 input.
class FinalGenerator final : public Generator {
 public:
  explicit FinalGenerator(int width)
      : Generator("gan", width),
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

  Variable& forward(Context& context, Variable& gray) override {
    const auto [n, h, w, c] = gray.value.shape();
    const DType dtype = gray.value.dtype();
    ops::Concat half(context, {n, h / 2, w / 2, 0}, dtype, {2 * w_, 2 * w_});
    ops::Concat quarter(context, {n, h / 4, w / 4, 0}, dtype, {4 * w_, 4 * w_});

    Variable& e1 = enc1_(context, gray);                                   // 64x64x64
    Variable& skip_a = enc2_(context, e1, half[1]);                        // 64x64x128
    Variable& e3 = enc3_(context, skip_a);                                 // 32x32x128
    Variable& skip_b = enc4_(context, e3, quarter[1]);                     // 32x32x256
    Variable& embedding = enc5_(context, skip_b);                          // 16x16x512
    Variable& d1 = dec1_(context, embedding, quarter[0]);                  // 32x32x256
    Variable& d2 = dec2_(context, quarter.join({&d1, &skip_b}), half[0]);  // 64x64x128
    Variable& d3 = dec3_(context, half.join({&d2, &skip_a}));              // 128x128x64
    return out_(context, d3);                                              // 128x128x3
  }

 private:
  int64_t w_;
  ConvBlock enc1_, enc2_, enc3_, enc4_, enc5_, dec1_, dec2_, dec3_;
  PlainConv out_;
};

// The generator of the original's surviving weights (--model demo). Convolutions with bias, no
// batch norm; the skips are the pooled, activated outputs of the encoder.
class DemoGenerator final : public Generator {
 public:
  DemoGenerator()
      : Generator("demo", 16),
        l1_(parameters_, "l1", kSame, 3, 16, none),
        l2_(parameters_, "l2", kSame, 16, 32, none),
        l3_(parameters_, "l3", kSame, 32, 64, none),
        l4_(parameters_, "l4", kSame, 64, 128, none),
        t1_(parameters_, "t1", kUp, 128, 64, none),
        t2_(parameters_, "t2", kUp, 128, 32, none),
        t3_(parameters_, "t3", kUp, 64, 16, none),
        t4_(parameters_, "t4", kUp, 32, 3, sigmoid) {}

  int size_multiple() const override { return 16; }

  Variable& forward(Context& context, Variable& gray) override {
    const auto [n, h, w, c] = gray.value.shape();
    const DType dtype = gray.value.dtype();
    ops::Concat half(context, {n, h / 2, w / 2, 0}, dtype, {16, 16});
    ops::Concat quarter(context, {n, h / 4, w / 4, 0}, dtype, {32, 32});
    ops::Concat eighth(context, {n, h / 8, w / 8, 0}, dtype, {64, 64});

    Variable& s1 = pooled(context, l1_(context, gray), half[1]);       // 64x64x16
    Variable& s2 = pooled(context, l2_(context, s1), quarter[1]);      // 32x32x32
    Variable& s3 = pooled(context, l3_(context, s2), eighth[1]);       // 16x16x64
    Variable& embedding = pooled(context, l4_(context, s3));           // 8x8x128
    Variable& u1 = t1_(context, embedding, eighth[0]);                 // 16x16x64
    Variable& u2 = t2_(context, eighth.join({&u1, &s3}), quarter[0]);  // 32x32x32
    Variable& u3 = t3_(context, quarter.join({&u2, &s2}), half[0]);    // 64x64x16
    return t4_(context, half.join({&u3, &s1}));                        // 128x128x3
  }

 private:
  static Variable& pooled(Context& context, Variable& x, const Tensor& into = {}) {
    return ops::activation(context, leaky_relu, ops::max_pool(context, x), into);
  }

  PlainConv l1_, l2_, l3_, l4_, t1_, t2_, t3_, t4_;
};

}  // namespace

const std::vector<std::string>& generator_models() {
  static const std::vector<std::string> models = {"gan", "demo"};
  return models;
}

std::unique_ptr<Generator> make_generator(const std::string& model, int width) {
  if (model == "demo") return std::make_unique<DemoGenerator>();
  if (model == "gan") {
    if (width < 4 || width > 512 || width % 4 != 0) {
      throw UsageError(str("width ", width, ": use a multiple of 4 from 4 to 512"));
    }
    return std::make_unique<FinalGenerator>(width);
  }
  std::string known;
  for (const std::string& name : generator_models()) known += (known.empty() ? "" : ", ") + name;
  throw UsageError(str("unknown model '", model, "'; known models: ", known));
}

}  // namespace gan
