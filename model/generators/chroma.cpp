#include "model/generators/generators.h"

namespace gan {
namespace {

using enum Activation;

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
    Variable& skip_a = half.skip(1, enc2_, e1);                                   // 64x64x128
    Variable& e3 = enc3_(context, skip_a);                                        // 32x32x128
    Variable& skip_b = quarter.skip(1, enc4_, e3);                                // 32x32x256
    Variable& embedding = eighth.skip(0, enc5_, skip_b);                          // 16x16x512
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

}  // namespace

std::unique_ptr<Generator> make_chroma_generator(int width, ColorHead head) {
  return std::make_unique<ChromaGenerator>(width, head);
}

}  // namespace gan
