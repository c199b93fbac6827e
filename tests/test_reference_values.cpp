// The reference against numbers worked out by hand.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/reference/batch.h"
#include "kernels/reference/reference_backend.h"
#include "tests/host_tensor.h"

using namespace gan;
using namespace gan::testing;

namespace {

using Numbers = std::vector<double>;

Backend& backend() {
  static const auto made = make_reference_backend();
  return *made;
}

constexpr ConvGeometry kSame = {3, 1, 1, 0}, kHalf = {3, 2, 1, 0}, kUp = {3, 2, 1, 1};

// Rows 1 2 3 / 4 5 6 / 7 8 9, one channel.
HostTensor nine() {
  return {{1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
}

// Equal but for the rounding of a few operations.
void check_close(const HostTensor& actual, const Numbers& expected) {
  REQUIRE(actual.values().size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    CHECK(actual.values()[i] == Approx(expected[i]).margin(1e-12));
}

}  // namespace

TEST_CASE("convolution sums the window, and outside the picture is zero") {
  const HostTensor x = nine(), w({1, 3, 3, 1}, Numbers(9, 1.0));
  HostTensor y({1, 3, 3, 1});
  backend().conv_forward(kSame, x, {w}, {}, y);
  // Corner: 1+2+4+5; edge: 1..6; middle: everything.
  CHECK(y.values() == Numbers{12, 21, 16, 27, 45, 33, 24, 39, 28});
}

TEST_CASE("convolution does not flip its kernel") {
  const HostTensor x = nine(), w({1, 3, 3, 1}, {0, 0, 0, 0, 0, 1, 0, 0, 0});
  HostTensor y({1, 3, 3, 1});
  backend().conv_forward(kSame, x, {w}, {}, y);
  // The tap right of the middle reads the right neighbour.
  CHECK(y.values() == Numbers{2, 3, 0, 5, 6, 0, 8, 9, 0});
}

TEST_CASE("convolution of stride 2 starts at the padded corner") {
  const HostTensor x = nine(), w({1, 3, 3, 1}, Numbers(9, 1.0));
  HostTensor y({1, 2, 2, 1});
  backend().conv_forward(kHalf, x, {w}, {}, y);
  // The four corners of the result of stride 1.
  CHECK(y.values() == Numbers{12, 16, 24, 28});
}

TEST_CASE("convolution mixes channels, adds the bias, then applies the activation") {
  // One pixel, channels 2 and 3; kernel of one pixel.
  const HostTensor x({1, 1, 1, 2}, {2, 3});
  const HostTensor w({3, 1, 1, 2}, {1, 10, -1, 0, 0, -1}), bias = vector_of({5, 1, 4});
  HostTensor y({1, 1, 1, 3});
  // Sums: 2+30, -2, -3; with bias 37, -1, 1.
  backend().conv_forward({1, 1, 0, 0}, x, {w}, {bias, Activation::none}, y);
  CHECK(y.values() == Numbers{37, -1, 1});
  backend().conv_forward({1, 1, 0, 0}, x, {w}, {bias, Activation::relu}, y);
  CHECK(y.values() == Numbers{37, 0, 1});
  backend().conv_forward({1, 1, 0, 0}, x, {w}, {bias, Activation::leaky_relu}, y);
  check_close(y, {37, -double{kLeakySlope}, 1});
}

TEST_CASE("the data gradient of a convolution spreads each slope over its window") {
  const HostTensor w({1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  // Stride 2 on a 3x3 picture: windows are centred on the four corners.
  const HostTensor dy({1, 2, 2, 1}, {1, 0, 0, 10});
  HostTensor dx({1, 3, 3, 1});
  backend().conv_backward_data(kHalf, dy, {w}, dx, Write::overwrite);
  // Top left window: middle tap 5 on the corner, 6 to its right, 8 below, 9 in the middle.
  // Bottom right window, times 10: 1 in the middle, 2 right of it, 4 below it, 5 on the corner.
  CHECK(dx.values() == Numbers{5, 6, 0, 8, 9 + 10, 20, 0, 40, 50});
  backend().conv_backward_data(kHalf, dy, {w}, dx, Write::accumulate);
  CHECK(dx.values() == Numbers{10, 12, 0, 16, 38, 40, 0, 80, 100});
}

TEST_CASE("the weight gradient of a convolution correlates input and slope") {
  const HostTensor x = nine(), dy({1, 2, 2, 1}, {1, 0, 0, 10});
  HostTensor dw({1, 3, 3, 1});
  backend().conv_backward_weights(kHalf, x, dy, dw, Write::overwrite);
  // Window at the top left corner sees 1 2 / 4 5 through its lower right taps; the one at the
  // bottom right sees 5 6 / 8 9 through its upper left taps.
  CHECK(dw.values() == Numbers{50, 60, 0, 80, 1 + 90, 2, 0, 4, 5});
  backend().conv_backward_weights(kHalf, x, dy, dw, Write::accumulate);
  CHECK(dw[4] == 182);
}

TEST_CASE("transposed convolution stamps its kernel, stride apart") {
  const HostTensor w({1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const HostTensor x({1, 1, 2, 1}, {1, 10}), bias = vector_of({0.5});
  HostTensor y({1, 2, 4, 1});
  backend().conv_transpose_forward(kUp, x, {w}, {bias, Activation::none}, y);
  // The middle of the first stamp falls on column 0, of the second, times 10, on column 2.
  CHECK(y.values() == Numbers{5.5, 6 + 40 + 0.5, 50.5, 60.5, 8.5, 9 + 70 + 0.5, 80.5, 90.5});
}

TEST_CASE("transposed convolution takes its output channels from the last axis") {
  // w: {2 in, 1, 1, 3 out}
  const HostTensor x({1, 1, 1, 2}, {2, 3}), w({2, 1, 1, 3}, {1, 2, 3, 10, 20, 30});
  HostTensor y({1, 1, 1, 3});
  backend().conv_transpose_forward({1, 1, 0, 0}, x, {w}, {}, y);
  CHECK(y.values() == Numbers{32, 64, 96});
}

TEST_CASE("the gradients of transposed convolution are a convolution and a correlation") {
  const HostTensor w({1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const HostTensor x({1, 1, 2, 1}, {1, 10}), dy({1, 2, 4, 1}, {1, 0, 0, 0, 0, 0, 0, 1});
  HostTensor dx({1, 1, 2, 1}, {100, 100}), dw({1, 3, 3, 1});
  backend().conv_transpose_backward_data(kUp, dy, {w}, dx, Write::overwrite);
  // Output (0, 0) is under tap 5 of the first stamp, output (1, 3) under tap 9 of the second.
  CHECK(dx.values() == Numbers{5, 9});
  backend().conv_transpose_backward_data(kUp, dy, {w}, dx, Write::accumulate);
  CHECK(dx.values() == Numbers{10, 18});
  backend().conv_transpose_backward_weights(kUp, x, dy, dw, Write::overwrite);
  CHECK(dw.values() == Numbers{0, 0, 0, 0, 1, 0, 0, 0, 10});
}

TEST_CASE("batch norm in training uses and keeps the batch's statistics") {
  // Channel values 1, 3, 5, 7: mean 4, biased variance 5, unbiased 20/3.
  const HostTensor x({2, 1, 2, 1}, {1, 3, 5, 7}), gamma = vector_of({2}), beta = vector_of({1});
  HostTensor running_mean = vector_of({10}), running_var = vector_of({1});
  HostTensor mean = vector_of({0}), inv_std = vector_of({0}), y({2, 1, 2, 1});
  const BatchNorm norm = {gamma, beta, running_mean, running_var, 4.0, 0.1};  // sqrt(5 + 4) = 3
  backend().batch_norm_train(x, norm, Activation::none, {}, {mean, inv_std}, y);
  check_close(y, {-1, 1.0 / 3, 5.0 / 3, 3});  // 2 * (x - 4)/3 + 1
  check_close(mean, {4});
  check_close(inv_std, {1.0 / 3});
  check_close(running_mean, {9.4});  // 0.9*10 + 0.1*4
  check_close(running_var, {0.9 + 0.1 * 20.0 / 3});
  backend().batch_norm_train(x, norm, Activation::relu, {}, {mean, inv_std}, y);
  check_close(y, {0, 1.0 / 3, 5.0 / 3, 3});
}

TEST_CASE("batch norm of a single value gives beta and counts as variance 0") {
  const HostTensor x = vector_of({5}), gamma = vector_of({2}), beta = vector_of({-3});
  HostTensor running_mean = vector_of({0}), running_var = vector_of({1});
  HostTensor mean = vector_of({0}), inv_std = vector_of({0}), y = vector_of({0});
  backend().batch_norm_train(x, {gamma, beta, running_mean, running_var}, Activation::none, {},
                             {mean, inv_std}, y);
  CHECK(y[0] == -3);
  CHECK(running_var[0] == Approx(0.9));
}

TEST_CASE("batch norm in inference uses the running statistics") {
  const HostTensor x({1, 1, 2, 2}, {1, 10, 3, -30}), gamma = vector_of({2, 1});
  const HostTensor beta = vector_of({1, 0}), mean = vector_of({1, 0}), var = vector_of({0, 96});
  HostTensor y({1, 1, 2, 2});
  const BatchNorm norm = {gamma, beta, mean, var, 4.0, 0.1};  // divisors 2 and 10
  backend().batch_norm_infer(x, norm, Activation::leaky_relu, y);
  check_close(y, {1, 1, 3, -3 * double{kLeakySlope}});
}

TEST_CASE("the gradients of batch norm") {
  // x = -1, 1: mean 0, var 1; eps 3 makes 1/sqrt(4) = 1/2, xhat = -1/2, 1/2.
  HostTensor x({1, 1, 2, 1}, {-1, 1});
  const HostTensor dy({1, 1, 2, 1}, {1, 5}), gamma = vector_of({8}), beta = vector_of({0});
  const HostTensor mean = vector_of({0}), inv_std = vector_of({0.5});
  HostTensor dx({1, 1, 2, 1}), dgamma = vector_of({100}), dbeta = vector_of({100});
  const BatchNorm norm = {gamma, beta, {}, {}, 3.0, 0.1};
  const BatchNormSaved saved = {mean, inv_std};
  backend().batch_norm_backward(x, dy, norm, Activation::none, {}, saved, dx, dgamma, dbeta,
                                Write::overwrite);
  // dbeta = 6, dgamma = -1/2 + 5/2 = 2; dx = 8/2 * (dy - 6/2 - xhat * 2/2).
  CHECK(dgamma[0] == 2);
  CHECK(dbeta[0] == 6);
  CHECK(dx.values() == Numbers{4 * (1 - 3 + 0.5), 4 * (5 - 3 - 0.5)});
  // ReLU stops the first element (z = -4): dbeta = 5, dgamma = 5/2.
  backend().batch_norm_backward(x, dy, norm, Activation::relu, {}, saved, dx, dgamma, dbeta,
                                Write::accumulate);
  CHECK(dgamma[0] == 2 + 2.5);
  CHECK(dbeta[0] == 6 + 5);
  CHECK(dx.values() == Numbers{4 * (0 - 2.5 + 0.5 * 1.25), 4 * (5 - 2.5 - 0.5 * 1.25)});
  // In place, without the parameters' gradients.
  backend().batch_norm_backward(x, dy, norm, Activation::relu, {}, saved, x, {}, {},
                                Write::overwrite);
  CHECK(x.values() == dx.values());
}

TEST_CASE("folding batch norm scales the weights of each output channel") {
  // Scales 6/sqrt(5+4) = 2 and 1/sqrt(0+4) = 1/2.
  const HostTensor gamma = vector_of({6, 1}), beta = vector_of({1, 1});
  const HostTensor mean = vector_of({3, 4}), var = vector_of({5, 0});
  const BatchNorm norm = {gamma, beta, mean, var, 4.0, 0.1};
  const HostTensor w({2, 1, 1, 2}, {1, 2, 3, 4});
  HostTensor folded({2, 1, 1, 2}), bias = vector_of({0, 0});
  backend().batch_norm_fold(w, norm, false, folded, bias);
  CHECK(folded.values() == Numbers{2, 4, 1.5, 2});
  CHECK(bias.values() == Numbers{1 - 6, 1 - 2});
  backend().batch_norm_fold(w, norm, true, folded, bias);
  CHECK(folded.values() == Numbers{2, 1, 6, 2});
  CHECK(bias.values() == Numbers{1 - 6, 1 - 2});
}

TEST_CASE("activations and their slopes") {
  const HostTensor x = vector_of({-2, 0, 3}), dy = vector_of({10, 10, 10});
  HostTensor y = vector_of({0, 0, 0}), dx = vector_of({0, 0, 0});
  const auto run = [&](Activation act) {
    backend().activation_forward(act, x, y);
    backend().activation_backward(act, y, dy, dx, Write::overwrite);
  };
  run(Activation::none);
  CHECK(y.values() == Numbers{-2, 0, 3});
  CHECK(dx.values() == Numbers{10, 10, 10});
  run(Activation::relu);
  CHECK(y.values() == Numbers{0, 0, 3});
  CHECK(dx.values() == Numbers{0, 0, 10});
  run(Activation::leaky_relu);
  check_close(y, {-2 * double{kLeakySlope}, 0, 3});
  check_close(dx, {10 * double{kLeakySlope}, 10 * double{kLeakySlope}, 10});
  run(Activation::sigmoid);
  check_close(y, {0.11920292202211755, 0.5, 0.9525741268224334});
  check_close(dx, {1.0499358540350651, 2.5, 0.4517665973091214});
  run(Activation::tanh);
  check_close(y, {-0.9640275800758169, 0, 0.9950547536867305});
  check_close(dx, {0.7065082485316443, 10, 0.09866037165440211});
  backend().activation_backward(Activation::none, y, dy, dx, Write::accumulate);
  CHECK(dx[1] == 20);
}

TEST_CASE("pooling takes 2x2 windows and leaves an odd last row and column out") {
  const HostTensor x = nine(), dy({1, 1, 1, 1}, {8});
  HostTensor y({1, 1, 1, 1}), dx({1, 3, 3, 1}, Numbers(9, 1.0));
  backend().avg_pool_forward(x, y);
  CHECK(y[0] == 3);  // (1 + 2 + 4 + 5)/4
  backend().max_pool_forward(x, y);
  CHECK(y[0] == 5);
  backend().avg_pool_backward(Activation::none, {}, dy, dx, Write::accumulate);
  CHECK(dx.values() == Numbers{3, 3, 1, 3, 3, 1, 1, 1, 1});
  backend().avg_pool_backward(Activation::none, {}, dy, dx, Write::overwrite);
  CHECK(dx.values() == Numbers{2, 2, 0, 2, 2, 0, 0, 0, 0});
  backend().max_pool_backward(x, dy, dx, Write::overwrite);
  CHECK(dx.values() == Numbers{0, 0, 0, 0, 8, 0, 0, 0, 0});
  backend().max_pool_backward(x, dy, dx, Write::accumulate);
  CHECK(dx.values() == Numbers{0, 0, 0, 0, 16, 0, 0, 0, 0});
}

TEST_CASE("max pooling sends the gradient to the first of equal maxima") {
  const HostTensor x({1, 2, 4, 1}, {1, 7, -3, -3, 7, 7, -3, -3}), dy({1, 1, 2, 1}, {1, 2});
  HostTensor dx({1, 2, 4, 1});
  backend().max_pool_backward(x, dy, dx, Write::overwrite);
  CHECK(dx.values() == Numbers{0, 1, 2, 0, 0, 0, 0, 0});
}

TEST_CASE("upsampling and its gradient equal PyTorch's bilinear interpolation") {
  // torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), and
  // the gradient of x for slopes i * 7 % 11 - 4.
  const HostTensor x({1, 2, 3, 1}, {1, 2, 4, 8, -3, 0.5});
  HostTensor y({1, 4, 6, 1}), dy({1, 4, 6, 1}), dx({1, 2, 3, 1});
  backend().upsample_forward(x, y);
  check_close(
      y, {1,    1.25, 1.75, 2.5,      3.5,     4,     2.75, 2.25, 1.25,  1.34375, 2.53125, 3.125,
          6.25, 4.25, 0.25, -0.96875, 0.59375, 1.375, 8,    5.25, -0.25, -2.125,  -0.375,  0.5});
  for (int64_t i = 0; i < 24; ++i) dy[i] = static_cast<double>(i * 7 % 11 - 4);
  backend().upsample_backward(dy, dx, Write::overwrite);
  check_close(dx, {2.6875, 7.0625, -0.25, 3.8125, 5.4375, 2.25});
  backend().upsample_backward(dy, dx, Write::accumulate);
  check_close(dx, {5.375, 14.125, -0.5, 7.625, 10.875, 4.5});
}

TEST_CASE("augmentation moves, then mirrors, then blanks") {
  const Numbers nine_twice = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const HostTensor x({2, 3, 3, 1}, nine_twice);
  HostTensor y({2, 3, 3, 1}), dx({2, 3, 3, 1});
  // Down by 1 and right by 1: 0 0 0 / 0 1 2 / 0 4 5. Left by 1: 2 3 0 / 5 6 0 / 8 9 0, mirrored:
  // 0 3 2 / 0 6 5 / 0 9 8, the lower right corner cut.
  const Warp warps[] = {{1, 1, 0, 0, 0, 0}, {0, -1, 1, 2, 2, 5}};
  backend().augment_forward(x, warps, y);
  CHECK(y.values() == Numbers{0, 0, 0, 0, 1, 2, 0, 4, 5, 0, 3, 2, 0, 6, 5, 0, 9, 0});
  // What was moved out, or cut, gets no slope; everything else the slope of where it went.
  backend().augment_backward(x, warps, dx, Write::overwrite);
  CHECK(dx.values() == Numbers{5, 6, 0, 8, 9, 0, 0, 0, 0, 0, 3, 2, 0, 6, 5, 0, 0, 8});
}

TEST_CASE("dropout after batch norm zeroes what its random numbers say and scales the rest") {
  // Each channel is -1, 1 about its mean: eps 3 makes 1/sqrt(4) = 1/2, xhat = -1/2, 1/2.
  const HostTensor x({1, 1, 2, 3}, {1, 2, 3, 3, 4, 5});
  const HostTensor gamma = vector_of({2, 2, 2}), beta = vector_of({5, 5, 5});
  HostTensor running_mean = vector_of({0, 0, 0}), running_var = vector_of({1, 1, 1});
  HostTensor mean = vector_of({0, 0, 0}), inv_std = vector_of({0, 0, 0}), y({1, 1, 2, 3});
  const BatchNorm norm = {gamma, beta, running_mean, running_var, 3.0, 0.1};
  const uint64_t step = 9;
  const Dropout dropout = {0.5f, {5, 2, &step}};
  const std::vector<double> whole = {4, 4, 4, 6, 6, 6};  // beta -+ 1
  backend().batch_norm_train(x, norm, Activation::relu, {}, {mean, inv_std}, y);
  check_close(y, whole);
  backend().batch_norm_train(x, norm, Activation::relu, dropout, {mean, inv_std}, y);
  int dropped = 0;
  for (uint64_t i = 0; i < 6; ++i) {
    const auto block = Philox::at(5, (uint64_t{9} << 20) | 2, i / 4);
    const bool gone = block[i % 4] < 0x80000000u;  // as a fraction below one half
    dropped += gone;
    CHECK(y[static_cast<int64_t>(i)] == (gone ? 0.0 : 2.0 * whole[i]));
  }
  CHECK(dropped > 0);
  CHECK(dropped < 6);
}

TEST_CASE("uniform noise is the random numbers themselves") {
  const uint64_t step = 1;
  HostTensor x({1, 1, 3, 2});
  backend().fill_uniform({7, 3, &step}, x);
  for (int64_t i = 0; i < 6; ++i) {
    const auto block = Philox::at(7, (1 << 20) | 3, static_cast<uint64_t>(i) / 4);
    CHECK(x[i] == block[static_cast<size_t>(i) % 4] / 256 * 0x1p-24);
  }
}

TEST_CASE("a linear layer and its gradients") {
  // Two pictures of 1x2 pixels, one channel; two outputs.
  const HostTensor x({2, 1, 2, 1}, {1, 2, 3, 4}), w({2, 1, 2, 1}, {1, 10, -1, 1});
  const HostTensor bias = vector_of({100, 0}), dy({2, 1, 1, 2}, {1, 2, 3, 0});
  HostTensor y({2, 1, 1, 2}), dx({2, 1, 2, 1}), dw({2, 1, 2, 1});
  backend().linear_forward(x, {w}, bias, y);
  CHECK(y.values() == Numbers{121, 1, 143, 1});
  backend().linear_forward(x, {w}, {}, y);
  CHECK(y.values() == Numbers{21, 1, 43, 1});
  backend().linear_backward_data(dy, {w}, dx, Write::overwrite);
  CHECK(dx.values() == Numbers{1 - 2, 10 + 2, 3, 30});
  backend().linear_backward_weights(x, dy, dw, Write::overwrite);
  CHECK(dw.values() == Numbers{1 + 9, 2 + 12, 2, 4});
  backend().linear_backward_weights(x, dy, dw, Write::accumulate);
  CHECK(dw[0] == 20);
}

TEST_CASE("binary cross-entropy on logits, also where exp would overflow") {
  const HostTensor x = vector_of({0, 1000, -1000, 2});
  HostTensor loss = vector_of({0}), dx = vector_of({0, 0, 0, 0});
  backend().bce_with_logits(x, 1, 4, loss, dx, Write::overwrite);
  // Terms log 2, 0, 1000, log(1 + e^-2); slopes sigmoid(x) - 1, times weight/m = 1.
  const double last = std::log(1 + std::exp(-2));
  CHECK(loss[0] == Approx((std::log(2) + 1000 + last) / 4));
  check_close(dx, {-0.5, 0, -1, 1 / (1 + std::exp(-2)) - 1});
  backend().bce_with_logits(x, 0, 4, loss, dx, Write::accumulate);
  CHECK(loss[0] == Approx((std::log(2) + 1000 + 2 + last) / 4));
  CHECK(dx[0] == 0);
  CHECK(dx[1] == 1);
}

TEST_CASE("mean absolute and mean squared error") {
  const HostTensor x = vector_of({1, 2, 3, 4}), target = vector_of({1, 4, 2, 0});
  HostTensor loss = vector_of({0}), dx = vector_of({0, 0, 0, 0});
  backend().l1_loss(x, target, 8, loss, dx, Write::overwrite);
  CHECK(loss[0] == 7.0 / 4);
  CHECK(dx.values() == Numbers{0, -2, 2, 2});
  backend().mse_loss(x, target, 8, loss, dx, Write::accumulate);
  CHECK(loss[0] == 21.0 / 4);
  CHECK(dx.values() == Numbers{0, -2 - 8, 2 + 4, 2 + 16});
  backend().l1_loss(x, target, 8, loss, {}, Write::overwrite);
  CHECK(loss[0] == 7.0 / 4);
}

TEST_CASE("the relativistic loss compares pair by pair, also where exp would overflow") {
  const HostTensor higher({1, 1, 1, 4}, {1, 0, 1000, -1000});
  const HostTensor lower({1, 1, 1, 4}, {1, std::log(3.0), -1000, 1000});
  HostTensor loss = vector_of({0}), up({1, 1, 1, 4}), down({1, 1, 1, 4});
  backend().relativistic_loss(higher, lower, 2, loss, up, down, Write::overwrite);
  check_close(loss, {(std::log(2.0) + std::log(4.0) + 0 + 2000) / 4});
  check_close(up, {-0.25, -0.375, 0, -0.5});
  check_close(down, {0.25, 0.375, 0, 0.5});
  backend().relativistic_loss(higher, lower, 2, loss, {}, down, Write::accumulate);
  check_close(down, {0.5, 0.75, 0, 1});
}

TEST_CASE("the chroma loss weighs each pixel by the cell of its target") {
  // Four cells: row by the first channel, column by the second.
  const HostTensor weights({1, 2, 2, 1}, {1, 2, 3, 4});
  const HostTensor target({1, 1, 3, 2}, {-0.5, 0.5, 0, -1, 1, 1});  // weights 2, 3 and 4
  const HostTensor x({1, 1, 3, 2}, {-0.25, 0.5, 1, -0.5, 0, 1.25});
  HostTensor loss = vector_of({0}), dx({1, 1, 3, 2});
  backend().chroma_loss(x, target, weights, 0.5f, 6, loss, dx, Write::overwrite);
  // d: 1/4, 0; 1, 1/2; -1, 1/4. d*d/1 below 1/2, |d| - 1/4 above.
  check_close(loss, {(2 * 0.0625 + 3 * (0.75 + 0.25) + 4 * (0.75 + 0.0625)) / 6});
  check_close(dx, {1, 0, 3, 3, -4, 2});
}

TEST_CASE("the moment loss compares means and spreads, picture by picture") {
  // Means 2 and 0, variances 1 and 0; the truth's 1 and 0, 4 and 9.
  const HostTensor x({2, 1, 2, 1}, {1, 3, 0, 0}), target({2, 1, 2, 1}, {-1, 3, -3, 3});
  HostTensor loss = vector_of({0}), dx({2, 1, 2, 1});
  backend().moment_loss(x, target, 4, loss, dx, Write::overwrite);
  const auto spread = [](double variance) { return std::sqrt(variance + 1e-4); };
  check_close(loss, {(1 + spread(4) - spread(1) + spread(9) - spread(0)) / 2});
  check_close(dx, {1 + 1 / spread(1), 1 - 1 / spread(1), 0, 0});
}

TEST_CASE("the first step of Adam moves each parameter by the learning rate") {
  AdamSettings settings;
  settings.learning_rate = 0.1;
  settings.eps = 0;
  HostTensor p = vector_of({1, 1, 1}), g = vector_of({5, -0.001, 2});
  HostTensor m = vector_of({0, 0, 0}), v = vector_of({0, 0, 0});
  const UpdateControl control = {settings.learning_rate, 1, 1};
  backend().adam(settings, &control, p, g, m, v);
  check_close(p, {0.9, 1.1, 0.9});
  check_close(m, {2.5, -0.0005, 1});
  check_close(v, {0.025, 1e-9, 0.004});
}

TEST_CASE("filling, copying, adding and summing obey slices") {
  HostTensor x({1, 1, 2, 3}, {1, 2, 3, 4, 5, 6}), y({1, 1, 2, 3}, {10, 20, 30, 40, 50, 60});
  HostTensor sums = vector_of({0, 0});
  backend().channel_sum(x.tensor().channels(1, 2), sums, Write::overwrite);
  CHECK(sums.values() == Numbers{7, 9});
  backend().channel_sum(x.tensor().channels(1, 2), sums, Write::accumulate);
  CHECK(sums.values() == Numbers{14, 18});
  backend().add(x.tensor().channels(0, 1), y.tensor().channels(2, 1));
  CHECK(y.values() == Numbers{10, 20, 31, 40, 50, 64});
  backend().copy(x.tensor().channels(1, 2), y.tensor().channels(0, 2));
  CHECK(y.values() == Numbers{2, 3, 31, 5, 6, 64});
  backend().fill(y.tensor().channels(1, 1), 0.5f);
  CHECK(y.values() == Numbers{2, 0.5, 31, 5, 0.5, 64});
}

TEST_CASE("axpby mixes two tensors") {
  const HostTensor x({1, 1, 2, 2}, {1, 2, 3, 4});
  HostTensor y({1, 1, 2, 2}, {10, 20, 30, 40});
  backend().axpby(2, x, 0.5f, y);
  CHECK(y.values() == Numbers{7, 14, 21, 28});
  backend().axpby(-1, x.tensor().channels(0, 1), 1, y.tensor().channels(1, 1));
  CHECK(y.values() == Numbers{7, 13, 21, 25});
}

TEST_CASE("luma is rounded to 8 bits, halves up") {
  CHECK(reference::luma8(0, 0, 0) == 0);
  CHECK(reference::luma8(255, 255, 255) == 255);
  CHECK(reference::luma8(255, 0, 0) == 76);   // 76.245
  CHECK(reference::luma8(0, 255, 0) == 150);  // 149.685
  CHECK(reference::luma8(0, 0, 255) == 29);   // 29.07
  CHECK(reference::luma8(0, 0, 250) == 29);   // 28.5
}

TEST_CASE("a batch is cut, mirrored and repeated at the edges") {
  // One photo of 1x2 pixels: red, then a gray of 10.
  std::vector<uint8_t> photo = {255, 0, 0, 10, 10, 10};
  const Tensor photos(photo.data(), {1, 1, 2, 3}, DType::u8);
  const PhotoPick picks[] = {{0, 0, 0, 0}, {0, -5, -1, 1}};
  HostTensor gray({2, 1, 3, 3}), color({2, 1, 3, 3});
  backend().assemble_batch(photos, picks, ColorSpace::rgb, gray, color);
  const double g = 10 / 255.0, r = 76 / 255.0;
  // Columns 0, 1, 2: the last repeats the edge.
  // Columns -1, 0, 1 mirrored: gray, red, red.
  check_close(color, {1, 0, 0, g, g, g, g, g, g, g, g, g, 1, 0, 0, 1, 0, 0});
  check_close(gray, {r, r, r, g, g, g, g, g, g, g, g, g, r, r, r, r, r, r});
  const PhotoPick wrong[] = {{0, 0, 0, 0}, {1, 0, 0, 0}};
  CHECK_THROWS_AS(backend().assemble_batch(photos, wrong, ColorSpace::rgb, gray, color),
                  InternalError);
}

TEST_CASE("the reference refuses shapes that do not fit, naming both") {
  const HostTensor x = nine(), w({1, 3, 3, 1});
  HostTensor y({1, 2, 3, 1});
  CHECK_THROWS_WITH(backend().conv_forward(kSame, x, {w}, {}, y),
                    Catch::Contains("1x2x3x1") && Catch::Contains("1x3x3x1"));
  CHECK_THROWS_AS(backend().conv_forward(kSame, x, {x}, {}, y), InternalError);
  CHECK_THROWS_AS(backend().copy(x, y), InternalError);
}
