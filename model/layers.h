// Layers: parameters plus one forward. Built once, called with whatever runs below.
#pragma once

#include <string>

#include "kernels/gradient_penalty.h"
#include "kernels/ops.h"
#include "kernels/spectral_norm.h"
#include "model/parameters.h"

namespace gan {

// The three convolutions of the networks: all 3x3.
inline constexpr ops::Conv kSame = {{.stride = 1}, false};                    // h x w
inline constexpr ops::Conv kDown = {{.stride = 2}, false};                    // h/2 x w/2
inline constexpr ops::Conv kUp = {{.stride = 2, .output_padding = 1}, true};  // 2h x 2w

// Convolution without bias, batch norm, activation, in training dropout, pooling. Its tensors are NAME.conv.weight
// and NAME.bn.weight, .bias, .running_mean, .running_var.
class ConvBlock {
 public:
  ConvBlock(ParameterSet& parameters, const std::string& name, const ops::Conv& conv,
            int64_t in_channels, int64_t out_channels, Activation act,
            const ops::BlockEnd& end = {});
  Variable& operator()(Context& context, Variable& x, const Tensor& into = {});

 private:
  ops::Conv conv_;
  Activation act_;
  ops::BlockEnd end_;
  Parameter& weight_;
  Parameter& gamma_;
  Parameter& beta_;
  Parameter& running_mean_;
  Parameter& running_var_;
  ops::FoldedWeights folded_;
};

// Whether a layer's weights are divided by their largest singular value.
enum class Spectrum : uint8_t { free, normalized };

// Convolution with bias, activation, pooling. Its tensors are NAME.weight, NAME.bias and, with a normalized
// spectrum, NAME.left (see kernels/spectral_norm.h).
class PlainConv {
 public:
  PlainConv(ParameterSet& parameters, const std::string& name, const ops::Conv& conv,
            int64_t in_channels, int64_t out_channels, Activation act,
            ops::Pooling pooling = ops::Pooling::none, Spectrum spectrum = Spectrum::free);
  Variable& operator()(Context& context, Variable& x, const Tensor& into = {});
  // This layer as part of a piecewise linear chain. Not with a normalized spectrum.
  ops::ChainStage stage() const;

 private:
  ops::Conv conv_;
  Activation act_;
  ops::Pooling pooling_;
  Parameter& weight_;
  Parameter& bias_;
  Parameter* left_ = nullptr;  // only with a normalized spectrum
};

// Fully connected, from a picture of h x w x channels to `outputs` numbers.
class Linear {
 public:
  Linear(ParameterSet& parameters, const std::string& name, int64_t h, int64_t w, int64_t channels,
         int64_t outputs);
  Variable& operator()(Context& context, Variable& x);

 private:
  Parameter& weight_;
  Parameter& bias_;
};

}  // namespace gan
