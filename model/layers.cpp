#include "model/layers.h"

#include <cmath>

namespace gan {
namespace {

// Initial weights follow PyTorch's default rule, Kaiming uniform with a = sqrt(5), which comes to
// a bound of 1/sqrt(fan_in) for weights and biases. As PyTorch does, fan_in counts the file
// layout's second axis: the output channels for a transposed convolution.
Initial fan_in_uniform(const Shape& weight) {
  return Initial::uniform(1.0 / std::sqrt(static_cast<double>(weight.h * weight.w * weight.c)));
}

FileLayout conv_layout(const ops::Conv& conv) {
  return conv.transposed ? FileLayout::transposed_conv : FileLayout::conv;
}

Shape conv_weight_shape(const ops::Conv& conv, int64_t in, int64_t out) {
  const int64_t k = conv.geometry.kernel;
  return conv.transposed ? Shape{in, k, k, out} : Shape{out, k, k, in};
}

}  // namespace

ConvBlock::ConvBlock(ParameterSet& parameters, const std::string& name, const ops::Conv& conv,
                     int64_t in_channels, int64_t out_channels, Activation act,
                     const ops::BlockEnd& end)
    : conv_(conv),
      act_(act),
      end_(end),
      weight_(parameters.add(name + ".conv.weight",
                             conv_weight_shape(conv, in_channels, out_channels), conv_layout(conv),
                             fan_in_uniform(conv_weight_shape(conv, in_channels, out_channels)))),
      gamma_(parameters.add(name + ".bn.weight", vector_shape(out_channels), FileLayout::vector,
                            Initial::constant(1))),
      beta_(parameters.add(name + ".bn.bias", vector_shape(out_channels), FileLayout::vector,
                           Initial::constant(0))),
      running_mean_(parameters.add_running(name + ".bn.running_mean", vector_shape(out_channels),
                                           Initial::constant(0))),
      running_var_(parameters.add_running(name + ".bn.running_var", vector_shape(out_channels),
                                          Initial::constant(1))) {}

Variable& ConvBlock::operator()(Context& context, Variable& x, const Tensor& into) {
  return ops::conv_bn_act(context, conv_, x, weight_, {gamma_, beta_, running_mean_, running_var_},
                          act_, end_, folded_, into);
}

PlainConv::PlainConv(ParameterSet& parameters, const std::string& name, const ops::Conv& conv,
                     int64_t in_channels, int64_t out_channels, Activation act,
                     ops::Pooling pooling, Spectrum spectrum)
    : conv_(conv),
      act_(act),
      pooling_(pooling),
      weight_(parameters.add(name + ".weight", conv_weight_shape(conv, in_channels, out_channels),
                             conv_layout(conv),
                             fan_in_uniform(conv_weight_shape(conv, in_channels, out_channels)))),
      bias_(parameters.add(name + ".bias", vector_shape(out_channels), FileLayout::vector,
                           fan_in_uniform(conv_weight_shape(conv, in_channels, out_channels)))) {
  if (spectrum == Spectrum::normalized) {
    left_ = &parameters.add_running(name + ".left", vector_shape(weight_.value.shape().n),
                                    Initial::uniform(1));
  }
}

Variable& PlainConv::operator()(Context& context, Variable& x, const Tensor& into) {
  Variable& w = left_ ? ops::spectral_norm(context, weight_, left_->value) : weight_;
  return ops::conv_act(context, conv_, x, w, bias_, act_, pooling_, into);
}

ops::ChainStage PlainConv::stage() const {
  require(!left_, weight_.name, ": no gradient penalty for weights with a normalized spectrum");
  return {conv_, &weight_, &bias_, act_, pooling_};
}

Linear::Linear(ParameterSet& parameters, const std::string& name, int64_t h, int64_t w,
               int64_t channels, int64_t outputs)
    : weight_(parameters.add(name + ".weight", {outputs, h, w, channels}, FileLayout::linear,
                             fan_in_uniform({outputs, h, w, channels}))),
      bias_(parameters.add(name + ".bias", vector_shape(outputs), FileLayout::vector,
                           fan_in_uniform({outputs, h, w, channels}))) {}

Variable& Linear::operator()(Context& context, Variable& x) {
  return ops::linear(context, x, weight_, bias_);
}

}  // namespace gan
