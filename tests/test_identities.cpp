// Laws that hold between operations, whatever the numbers.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/reference/reference_backend.h"
#include "tests/host_tensor.h"

using namespace gan;
using namespace gan::testing;

namespace {

Backend& backend() {
  static const auto made = make_reference_backend();
  return *made;
}

struct Convolution {
  Shape x;
  int64_t channels;
  ConvGeometry geometry;
};

const Convolution kConvolutions[] = {
    {{2, 5, 7, 3}, 4, {3, 1, 1, 0}}, {{2, 5, 7, 3}, 4, {3, 2, 1, 0}},
    {{1, 6, 8, 5}, 2, {3, 2, 1, 0}}, {{3, 4, 4, 2}, 3, {1, 1, 0, 0}},
    {{1, 7, 9, 2}, 3, {3, 2, 0, 0}},
};

constexpr double kRounding = 1e-12;

}  // namespace

TEST_CASE("a convolution and its data gradient are adjoint") {
  for (const auto& [shape, channels, g] : kConvolutions) {
    const Shape y_shape = conv_output(shape, channels, g);
    const HostTensor x = random_tensor(shape, 1), dy = random_tensor(y_shape, 2);
    const HostTensor w = random_tensor({channels, g.kernel, g.kernel, shape.c}, 3);
    HostTensor y(y_shape), dx(shape);
    backend().conv_forward(g, x, {w}, {}, y);
    backend().conv_backward_data(g, dy, {w}, dx, Write::overwrite);
    CHECK(inner_product(y, dy) == Approx(inner_product(x, dx)).epsilon(kRounding));
  }
}

TEST_CASE("a convolution is as linear in its weights as in its input") {
  for (const auto& [shape, channels, g] : kConvolutions) {
    const Shape y_shape = conv_output(shape, channels, g);
    const HostTensor x = random_tensor(shape, 1), dy = random_tensor(y_shape, 2);
    const HostTensor w = random_tensor({channels, g.kernel, g.kernel, shape.c}, 3);
    HostTensor y(y_shape), dw(w.tensor().shape());
    backend().conv_forward(g, x, {w}, {}, y);
    backend().conv_backward_weights(g, x, dy, dw, Write::overwrite);
    CHECK(inner_product(y, dy) == Approx(inner_product(w, dw)).epsilon(kRounding));
  }
}

TEST_CASE("a transposed convolution is the convolution's data gradient, and back") {
  for (const auto& [shape, channels, g] : kConvolutions) {
    const Shape y_shape = conv_output(shape, channels, g);
    // The output padding that makes the transposed convolution give this very shape.
    ConvGeometry up = g;
    const int64_t plain = conv_transpose_output(y_shape, shape.c, g).h;
    up.output_padding = static_cast<int>(shape.h - plain);
    if (conv_transpose_output(y_shape, shape.c, up) != shape) continue;
    const HostTensor x = random_tensor(shape, 1), dy = random_tensor(y_shape, 2);
    const HostTensor w = random_tensor({channels, g.kernel, g.kernel, shape.c}, 3);
    HostTensor gradient(shape), stamped(shape), y(y_shape), back(y_shape);
    HostTensor dw(w.tensor().shape()), dw_transposed(w.tensor().shape());
    backend().conv_backward_data(g, dy, {w}, gradient, Write::overwrite);
    backend().conv_transpose_forward(up, dy, {w}, {}, stamped);
    CHECK(gradient.values() == stamped.values());
    backend().conv_forward(g, x, {w}, {}, y);
    backend().conv_transpose_backward_data(up, x, {w}, back, Write::overwrite);
    CHECK(y.values() == back.values());
    backend().conv_backward_weights(g, x, dy, dw, Write::overwrite);
    backend().conv_transpose_backward_weights(up, dy, x, dw_transposed, Write::overwrite);
    CHECK(dw.values() == dw_transposed.values());
  }
}

TEST_CASE("a linear layer is a convolution whose kernel covers the picture") {
  const HostTensor x = random_tensor({3, 4, 4, 5}, 1), w = random_tensor({2, 4, 4, 5}, 2);
  const HostTensor bias = vector_of({0.5, -1}), dy = random_tensor({3, 1, 1, 2}, 3);
  const ConvGeometry whole = {4, 1, 0, 0};
  HostTensor a({3, 1, 1, 2}), b({3, 1, 1, 2}), dxa({3, 4, 4, 5}), dxb({3, 4, 4, 5});
  HostTensor dwa({2, 4, 4, 5}), dwb({2, 4, 4, 5});
  backend().linear_forward(x, {w}, bias, a);
  backend().conv_forward(whole, x, {w}, {bias, Activation::none}, b);
  CHECK(largest_difference(a, b) < kRounding);
  backend().linear_backward_data(dy, {w}, dxa, Write::overwrite);
  backend().conv_backward_data(whole, dy, {w}, dxb, Write::overwrite);
  CHECK(largest_difference(dxa, dxb) < kRounding);
  backend().linear_backward_weights(x, dy, dwa, Write::overwrite);
  backend().conv_backward_weights(whole, x, dy, dwb, Write::overwrite);
  CHECK(largest_difference(dwa, dwb) < kRounding);
}

TEST_CASE("pooling and its gradient are adjoint") {
  const HostTensor x = random_tensor({2, 5, 6, 3}, 1), dy = random_tensor({2, 2, 3, 3}, 2);
  HostTensor y({2, 2, 3, 3}), dx({2, 5, 6, 3});
  backend().avg_pool_forward(x, y);
  backend().avg_pool_backward(Activation::none, {}, dy, dx, Write::overwrite);
  CHECK(inner_product(y, dy) == Approx(inner_product(x, dx)).epsilon(kRounding));
  // For a fixed choice of maxima, max pooling is linear too.
  backend().max_pool_forward(x, y);
  backend().max_pool_backward(x, dy, dx, Write::overwrite);
  CHECK(inner_product(y, dy) == Approx(inner_product(x, dx)).epsilon(kRounding));
}

TEST_CASE("averages after an activation: its gradient and theirs in one") {
  const Shape shape = {2, 5, 6, 3};
  const HostTensor dy = random_tensor({2, 2, 3, 3}, 2);
  for (const Activation act : {Activation::none, Activation::relu, Activation::leaky_relu,
                               Activation::sigmoid, Activation::tanh}) {
    HostTensor x = random_tensor(shape, 1), wide(shape), expected(shape), dx(shape);
    backend().activation_forward(act, x, x);
    backend().avg_pool_backward(Activation::none, {}, dy, wide, Write::overwrite);
    backend().activation_backward(act, x, wide, expected, Write::overwrite);
    backend().avg_pool_backward(act, x, dy, dx, Write::overwrite);
    CHECK(largest_difference(dx, expected) < kRounding);
  }
}

TEST_CASE("averaged batch norm is batch norm, then average pooling") {
  constexpr int64_t kChannels = 3;
  const Shape shape = {4, 6, 2, kChannels}, small = {4, 3, 1, kChannels};
  const uint64_t step = 7;
  const Dropout dropout = {0.3f, {.seed = 5, .stream = 2, .step = &step}};
  const HostTensor x = random_tensor(shape, 1), dy = random_tensor(small, 2);
  const HostTensor gamma = vector_of({0.5, 1, 2}), beta = vector_of({-0.1, 0, 0.2});
  const auto with_norm = [&](auto&& use) {
    HostTensor mean = vector_of({0, 0, 0}), var = vector_of({1, 1, 1});
    use(BatchNorm{gamma, beta, mean, var});
  };
  HostTensor means({2, 1, 1, kChannels}), stds({2, 1, 1, kChannels});
  const BatchNormSaved saved = {means, stds};
  HostTensor wide(shape), expected(small), averaged(small), wide_dy(shape), expected_dx(shape),
      dx(shape);
  with_norm([&](const BatchNorm& norm) {
    backend().batch_norm_train(x, norm, Activation::leaky_relu, dropout, saved, wide);
    backend().avg_pool_forward(wide, expected);
    backend().avg_pool_backward(Activation::none, {}, dy, wide_dy, Write::overwrite);
    backend().batch_norm_backward(x, wide_dy, norm, Activation::leaky_relu, dropout, saved,
                                  expected_dx, {}, {}, Write::overwrite);
  });
  with_norm([&](const BatchNorm& norm) {
    backend().batch_norm_train(x, norm, Activation::leaky_relu, dropout, saved, averaged);
    backend().batch_norm_backward(x, dy, norm, Activation::leaky_relu, dropout, saved, dx, {}, {},
                                  Write::overwrite);
  });
  CHECK(largest_difference(averaged, expected) < kRounding);
  CHECK(largest_difference(dx, expected_dx) < kRounding);
  with_norm([&](const BatchNorm& norm) {
    CHECK_THROWS_WITH(
        backend().batch_norm_train(random_tensor({4, 5, 2, kChannels}, 1), norm, Activation::none,
                                   {}, saved, HostTensor({4, 2, 1, kChannels})),
        Catch::Contains("neither"));
  });
}

TEST_CASE("upsampling and its gradient are adjoint") {
  for (const Shape& small : {Shape{2, 5, 4, 3}, Shape{1, 1, 3, 2}, Shape{2, 1, 1, 5}}) {
    const Shape large = {small.n, 2 * small.h, 2 * small.w, small.c};
    const HostTensor x = random_tensor(small, 1), dy = random_tensor(large, 2);
    HostTensor y(large), dx(small);
    backend().upsample_forward(x, y);
    backend().upsample_backward(dy, dx, Write::overwrite);
    CHECK(inner_product(y, dy) == Approx(inner_product(x, dx)).epsilon(kRounding));
  }
}

TEST_CASE("augmentation and its gradient are adjoint") {
  const Warp warps[] = {{}, {1, -2, 0, 1, 2, 2}, {-2, 1, 1, -1, 3, 3}, {0, 3, 1, 4, 5, 4}};
  const Shape shape = {4, 5, 6, 3};
  const HostTensor x = random_tensor(shape, 1), dy = random_tensor(shape, 2);
  HostTensor y(shape), dx(shape);
  backend().augment_forward(x, warps, y);
  backend().augment_backward(dy, warps, dx, Write::overwrite);
  CHECK(inner_product(y, dy) == Approx(inner_product(x, dx)).epsilon(kRounding));
}

// Batch norm of two pictures that differ in sign, with dropout: without it results would be -1 and 1.
struct Dropped {
  explicit Dropped(const Dropout& dropout) {
    std::vector<double> values(static_cast<size_t>(kShape.elements()), 1.0);
    std::fill_n(values.begin(), values.size() / 2, -1.0);
    const HostTensor x(kShape, values);
    backend().batch_norm_train(x, norm, Activation::none, dropout, {mean, inv_std}, y);
    backend().batch_norm_backward(x, dy, norm, Activation::none, dropout, {mean, inv_std}, dx,
                                  dgamma, dbeta, Write::overwrite);
  }

  static constexpr Shape kShape = {2, 50, 50, 10};
  HostTensor gamma = filled(1), beta = filled(0), running_mean = filled(0), running_var = filled(1);
  HostTensor mean = filled(0), inv_std = filled(0), dgamma = filled(0), dbeta = filled(0);
  BatchNorm norm = {gamma, beta, running_mean, running_var, 0.0, 0.1};
  HostTensor dy = random_tensor(kShape, 5), y{kShape}, dx{kShape};

 private:
  static HostTensor filled(double value) { return vector_of(std::vector<double>(10, value)); }
};

TEST_CASE("dropout keeps the expectation, and forward and backward agree on the mask") {
  const uint64_t step = 4;
  constexpr double kDrop = 0.3;
  const Dropped dropped({static_cast<float>(kDrop), {99, 1, &step}});
  double sum = 0;
  std::vector<double> expected(10);
  for (int64_t i = 0; i < Dropped::kShape.elements(); ++i) {
    sum += std::abs(dropped.y[i]);
    expected[static_cast<size_t>(i % 10)] += dropped.dy[i] * std::abs(dropped.y[i]);
  }
  const auto count = static_cast<double>(Dropped::kShape.elements());
  // Five standard deviations of the mean of scaled coin flips.
  CHECK(sum / count == Approx(1).margin(5 * std::sqrt(kDrop / (1 - kDrop) / count)));
  // dbeta is the sum of the gradients that dropout lets through.
  for (int64_t c = 0; c < 10; ++c)
    CHECK(dropped.dbeta[c] == Approx(expected[static_cast<size_t>(c)]).epsilon(1e-9));
}

TEST_CASE("dropout draws anew for every step and stream") {
  const uint64_t step = 4, later = 5;
  const Dropped first({0.5f, {99, 1, &step}});
  const auto same = [&](const Dropout& dropout) {
    return Dropped(dropout).y.values() == first.y.values();
  };
  CHECK_FALSE(same({0.5f, {99, 1, &later}}));
  CHECK_FALSE(same({0.5f, {99, 2, &step}}));
  CHECK_FALSE(same({0.5f, {98, 1, &step}}));
  CHECK(same({0.5f, {99, 1, &step}}));
}

TEST_CASE("batch norm gives each channel mean beta and variance gamma squared") {
  const Shape shape = {3, 7, 5, 4};
  const HostTensor x = random_tensor(shape, 1, -3, 9);
  const HostTensor gamma = vector_of({0.5, 1, 2, 3}), beta = vector_of({-1, 0, 1, 2});
  HostTensor running_mean = vector_of({0, 0, 0, 0}), running_var = vector_of({1, 1, 1, 1});
  HostTensor mean = vector_of({0, 0, 0, 0}), inv_std = vector_of({0, 0, 0, 0}), y(shape);
  const BatchNorm norm = {gamma, beta, running_mean, running_var, 0.0, 0.1};
  backend().batch_norm_train(x, norm, Activation::none, {}, {mean, inv_std}, y);
  const auto count = static_cast<double>(shape.pixels());
  for (int64_t c = 0; c < 4; ++c) {
    double sum = 0, squares = 0;
    for (int64_t p = 0; p < shape.pixels(); ++p) sum += y[p * 4 + c];
    for (int64_t p = 0; p < shape.pixels(); ++p) squares += std::pow(y[p * 4 + c] - sum / count, 2);
    CHECK(sum / count == Approx(beta[c]).margin(kRounding));
    CHECK(squares / count == Approx(gamma[c] * gamma[c]).epsilon(kRounding));
  }
}

TEST_CASE("the gradient of batch norm has no component along a constant or along x") {
  const Shape shape = {2, 4, 3, 2};
  const HostTensor x = random_tensor(shape, 1), dy = random_tensor(shape, 2);
  const HostTensor gamma = vector_of({1, 2}), beta = vector_of({0, 1});
  HostTensor running_mean = vector_of({0, 0}), running_var = vector_of({1, 1});
  HostTensor mean = vector_of({0, 0}), inv_std = vector_of({0, 0}), y(shape), dx(shape);
  const BatchNorm norm = {gamma, beta, running_mean, running_var, 0.0, 0.1};
  backend().batch_norm_train(x, norm, Activation::none, {}, {mean, inv_std}, y);
  backend().batch_norm_backward(x, dy, norm, Activation::none, {}, {mean, inv_std}, dx, {}, {},
                                Write::overwrite);
  for (int64_t c = 0; c < 2; ++c) {
    double along_constant = 0, along_x = 0;
    for (int64_t p = 0; p < shape.pixels(); ++p) {
      along_constant += dx[p * 2 + c];
      along_x += dx[p * 2 + c] * x[p * 2 + c];
    }
    CHECK(std::abs(along_constant) < 1e-10);
    CHECK(std::abs(along_x) < 1e-10);
  }
}

TEST_CASE("a folded convolution equals the convolution followed by batch norm in inference") {
  for (const bool transposed : {false, true}) {
    const ConvGeometry g = {3, 2, 1, transposed ? 1 : 0};
    const HostTensor x = random_tensor({2, 5, 4, 3}, 1);
    const Shape y_shape = transposed ? conv_transpose_output(x.tensor().shape(), 6, g)
                                     : conv_output(x.tensor().shape(), 6, g);
    const Shape w_shape = transposed ? Shape{3, 3, 3, 6} : Shape{6, 3, 3, 3};
    const HostTensor w = random_tensor(w_shape, 2);
    const HostTensor gamma = random_tensor(vector_shape(6), 3, 0.5, 2);
    const HostTensor beta = random_tensor(vector_shape(6), 4);
    const HostTensor mean = random_tensor(vector_shape(6), 5);
    const HostTensor var = random_tensor(vector_shape(6), 6, 0.1, 2);
    const BatchNorm norm = {gamma, beta, mean, var};
    HostTensor z(y_shape), y(y_shape), folded_y(y_shape);
    HostTensor folded_w(w_shape), folded_bias(vector_shape(6));
    const auto convolve = [&](const HostTensor& weights, const Epilogue& epilogue,
                              const HostTensor& result) {
      if (transposed) {
        backend().conv_transpose_forward(g, x, {weights}, epilogue, result);
      } else {
        backend().conv_forward(g, x, {weights}, epilogue, result);
      }
    };
    convolve(w, {}, z);
    backend().batch_norm_infer(z, norm, Activation::relu, y);
    backend().batch_norm_fold(w, norm, transposed, folded_w, folded_bias);
    convolve(folded_w, {folded_bias, Activation::relu}, folded_y);
    CHECK(largest_difference(y, folded_y) < kRounding);
  }
}

TEST_CASE("three steps of Adam as worked out by hand") {
  // One parameter, gradients 1, 2, -1; beta1 = 1/2, beta2 = 3/4, learning rate 1, eps 0.
  // Step 1: m = 1/2,  v = 1/4;   m^ = 1,      v^ = 1.
  // Step 2: m = 5/4,  v = 19/16; m^ = 5/3,    v^ = (19/16)/(7/16) = 19/7.
  // Step 3: m = 1/8,  v = 73/64; m^ = 1/7,    v^ = (73/64)/(37/64) = 73/37.
  const AdamSettings settings = {1.0, 0.5, 0.75, 0.0};
  HostTensor p = vector_of({10}), m = vector_of({0}), v = vector_of({0});
  const double gradients[] = {1, 2, -1};
  const double moves[] = {1, 5.0 / 3 / std::sqrt(19.0 / 7), 1.0 / 7 / std::sqrt(73.0 / 37)};
  double expected = 10;
  for (uint64_t step = 1; step <= 3; ++step) {
    const HostTensor g = vector_of({gradients[step - 1]});
    const UpdateControl control = {settings.learning_rate, step, 1};
    backend().adam(settings, &control, p, g, m, v);
    expected -= moves[step - 1];
    CHECK(p[0] == Approx(expected).epsilon(kRounding));
  }
  CHECK(m[0] == Approx(0.125).epsilon(kRounding));
  CHECK(v[0] == Approx(73.0 / 64).epsilon(kRounding));
}

TEST_CASE("overwriting and accumulating differ by exactly the old values") {
  const HostTensor dy = random_tensor({1, 3, 3, 2}, 1), w = random_tensor({2, 3, 3, 3}, 2);
  const HostTensor old = random_tensor({1, 6, 5, 3}, 3);
  const ConvGeometry g = {3, 2, 1, 0};
  HostTensor fresh({1, 6, 5, 3}), sum({1, 6, 5, 3}, old.values());
  backend().conv_backward_data(g, dy, {w}, fresh, Write::overwrite);
  backend().conv_backward_data(g, dy, {w}, sum, Write::accumulate);
  for (int64_t i = 0; i < 90; ++i) CHECK(sum[i] == old[i] + fresh[i]);
}

TEST_CASE("the order of the pictures in a batch does not matter to any of them") {
  const HostTensor x = random_tensor({2, 4, 5, 3}, 1), w = random_tensor({4, 3, 3, 3}, 2);
  std::vector<double> swapped_values(x.values().begin() + 60, x.values().end());
  swapped_values.insert(swapped_values.end(), x.values().begin(), x.values().begin() + 60);
  const HostTensor swapped({2, 4, 5, 3}, swapped_values);
  HostTensor y({2, 4, 5, 4}), swapped_y({2, 4, 5, 4});
  backend().conv_forward({3, 1, 1, 0}, x, {w}, {}, y);
  backend().conv_forward({3, 1, 1, 0}, swapped, {w}, {}, swapped_y);
  for (int64_t i = 0; i < 80; ++i) CHECK(y[i] == swapped_y[i + 80]);
}
