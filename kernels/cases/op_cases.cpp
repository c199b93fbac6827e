#include "kernels/cases/op_cases.h"

namespace gan::cases {
namespace {

// What a layer is besides its convolution.
enum class Kind { conv, conv_transpose };

// A row of a network's table. A layer with batch norm has no bias; its activation and dropout follow the norm.
struct Layer {
  std::string name;
  Kind kind;
  int64_t extent, in, out;  // height and width of the input, channels
  int stride;
  bool norm;
  Activation act;
  Margin in_margin = {}, out_margin = {};
  bool first = false;  // its input is a photo: nobody wants its gradient
  float drop = 0;
  bool pools = false;  // ends in average pooling
};

Shape output_of(const Layer& layer, const Shape& x, const ConvGeometry& geometry) {
  return layer.kind == Kind::conv ? conv_output(x, layer.out, geometry)
                                  : conv_transpose_output(x, layer.out, geometry);
}

// Collects cases; a name is completed by the function's.
class Cases {
 public:
  void add(OpCase op_case) {
    op_case.name += std::string(" ") + cases::name_of(op_case.function);
    cases_.push_back(std::move(op_case));
  }
  void add(OpCase op_case, Function function) {
    op_case.function = function;
    add(std::move(op_case));
  }
  std::vector<OpCase> take() { return std::move(cases_); }

 private:
  std::vector<OpCase> cases_;
};

void add_conv(Cases& cases, const Layer& layer, const OpCase& conv) {
  const bool plain = layer.kind == Kind::conv;
  cases.add(conv, plain ? Function::conv_forward : Function::conv_transpose_forward);
  if (!layer.first) {
    cases.add(conv, plain ? Function::conv_backward_data : Function::conv_transpose_backward_data);
  }
  cases.add(conv,
            plain ? Function::conv_backward_weights : Function::conv_transpose_backward_weights);
}

// The same from a dense input, as in training where dense tensors are wanted (Concat::skip).
void add_dense_conv(Cases& cases, const Layer& layer, OpCase conv) {
  if (layer.in_margin.before + layer.in_margin.after == 0) return;
  conv.name += " dense";
  conv.x_margin = {};
  add_conv(cases, layer, conv);
}

// Forward, backward and inference of one layer.
void add_layer(Cases& cases, const Layer& layer, int64_t batch) {
  const int output_padding = layer.kind == Kind::conv_transpose ? layer.stride - 1 : 0;
  OpCase conv;
  conv.name = layer.name;
  conv.geometry = {3, layer.stride, 1, output_padding};
  conv.x = {batch, layer.extent, layer.extent, layer.in};
  conv.y = output_of(layer, conv.x, conv.geometry);
  conv.x_margin = layer.in_margin;

  OpCase after;  // what follows the convolution, from its dense output to the layer's place
  after.name = layer.name;
  after.x = after.y = conv.y;
  after.act = layer.act;
  after.drop = layer.drop;
  after.y_margin = layer.out_margin;

  if (!layer.norm) {
    conv.bias = true;
    conv.act = layer.act;
    conv.y_margin = layer.out_margin;
    add_conv(cases, layer, conv);
    add_dense_conv(cases, layer, conv);
    if (layer.pools) {
      after.y = halved(after.x);
      cases.add(after, Function::avg_pool_backward);
      after.act = Activation::none;
      cases.add(after, Function::avg_pool_forward);
    } else if (layer.act != Activation::none) {
      cases.add(after, Function::activation_backward);
    }
    OpCase bias_gradient = after;
    bias_gradient.y = vector_shape(layer.out);
    cases.add(bias_gradient, Function::channel_sum);
    return;
  }
  add_conv(cases, layer, conv);
  add_dense_conv(cases, layer, conv);
  OpCase in_training = after;
  if (layer.pools) in_training.y = halved(after.x);
  cases.add(in_training, Function::batch_norm_train);
  in_training.in_place = true;  // as the networks call it
  cases.add(in_training, Function::batch_norm_backward);
  cases.add(after, Function::batch_norm_infer);

  OpCase fold;
  fold.name = layer.name;
  fold.transposed = layer.kind == Kind::conv_transpose;
  fold.x = fold.transposed ? Shape{layer.in, 3, 3, layer.out} : Shape{layer.out, 3, 3, layer.in};
  fold.y = vector_shape(layer.out);
  cases.add(fold, Function::batch_norm_fold);

  OpCase folded = conv;
  folded.name += " folded";
  folded.bias = folded.inference = true;
  folded.act = layer.act;
  folded.y_margin = layer.out_margin;
  cases.add(folded,
            layer.kind == Kind::conv ? Function::conv_forward : Function::conv_transpose_forward);
}

void add_loss(Cases& cases, const std::string& name, Function function, const Shape& shape,
              float target = 1) {
  OpCase loss;
  loss.name = name;
  loss.x = shape;
  loss.y = vector_shape(1);
  loss.target = target;
  cases.add(loss, function);
}

void add_adam(Cases& cases, const std::string& name, int64_t parameters) {
  OpCase adam;
  adam.name = name;
  adam.x = adam.y = vector_shape(parameters);
  cases.add(adam, Function::adam);
}

int64_t parameter_count(const std::vector<Layer>& layers) {
  int64_t count = 0;
  for (const Layer& layer : layers)
    count += 9 * layer.in * layer.out + (layer.norm ? 2 : 1) * layer.out;
  return count;
}

void add_generator(Cases& cases, int64_t w, int64_t batch) {
  constexpr auto conv = Kind::conv, up = Kind::conv_transpose;
  constexpr auto relu = Activation::relu;
  // The skips lie behind the decoder's channels: A in 2w + 2w, B in 4w + 4w.
  const Margin skip_a = {2 * w, 0}, skip_b = {4 * w, 0};
  const std::vector<Layer> layers = {
      {"enc1", conv, 128, 3, w, 2, true, relu, {}, {}, true},
      {"enc2", conv, 64, w, 2 * w, 1, true, relu, {}, skip_a},
      {"enc3", conv, 64, 2 * w, 2 * w, 2, true, relu, skip_a, {}},
      {"enc4", conv, 32, 2 * w, 4 * w, 1, true, relu, {}, skip_b},
      {"enc5", conv, 32, 4 * w, 8 * w, 2, true, relu, skip_b, {}},
      {"dec1", up, 16, 8 * w, 4 * w, 2, true, relu, {}, {0, 4 * w}},
      {"dec2", up, 32, 8 * w, 2 * w, 2, true, relu, {}, {0, 2 * w}},
      {"dec3", up, 64, 4 * w, w, 2, true, relu},
      {"out", conv, 128, w, 3, 1, false, Activation::sigmoid},
  };
  for (const Layer& layer : layers) add_layer(cases, layer, batch);
  add_loss(cases, "g", Function::l1_loss, {batch, 128, 128, 3});
  add_loss(cases, "autoencoder", Function::mse_loss, {batch, 128, 128, 3});
  add_adam(cases, "g", parameter_count(layers));
  OpCase assemble;
  assemble.name = "g";
  assemble.x = {8, 144, 144, 3};
  assemble.y = {batch, 128, 128, 3};
  cases.add(assemble, Function::assemble_batch);
}

void add_discriminator(Cases& cases, int64_t batch) {
  constexpr auto leaky = Activation::leaky_relu;
  const std::vector<Layer> layers = {
      // The generator wants the first one's gradient.
      {"d.l1", Kind::conv, 128, 3, 32, 2, false, leaky, {}, {}, false, 0, true},
      {"d.l2", Kind::conv, 32, 32, 64, 1, true, leaky, {}, {}, false, 0.3f, true},
      {"d.l3", Kind::conv, 16, 64, 128, 1, true, leaky, {}, {}, false, 0.3f},
      {"d.l4", Kind::conv, 16, 128, 256, 1, true, leaky, {}, {}, false, 0.3f},
  };
  for (const Layer& layer : layers) add_layer(cases, layer, batch);

  OpCase fc;
  fc.name = "d.fc";
  fc.bias = true;
  fc.x = {batch, 16, 16, 256};
  fc.y = {batch, 1, 1, 1};
  cases.add(fc, Function::linear_forward);
  cases.add(fc, Function::linear_backward_data);
  cases.add(fc, Function::linear_backward_weights);
  OpCase bias_gradient;
  bias_gradient.name = "d.fc";
  bias_gradient.x = fc.y;
  bias_gradient.y = vector_shape(1);
  cases.add(bias_gradient, Function::channel_sum);

  add_loss(cases, "d.real", Function::bce_with_logits, fc.y, 1);
  add_loss(cases, "d.fake", Function::bce_with_logits, fc.y, 0);
  OpCase noise;
  noise.name = "d.noise";
  noise.x = noise.y = {batch, 128, 128, 3};
  cases.add(noise, Function::fill_uniform);
  add_adam(cases, "d", parameter_count(layers) + 16 * 16 * 256 + 1);
}

void add_demo(Cases& cases, int64_t batch) {
  constexpr auto conv = Kind::conv, up = Kind::conv_transpose;
  constexpr auto none = Activation::none;
  const std::vector<Layer> layers = {
      {"demo.l1", conv, 128, 3, 16, 1, false, none, {}, {}, true},
      {"demo.l2", conv, 64, 16, 32, 1, false, none, {16, 0}, {}},
      {"demo.l3", conv, 32, 32, 64, 1, false, none, {32, 0}, {}},
      {"demo.l4", conv, 16, 64, 128, 1, false, none, {64, 0}, {}},
      {"demo.t1", up, 8, 128, 64, 2, false, none, {}, {0, 64}},
      {"demo.t2", up, 16, 128, 32, 2, false, none, {}, {0, 32}},
      {"demo.t3", up, 32, 64, 16, 2, false, none, {}, {0, 16}},
      {"demo.t4", up, 64, 32, 3, 2, false, Activation::sigmoid},
  };
  for (const Layer& layer : layers) {
    add_layer(cases, layer, batch);
    if (layer.kind != conv) continue;
    OpCase pool;
    pool.name = layer.name;
    pool.x = {batch, layer.extent, layer.extent, layer.out};
    pool.y = {batch, layer.extent / 2, layer.extent / 2, layer.out};
    cases.add(pool, Function::max_pool_forward);
    cases.add(pool, Function::max_pool_backward);
    // l1 to l3 are skips: their activation writes behind the decoder's channels.
    OpCase act;
    act.name = layer.name;
    act.act = Activation::leaky_relu;
    act.x = act.y = pool.y;
    act.y_margin = {layer.name == "demo.l4" ? 0 : layer.out, 0};
    cases.add(act, Function::activation_forward);
    cases.add(act, Function::activation_backward);
  }
}

// The layers of the autoencoders and the U-Net that differ from the other networks'.
void add_autoencoders(Cases& cases, int64_t w, int64_t batch) {
  constexpr auto conv = Kind::conv, up = Kind::conv_transpose;
  constexpr auto relu = Activation::relu, leaky = Activation::leaky_relu;
  const auto behind = [](int64_t channels) { return Margin{channels, 0}; };
  const auto before = [](int64_t channels) { return Margin{0, channels}; };
  const std::vector<Layer> layers = {
      {"ae5.enc1", conv, 128, 3, 16, 2, false, relu, {}, {}, true},
      {"ae5.enc2", conv, 64, 16, 32, 1, false, relu},
      {"ae5.dec2", up, 64, 32, 3, 2, false, Activation::sigmoid},
      {"ae7.enc1", conv, 128, 3, 16, 1, false, leaky, {}, {}, true},
      {"ae7.enc2", conv, 128, 16, 32, 2, false, leaky},
      {"ae7.enc4", conv, 32, 64, 128, 2, false, leaky},
      {"ae7.dec1", up, 16, 128, 64, 2, false, leaky},
      {"unet.down1", conv, 128, 3, w, 2, false, leaky, {}, behind(w), true},
      {"unet.down2", conv, 64, w, 2 * w, 2, true, leaky, behind(w), behind(2 * w)},
      {"unet.down4", conv, 16, 4 * w, 8 * w, 2, true, leaky, behind(4 * w), behind(8 * w)},
      {"unet.down6", conv, 4, 8 * w, 8 * w, 2, true, leaky, behind(8 * w), behind(8 * w)},
      {"unet.down7", conv, 2, 8 * w, 8 * w, 2, false, leaky, behind(8 * w), {}},
      {"unet.up1", up, 1, 8 * w, 8 * w, 2, true, relu, {}, before(8 * w)},
      {"unet.up2", up, 2, 16 * w, 8 * w, 2, true, relu, {}, before(8 * w)},
      {"unet.up4", up, 8, 16 * w, 4 * w, 2, true, relu, {}, before(4 * w)},
      {"unet.up7", up, 64, 2 * w, 3, 2, false, Activation::sigmoid},
  };
  for (const Layer& layer : layers) add_layer(cases, layer, batch);
}

// The generator with a chroma head, where it is not the other one's encoder.
void add_chroma_generator(Cases& cases, int64_t w, int64_t batch) {
  constexpr auto conv = Kind::conv;
  constexpr auto relu = Activation::relu;
  const std::vector<Layer> layers = {
      {"stable.ctx1", conv, 16, 8 * w, 4 * w, 2, true, relu, {0, 4 * w}, {}},
      {"stable.ctx2", conv, 8, 4 * w, 4 * w, 2, true, relu},
      {"stable.ctx3", conv, 4, 4 * w, 4 * w, 1, true, relu},
      {"stable.dec1", conv, 16, 12 * w, 4 * w, 1, true, relu},
      {"stable.dec2", conv, 32, 8 * w, 2 * w, 1, true, relu},
      {"stable.dec3", conv, 64, 4 * w, w, 1, true, relu},
      {"stable.out", conv, 64, w, 2, 1, false, Activation::tanh},
  };
  for (const Layer& layer : layers) add_layer(cases, layer, batch);
}

// The discriminator of patches, which has no batch norm.
void add_patch_discriminator(Cases& cases, int64_t batch) {
  constexpr auto conv = Kind::conv;
  constexpr auto leaky = Activation::leaky_relu;
  const std::vector<Layer> layers = {
      {"stable.d.l1", conv, 64, 3, 32, 1, false, leaky, {}, {}, false, 0, true},
      {"stable.d.l2", conv, 32, 32, 64, 1, false, leaky, {}, {}, false, 0, true},
      {"stable.d.l3", conv, 16, 64, 128, 1, false, leaky, {}, {}, false, 0, true},
      {"stable.d.l4", conv, 8, 128, 256, 1, false, leaky},
      {"stable.d.out", conv, 8, 256, 1, 1, false, Activation::none},
  };
  // The gradient penalties' tangent pass takes layers without their bias; two of them are in no other list.
  for (const Layer& layer : {layers[0], layers[3]}) {
    OpCase tangent;
    tangent.name = layer.name + " tangent";
    tangent.geometry = {3, 1, 1, 0};
    tangent.x = {batch, layer.extent, layer.extent, layer.in};
    tangent.y = output_of(layer, tangent.x, tangent.geometry);
    cases.add(tangent, Function::conv_forward);
  }
  for (const Layer& layer : layers) {
    add_layer(cases, layer, batch);
    if (!layer.pools) continue;
    OpCase slopes;  // of the tangent pass
    slopes.name = layer.name + " tangent";
    slopes.x = slopes.y = {batch, layer.extent, layer.extent, layer.out};
    slopes.act = layer.act;
    cases.add(slopes, Function::activation_backward);
  }
}

void add_stable(Cases& cases, int64_t w, int64_t batch) {
  const auto add = [&](const char* name, const Shape& x, const Shape& y,
                       std::initializer_list<Function> functions) {
    OpCase c;
    c.name = str("stable.", name);
    c.x = x;
    c.y = y;
    for (const Function function : functions) cases.add(c, function);
  };
  for (const auto& [extent, channels] :
       {std::pair<int64_t, int64_t>{4, 4 * w}, {8, 4 * w}, {16, 4 * w}, {32, 2 * w}}) {
    const Shape x = {batch, extent, extent, channels};
    add(str("up", extent).c_str(), x, {batch, 2 * extent, 2 * extent, channels},
        {Function::upsample_forward, Function::upsample_backward});
  }
  const Shape photo = {batch, 64, 64, 3}, chroma = {batch, 64, 64, 2}, verdict = {batch, 8, 8, 1};
  const Shape one = vector_shape(1), parameters = vector_shape(9 * 64 * w * w);
  add("photo", {batch, 128, 128, 3}, photo, {Function::avg_pool_forward});
  add("d", photo, photo, {Function::augment_forward, Function::augment_backward});
  add("d.out", verdict, verdict, {Function::activation_backward});
  add("d", verdict, one, {Function::relativistic_loss});
  add("g", chroma, one, {Function::chroma_loss, Function::moment_loss});
  add("average", parameters, parameters, {Function::axpby});
}

}  // namespace

std::vector<OpCase> network_cases(int64_t width, int64_t batch) {
  Cases cases;
  add_generator(cases, width, batch);
  add_discriminator(cases, batch);
  add_demo(cases, batch);
  add_autoencoders(cases, width, batch);
  add_chroma_generator(cases, width, batch);
  add_patch_discriminator(cases, batch);
  add_stable(cases, width, batch);
  return cases.take();
}

}  // namespace gan::cases
