#include "model/generators/generators.h"

namespace gan {
namespace {

using enum Activation;

// The original's deep U-Net (Ronneberger, Fischer, Brox 2015): seven halvings down to a single pixel
// that has seen all of the photo, seven doublings back, and at every scale between what the encoder
// saw there laid beside what the decoder makes of it. As in pix2pix (Isola et al. 2017) the encoder's
// units are leaky, and first and innermost layer have no batch norm: in the innermost there is one
// number a channel and photo, which a batch of one photo would normalise to nothing. Shapes in the
// comments: w = 64, 128 x 128 input.
class UNet final : public Generator {
 public:
  explicit UNet(int width)
      : Generator("unet", width),
        w_(width),
        down1_(parameters_, "down1.conv", kDown, 3, w_, leaky_relu),
        down2_(parameters_, "down2", kDown, w_, 2 * w_, leaky_relu),
        down3_(parameters_, "down3", kDown, 2 * w_, 4 * w_, leaky_relu),
        down4_(parameters_, "down4", kDown, 4 * w_, 8 * w_, leaky_relu),
        down5_(parameters_, "down5", kDown, 8 * w_, 8 * w_, leaky_relu),
        down6_(parameters_, "down6", kDown, 8 * w_, 8 * w_, leaky_relu),
        down7_(parameters_, "down7.conv", kDown, 8 * w_, 8 * w_, leaky_relu),
        up1_(parameters_, "up1", kUp, 8 * w_, 8 * w_, relu),
        up2_(parameters_, "up2", kUp, 16 * w_, 8 * w_, relu),
        up3_(parameters_, "up3", kUp, 16 * w_, 8 * w_, relu),
        up4_(parameters_, "up4", kUp, 16 * w_, 4 * w_, relu),
        up5_(parameters_, "up5", kUp, 8 * w_, 2 * w_, relu),
        up6_(parameters_, "up6", kUp, 4 * w_, w_, relu),
        up7_(parameters_, "up7.conv", kUp, 2 * w_, 3, sigmoid) {}

  int size_multiple() const override { return 128; }

  Variable& forward(Context& context, Variable& gray, const Tensor& into) override {
    const auto [n, h, w, c] = gray.value.shape();
    const DType dtype = gray.value.dtype();
    ops::Concat at64(context, {n, h / 2, w / 2, 0}, dtype, {w_, w_});
    ops::Concat at32(context, {n, h / 4, w / 4, 0}, dtype, {2 * w_, 2 * w_});
    ops::Concat at16(context, {n, h / 8, w / 8, 0}, dtype, {4 * w_, 4 * w_});
    ops::Concat at8(context, {n, h / 16, w / 16, 0}, dtype, {8 * w_, 8 * w_});
    ops::Concat at4(context, {n, h / 32, w / 32, 0}, dtype, {8 * w_, 8 * w_});
    ops::Concat at2(context, {n, h / 64, w / 64, 0}, dtype, {8 * w_, 8 * w_});

    Variable& s64 = at64.skip(1, down1_, gray);                       // 64x64x64
    Variable& s32 = at32.skip(1, down2_, s64);                        // 32x32x128
    Variable& s16 = at16.skip(1, down3_, s32);                        // 16x16x256
    Variable& s8 = at8.skip(1, down4_, s16);                          // 8x8x512
    Variable& s4 = at4.skip(1, down5_, s8);                           // 4x4x512
    Variable& s2 = at2.skip(1, down6_, s4);                           // 2x2x512
    Variable& pixel = down7_(context, s2);                            // 1x1x512
    Variable& u2 = up1_(context, pixel, at2[0]);                      // 2x2x512
    Variable& u4 = up2_(context, at2.join({&u2, &s2}), at4[0]);       // 4x4x512
    Variable& u8 = up3_(context, at4.join({&u4, &s4}), at8[0]);       // 8x8x512
    Variable& u16 = up4_(context, at8.join({&u8, &s8}), at16[0]);     // 16x16x256
    Variable& u32 = up5_(context, at16.join({&u16, &s16}), at32[0]);  // 32x32x128
    Variable& u64 = up6_(context, at32.join({&u32, &s32}), at64[0]);  // 64x64x64
    return up7_(context, at64.join({&u64, &s64}), into);              // 128x128x3
  }

 private:
  int64_t w_;
  PlainConv down1_;
  ConvBlock down2_, down3_, down4_, down5_, down6_;
  PlainConv down7_;
  ConvBlock up1_, up2_, up3_, up4_, up5_, up6_;
  PlainConv up7_;
};

}  // namespace

std::unique_ptr<Generator> make_unet(int width) {
  return std::make_unique<UNet>(width);
}

}  // namespace gan
