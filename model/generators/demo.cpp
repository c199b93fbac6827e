#include "model/generators/generators.h"

namespace gan {
namespace {

using enum Activation;

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

    Variable& s1 = half.skip(1, pooled, l1_(context, gray));           // 64x64x16
    Variable& s2 = quarter.skip(1, pooled, l2_(context, s1));          // 32x32x32
    Variable& s3 = eighth.skip(1, pooled, l3_(context, s2));           // 16x16x64
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

std::unique_ptr<Generator> make_demo_generator() {
  return std::make_unique<DemoGenerator>();
}

}  // namespace gan
