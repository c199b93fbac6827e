// What convolution kernels do before and after their sums: batch norm of the operand while it is
// loaded, statistics, gates and the sums of batch norm's gradient. Expected values come from the
// reference's convolution and float64 arithmetic here.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/cases/op_tensors.h"
#include "kernels/reference/conv.h"
#include "tests/cuda/conv_backend.h"

namespace gan::testing {

using namespace cases;

namespace {

using cuda::ConvEpilogue;
using cuda::ConvPrologue;
using cuda::ConvTile;
using cuda::Math;

double rounded(DType type, double value) {
  if (type == DType::bf16) return static_cast<float>(bf16(static_cast<float>(value)));
  return static_cast<float>(value);
}

// Values in [low, high) that the type holds exactly.
std::vector<double> values(int64_t count, uint64_t seed, double low, double high,
                           DType type = DType::bf16) {
  std::vector<double> v(static_cast<size_t>(count));
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (double& x : v) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x = rounded(type, low + (high - low) * static_cast<double>(state >> 40) / 16777216.0);
  }
  return v;
}

// A tensor amid guards; an output begins as NaN.
struct Placed {
  Placed(const Shape& shape, DType type, Role role, Margin margin = {})
      : guarded(host_memory(), {"", role, Content::data, shape, margin}, type) {
    if (role == Role::output) guarded.poison();
  }
  Placed(const Shape& shape, DType type, const std::vector<double>& v, Margin margin = {},
         Role role = Role::input)
      : Placed(shape, type, role, margin) {
    guarded.fill(v);
  }
  const Tensor& tensor() const { return guarded.tensor(); }
  std::vector<double> read() const {
    CHECK(guarded.damage() == "");
    return guarded.values();
  }
  GuardedTensor guarded;
};

Placed vector_of(const std::vector<double>& v) {
  return Placed(vector_shape(static_cast<int64_t>(v.size())), DType::f32, v);
}

// Every element within `part` of its own size or of `scale`.
void check_close(const std::vector<double>& actual, const std::vector<double>& expected,
                 double part, double scale) {
  REQUIRE(actual.size() == expected.size());
  size_t worst = 0;
  double used = -1;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double share =
        std::abs(actual[i] - expected[i]) / (part * (scale + std::abs(expected[i])));
    if (!(share <= used)) {
      used = share;
      worst = i;
    }
    if (std::isnan(share)) break;
  }
  INFO("element " << worst << ": " << actual[worst] << ", expected " << expected[worst]);
  CHECK(used <= 1.0);
}

// One convolution, its operands in float64 and its two directions by the reference.
struct Layer {
  ConvGeometry geometry;
  Shape x, y;
  bool gradient;  // from y to x

  const Shape& source() const { return gradient ? y : x; }
  const Shape& out() const { return gradient ? x : y; }
  Shape weights() const { return {y.c, geometry.kernel, geometry.kernel, x.c}; }
  Call call(DType type) const {
    return {gradient ? Op::conv_backward_data : Op::conv_forward, type, x, y, geometry};
  }

  std::vector<double> reference(std::vector<double> source_values, std::vector<double> w) const {
    std::vector<double> result(static_cast<size_t>(out().elements()));
    const Tensor from(source_values.data(), source(), DType::f64),
        to(result.data(), out(), DType::f64);
    const Tensor weight(w.data(), weights(), DType::f64);
    if (gradient)
      reference::convolve_data_gradient<double>(geometry, from, weight, {}, to, Write::overwrite);
    else
      reference::convolve<double>(geometry, from, weight, {}, to, Write::overwrite);
    return result;
  }

  void run(DType type, cuda::ConvChoice choice, const Tensor& from, const std::vector<double>& w,
           const ConvPrologue& prologue, const ConvEpilogue& epilogue, const Tensor& to) const {
    const Placed weight(weights(), DType::f32, w);
    GuardedBuffer packed(cuda::conv_pack_bytes(call(type)));
    GuardedBuffer scratch(cuda::conv_scratch_bytes(call(type), choice, true));
    const cuda::WeightJob jobs[] = {
        cuda::conv_pack_job(call(type), weight.tensor(), packed.data())};
    cuda::pack_weights(jobs, type, {});
    const auto launcher = gradient ? cuda::conv_backward_data : cuda::conv_forward;
    launcher(geometry, choice, from, packed.data(), prologue, epilogue, to,
             {scratch.data(), no_arrivals()}, {});
    packed.check("packed weights");
    scratch.check("scratch");
  }
};

Layer make_layer(const ConvGeometry& geometry, const Shape& x, int64_t channels, bool gradient) {
  return {geometry, x, conv_output(x, channels, geometry), gradient};
}

constexpr ConvGeometry kSame = {3, 1, 1, 0}, kHalf = {3, 2, 1, 0}, kPoint = {1, 1, 0, 0};

// Packets and single elements, several tiles of pixels, parities that some pictures do not have.
std::vector<Layer> layers() {
  return {
      make_layer(kSame, {2, 9, 8, 16}, 24, false),  make_layer(kHalf, {3, 15, 12, 8}, 40, false),
      make_layer(kHalf, {2, 13, 18, 24}, 16, true), make_layer(kHalf, {3, 1, 1, 8}, 8, true),
      make_layer(kSame, {1, 7, 11, 5}, 3, true),    make_layer(kHalf, {2, 9, 9, 3}, 72, false)};
}

struct Arithmetic {
  DType type;
  Math math;
  double result;  // relative error of a stored result
};
// bf16 results are rounded to 8 bits. The others are sums of up to 400 float32 terms of about 1, in
// another order.
constexpr Arithmetic kArithmetics[] = {{DType::bf16, Math::fp32, 0x1p-8},
                                       {DType::f32, Math::fp32, 1e-5},
                                       {DType::f32, Math::tf32, 1e-5}};

double normalized(Activation act, double value) {
  if (act == Activation::none) return value;
  return value > 0 ? value : act == Activation::relu ? 0.0 : double{kLeakySlope} * value;
}
double slope(Activation act, double value) {
  if (act == Activation::none || value > 0) return 1;
  return act == Activation::relu ? 0 : double{kLeakySlope};
}

void check_statistics(const Arithmetic& a, const Layer& layer) {
  CAPTURE(name_of(a.type), a.math == Math::tf32, layer.x.c, layer.y.c, layer.gradient);
  const auto source = values(layer.source().elements(), 1, -1, 1);
  const auto w = values(layer.weights().elements(), 2, -1, 1);
  // A bias far from zero: squares of values would cancel.
  const auto bias = values(layer.out().c, 3, 50, 51);
  const Placed from(layer.source(), a.type, source), shift = vector_of(bias);
  const Placed out(layer.out(), a.type, Role::output, {8, 8});
  const Placed mean(vector_shape(layer.out().c), DType::f32, Role::output);
  const Placed variance(vector_shape(layer.out().c), DType::f32, Role::output);
  ConvEpilogue epilogue;
  epilogue.bias = shift.tensor();
  epilogue.mean = mean.tensor();
  epilogue.variance = variance.tensor();
  layer.run(a.type, a.math, from.tensor(), w, {}, epilogue, out.tensor());

  auto expected = layer.reference(source, w);
  for (size_t i = 0; i < expected.size(); ++i) expected[i] += bias[i % bias.size()];
  const auto stored = out.read();
  check_close(stored, expected, a.result, 1);
  // Of what was really stored, rounded as it is.
  const auto channels = static_cast<size_t>(layer.out().c);
  const auto pixels = static_cast<double>(layer.out().pixels());
  std::vector<double> means(channels), variances(channels);
  for (size_t i = 0; i < stored.size(); ++i) means[i % channels] += stored[i] / pixels;
  for (size_t i = 0; i < stored.size(); ++i)
    variances[i % channels] += std::pow(stored[i] - means[i % channels], 2) / pixels;
  check_close(mean.read(), means, 1e-6, 0);
  check_close(variance.read(), variances, 1e-5, 1e-3);
}

TEST_CASE("a convolution leaves the statistics of what it stores", "[conv]") {
  for (const Arithmetic& a : kArithmetics)
    for (const Layer& layer : layers()) check_statistics(a, layer);
}

void check_gate(const Arithmetic& a, const Layer& layer, Activation act) {
  CAPTURE(name_of(a.type), a.math == Math::tf32, layer.x.c, layer.y.c, layer.gradient,
          static_cast<int>(act));
  const bool accumulates = act != Activation::relu;
  const auto channels = static_cast<size_t>(layer.out().c);
  const auto source = values(layer.source().elements(), 4, -1, 1);
  const auto w = values(layer.weights().elements(), 5, -1, 1);
  const auto gate = values(layer.out().elements(), 6, -1, 1);
  const auto old = values(layer.out().elements(), 7, -1, 1);
  const auto scale = values(layer.out().c, 8, 0.5, 1.5), shift = values(layer.out().c, 9, -1, 1);
  const auto mean = values(layer.out().c, 10, -1, 1), inv = values(layer.out().c, 11, 1, 2);
  const auto before = values(layer.out().c, 12, -1, 1);

  const Placed from(layer.source(), a.type, source);
  const Placed gated(layer.out(), a.type, gate, {16, 8});
  const Placed scales = vector_of(scale), shifts = vector_of(shift);
  const Placed means = vector_of(mean), invs = vector_of(inv);
  const Placed out(layer.out(), a.type, old, {8, 0}, Role::in_out);
  const Shape vector = vector_shape(layer.out().c);
  const Placed sum(vector, DType::f32, before, {}, Role::in_out);
  const Placed sum_normalized(vector, DType::f32, before, {}, Role::in_out);
  ConvEpilogue epilogue;
  epilogue.write = epilogue.sums_write = accumulates ? Write::accumulate : Write::overwrite;
  epilogue.gate = gated.tensor();
  epilogue.gate_scale = scales.tensor();
  epilogue.gate_shift = shifts.tensor();
  epilogue.gate_act = act;
  epilogue.norm_mean = means.tensor();
  epilogue.norm_inv_std = invs.tensor();
  epilogue.sum = sum.tensor();
  epilogue.sum_normalized = sum_normalized.tensor();
  layer.run(a.type, a.math, from.tensor(), w, {}, epilogue, out.tensor());

  auto expected = layer.reference(source, w);
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t c = i % channels;
    if (accumulates) expected[i] += old[i];
    expected[i] *= slope(act, scale[c] * gate[i] + shift[c]);
  }
  const auto stored = out.read();
  check_close(stored, expected, a.result, 1);
  std::vector<double> sums(channels), sums_normalized(channels);
  if (accumulates) sums = sums_normalized = before;
  for (size_t i = 0; i < stored.size(); ++i) {
    const size_t c = i % channels;
    sums[c] += stored[i];
    sums_normalized[c] += stored[i] * (gate[i] - mean[c]) * inv[c];
  }
  check_close(sum.read(), sums, 1e-5, 10);
  check_close(sum_normalized.read(), sums_normalized, 1e-5, 10);
}

TEST_CASE("a data gradient passes the gate and leaves the sums of batch norm", "[conv]") {
  for (const Arithmetic& a : kArithmetics)
    for (const Layer& layer : layers())
      for (const Activation act : {Activation::none, Activation::relu, Activation::leaky_relu})
        check_gate(a, layer, act);
}

TEST_CASE("a gate without vectors takes the stored output of any activation", "[conv]") {
  const Layer layer = make_layer(kSame, {1, 5, 6, 16}, 8, true);
  const auto source = values(layer.source().elements(), 1, -1, 1);
  const auto w = values(layer.weights().elements(), 2, -1, 1);
  const auto gate = values(layer.out().elements(), 3, 0.1, 0.9);
  for (const Activation act : {Activation::sigmoid, Activation::tanh}) {
    const Placed from(layer.source(), DType::f32, source), gated(layer.out(), DType::f32, gate);
    const Placed out(layer.out(), DType::f32, Role::output);
    ConvEpilogue epilogue;
    epilogue.gate = gated.tensor();
    epilogue.gate_act = act;
    layer.run(DType::f32, Math::fp32, from.tensor(), w, {}, epilogue, out.tensor());
    auto expected = layer.reference(source, w);
    for (size_t i = 0; i < expected.size(); ++i)
      expected[i] *= act == Activation::sigmoid ? gate[i] * (1 - gate[i]) : 1 - gate[i] * gate[i];
    check_close(out.read(), expected, 1e-5, 1);
  }
}

// Padding must stay zero: a shift that is not zero shows when it does not.
void check_normalized(const Arithmetic& a, const Layer& layer, ConvTile tile) {
  CAPTURE(name_of(a.type), a.math == Math::tf32, layer.x.c, layer.y.c, layer.gradient,
          static_cast<int>(tile));
  const auto channels = static_cast<size_t>(layer.source().c);
  const auto source = values(layer.source().elements(), 1, -1, 1);
  const auto w = values(layer.weights().elements(), 2, -1, 1);
  const auto scale = values(layer.source().c, 3, 0.5, 1.5);
  const auto shift = values(layer.source().c, 4, 0.5, 1.5);
  const Placed from(layer.source(), a.type, source, {8, 8});
  const Placed scales = vector_of(scale), shifts = vector_of(shift);
  const Placed out(layer.out(), a.type, Role::output);
  layer.run(a.type, {a.math, tile}, from.tensor(), w,
            {scales.tensor(), shifts.tensor(), Activation::leaky_relu}, {}, out.tensor());

  std::vector<double> map(source.size());
  for (size_t i = 0; i < map.size(); ++i)
    map[i] = rounded(a.type, normalized(Activation::leaky_relu,
                                        scale[i % channels] * source[i] + shift[i % channels]));
  // tf32 rounds the normalized operand to 11 bits.
  const double part = a.math == Math::tf32 ? 0x1p-10 : a.result;
  check_close(out.read(), layer.reference(map, w), part, a.math == Math::tf32 ? 4 : 1);
}

TEST_CASE("an operand is normalized while it is loaded", "[conv]") {
  auto cases = layers();
  cases.push_back(make_layer(kSame, {1, 9, 17, 40}, 3, false));  // the thin kernel
  cases.push_back(make_layer(kHalf, {1, 6, 34, 3}, 16, true));
  for (const Arithmetic& a : kArithmetics)
    for (const Layer& layer : cases)
      for (const ConvTile tile :
           {ConvTile::automatic, ConvTile::m128n128, ConvTile::m64n64, ConvTile::m128n64,
            ConvTile::w256n128, ConvTile::w64n64, ConvTile::w128n64deep})
        check_normalized(a, layer, tile);
}

void check_weight_gradient(const Arithmetic& a, const Layer& layer, bool transposed) {
  CAPTURE(name_of(a.type), a.math == Math::tf32, layer.x.c, layer.y.c, transposed);
  // Transposed: the layer's input, which is normalized, is the convolution's output.
  const Shape& mapped = transposed ? layer.y : layer.x;
  const auto channels = static_cast<size_t>(mapped.c);
  auto x = values(layer.x.elements(), 1, -1, 1), dy = values(layer.y.elements(), 2, -1, 1);
  const auto scale = values(mapped.c, 3, 0.5, 1.5), shift = values(mapped.c, 4, 0.5, 1.5);
  const Placed xs(layer.x, a.type, x), dys(layer.y, a.type, dy);
  const Placed scales = vector_of(scale), shifts = vector_of(shift);
  const Placed dw(layer.weights(), DType::f32, Role::output);
  const ConvPrologue prologue = {scales.tensor(), shifts.tensor(), Activation::relu};
  const Op op = transposed ? Op::conv_transpose_backward_weights : Op::conv_backward_weights;
  const Call call = transposed ? Call{op, a.type, layer.y, layer.x, layer.geometry}
                               : Call{op, a.type, layer.x, layer.y, layer.geometry};
  GuardedBuffer scratch(cuda::conv_scratch_bytes(call, a.math));
  if (transposed)
    cuda::conv_transpose_backward_weights(layer.geometry, a.math, dys.tensor(), prologue,
                                          xs.tensor(), dw.tensor(), Write::overwrite,
                                          scratch.data(), {});
  else
    cuda::conv_backward_weights(layer.geometry, a.math, xs.tensor(), prologue, dys.tensor(),
                                dw.tensor(), Write::overwrite, scratch.data(), {});
  scratch.check("scratch");

  auto& map = transposed ? dy : x;
  for (size_t i = 0; i < map.size(); ++i)
    map[i] = rounded(
        a.type, normalized(Activation::relu, scale[i % channels] * map[i] + shift[i % channels]));
  std::vector<double> expected(static_cast<size_t>(layer.weights().elements()));
  reference::convolve_weight_gradient<double>(
      layer.geometry, Tensor(x.data(), layer.x, DType::f64), Tensor(dy.data(), layer.y, DType::f64),
      Tensor(expected.data(), layer.weights(), DType::f64), Write::overwrite);
  // Stored as float32 for bf16 operands too. tf32 rounds the normalized operand to 11 bits.
  const double part = a.math == Math::tf32 ? 0x1p-10 : 1e-5;
  check_close(dw.read(), expected, part, a.math == Math::tf32 ? 8 : 1);
}

TEST_CASE("weight gradients normalize either operand", "[conv]") {
  const Layer shapes[] = {
      make_layer(kSame, {2, 9, 8, 16}, 24, false), make_layer(kHalf, {3, 15, 12, 72}, 80, false),
      make_layer(kHalf, {2, 9, 10, 3}, 16, false), make_layer(kSame, {2, 9, 10, 16}, 3, false),
      make_layer(kSame, {1, 5, 7, 5}, 7, false)};
  for (const Arithmetic& a : kArithmetics)
    for (const Layer& layer : shapes)
      for (const bool transposed : {false, true}) check_weight_gradient(a, layer, transposed);
}

TEST_CASE("what convolutions do beside their sums is right for small layers", "[conv][smallest]") {
  const Layer forward = make_layer(kPoint, {1, 5, 4, 24}, 8, false);
  const Layer gradient = make_layer(kPoint, {1, 4, 3, 8}, 24, true);
  for (const Arithmetic& a : kArithmetics) {
    check_statistics(a, forward);
    check_gate(a, gradient, Activation::leaky_relu);
    check_normalized(a, forward, ConvTile::automatic);
    check_weight_gradient(a, forward, false);
  }
}

}  // namespace
}  // namespace gan::testing
