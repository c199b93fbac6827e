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

  Variable& forward(Context& context, Variable& gray, const Tensor& into) override {
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
    return out_(context, d3, into);                                        // 128x128x3
  }

 private:
  int64_t w_;
  ConvBlock enc1_, enc2_, enc3_, enc4_, enc5_, dec1_, dec2_, dec3_;
  PlainConv out_;
};

// The final generator with a chroma head, as the stable recipe trains it: the same encoder and
// embedding, and three differences.
// - A decoder's layer convolves first and is enlarged bilinearly then. Where a transposed
//   convolution's windows overlap unevenly and leave a checkerboard, nothing overlaps here.
// - The embedding sees only 27 x 27 pixels of the photo, a part of a petal; two more levels, down
//   to 4 x 4, see all of it and are laid beside it, so that a flower gets one colour.
// - Chroma is smooth: it is predicted at half the photo's size (or at all of it).
class ChromaGenerator final : public Generator {
 public:
  ChromaGenerator(int width, ColorHead head)
      : Generator("gan", width),
        head_(head),
        w_(width),
        enc1_(parameters_, "enc1", kDown, 3, w_, relu),
        enc2_(parameters_, "enc2", kSame, w_, 2 * w_, relu),
        enc3_(parameters_, "enc3", kDown, 2 * w_, 2 * w_, relu),
        enc4_(parameters_, "enc4", kSame, 2 * w_, 4 * w_, relu),
        enc5_(parameters_, "enc5", kDown, 4 * w_, 8 * w_, relu),
        ctx1_(parameters_, "ctx1", kDown, 8 * w_, 4 * w_, relu),
        ctx2_(parameters_, "ctx2", kDown, 4 * w_, 4 * w_, relu),
        ctx3_(parameters_, "ctx3", kSame, 4 * w_, 4 * w_, relu),
        dec1_(parameters_, "dec1", kSame, 12 * w_, 4 * w_, relu),
        dec2_(parameters_, "dec2", kSame, 8 * w_, 2 * w_, relu),
        dec3_(parameters_, "dec3", kSame, 4 * w_, w_, relu),
        out_(parameters_, "out.conv", kSame, w_, 2, Activation::tanh) {}

  int size_multiple() const override { return 32; }
  ColorHead head() const override { return head_; }

  Variable& forward(Context& context, Variable& gray, const Tensor& into) override {
    using ops::upsample;
    const auto [n, h, w, c] = gray.value.shape();
    const DType dtype = gray.value.dtype();
    ops::Concat half(context, {n, h / 2, w / 2, 0}, dtype, {2 * w_, 2 * w_});
    ops::Concat quarter(context, {n, h / 4, w / 4, 0}, dtype, {4 * w_, 4 * w_});
    ops::Concat eighth(context, {n, h / 8, w / 8, 0}, dtype, {8 * w_, 4 * w_});

    Variable& e1 = enc1_(context, gray);                                          // 64x64x64
    Variable& skip_a = enc2_(context, e1, half[1]);                               // 64x64x128
    Variable& e3 = enc3_(context, skip_a);                                        // 32x32x128
    Variable& skip_b = enc4_(context, e3, quarter[1]);                            // 32x32x256
    Variable& embedding = enc5_(context, skip_b, eighth[0]);                      // 16x16x512
    Variable& c3 = ctx3_(context, ctx2_(context, ctx1_(context, embedding)));     // 4x4x256
    Variable& around = upsample(context, upsample(context, c3), eighth[1]);       // 16x16x256
    Variable& d1 = dec1_(context, eighth.join({&embedding, &around}));            // 16x16x256
    Variable& u1 = upsample(context, d1, quarter[0]);                             // 32x32x256
    Variable& d2 = dec2_(context, quarter.join({&u1, &skip_b}));                  // 32x32x128
    Variable& u2 = upsample(context, d2, half[0]);                                // 64x64x128
    Variable& d3 = dec3_(context, half.join({&u2, &skip_a}));                     // 64x64x64
    Variable& last = head_ == ColorHead::chroma128 ? upsample(context, d3) : d3;  // 64x64x64
    return out_(context, last, into);                                             // 64x64x2
  }

 private:
  ColorHead head_;
  int64_t w_;
  ConvBlock enc1_, enc2_, enc3_, enc4_, enc5_, ctx1_, ctx2_, ctx3_, dec1_, dec2_, dec3_;
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

  Variable& forward(Context& context, Variable& gray, const Tensor& into) override {
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
    return t4_(context, half.join({&u3, &s1}), into);                  // 128x128x3
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

const char* name_of(ColorHead head) {
  constexpr const char* kNames[] = {"rgb", "chroma64", "chroma128"};
  return kNames[static_cast<int>(head)];
}

ColorHead color_head_named(const std::string& name) {
  for (ColorHead head : {ColorHead::rgb, ColorHead::chroma64, ColorHead::chroma128}) {
    if (name == name_of(head)) return head;
  }
  throw UsageError(str("unknown colour head '", name, "'; known: rgb, chroma64, chroma128"));
}

std::unique_ptr<Generator> make_generator(const std::string& model, int width, ColorHead head) {
  if (model == "demo") {
    if (head != ColorHead::rgb) {
      throw UsageError(str("model demo has no colour head ", name_of(head), ", only rgb"));
    }
    return std::make_unique<DemoGenerator>();
  }
  if (model == "gan") {
    if (width < 4 || width > 512 || width % 4 != 0) {
      throw UsageError(str("width ", width, ": use a multiple of 4 from 4 to 512"));
    }
    if (head == ColorHead::rgb) return std::make_unique<FinalGenerator>(width);
    return std::make_unique<ChromaGenerator>(width, head);
  }
  std::string known;
  for (const std::string& name : generator_models()) known += (known.empty() ? "" : ", ") + name;
  throw UsageError(str("unknown model '", model, "'; known models: ", known));
}

}  // namespace gan
