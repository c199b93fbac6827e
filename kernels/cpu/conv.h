// Convolutions on the CPU. A convolution and its transpose are the same three computations between
// a large picture {N, H, W, C} and small maps {N, P, Q, K}, with weights {K, kernel, kernel, C}:
//
//   forward:  maps = conv(picture)         a convolution, and the data gradient of its transpose
//   data:     picture = its data gradient  a transposed convolution, and a convolution's gradient
//   weights:  the weights' gradient
#pragma once

#include "kernels/backend.h"
#include "kernels/cpu/weight_packs.h"

namespace gan::cpu {

struct ConvShape {
  ConvGeometry geometry;
  Shape picture, maps;
};

enum class ConvDirection : uint8_t { forward, data, weights };

// What minimal filtering (bilinear.h) may cut a convolution into. Larger tiles save more
// multiplications.
//
//   plain   with matrices of 0, 1 and -1: for numbers that are rounded to 8 bits in between, of which
//           others lose several times what these do
//   exact   also those of stride 2, as exact as the definition of stride 1. In training activations
//           want them: where a ReLU has its kink every lost bit turns some gradients, which then
//           differ from another program's by a thousandth. F(3,3) is hardly less exact, and does that
//           to the golden values' gradients
//   all     also those that lose a bit or two. Nothing behind a gradient, or a photo, would notice
enum class TileSizes : uint8_t { plain, exact, all };

// Reads a convolution call of a backend as one of the three computations.
struct ConvCall {
  ConvShape shape;
  ConvDirection direction;
};
ConvCall conv_call(const Call& call);

// Lane: what products are made of (conv_micro.h).
// forward and data: `to` = act(sum + bias), or with accumulate `to` += sum (then without epilogue).
template <class Lane>
void conv_gather(ConvDirection direction, const ConvShape& shape, const Tensor& from,
                 const Weights& weights, WeightPacks& packs, const Epilogue& epilogue,
                 const Tensor& to, Write write);

// The same for results of so few channels that most of a vector would be empty (conv_thin.cpp).
bool conv_is_thin(ConvDirection direction, const ConvShape& shape);
template <class Lane>
void conv_thin(ConvDirection direction, const ConvShape& shape, const Tensor& from,
               const Weights& weights, WeightPacks& packs, const Epilogue& epilogue,
               const Tensor& to, Write write);

// The same with fewer multiplications (conv_winograd.cpp), for the shapes where that is faster. Always
// with single numbers.
bool conv_winograd_pays(ConvDirection direction, const ConvShape& shape);
void conv_winograd(ConvDirection direction, const ConvShape& shape, TileSizes sizes,
                   const Tensor& from, const Weights& weights, WeightPacks& packs,
                   const Epilogue& epilogue, const Tensor& to, Write write);
// The same with pairs, which the transformed numbers are rounded to.
void conv_winograd_pairs(ConvDirection direction, const ConvShape& shape, TileSizes sizes,
                         const Tensor& from, const Weights& weights, WeightPacks& packs,
                         const Epilogue& epilogue, const Tensor& to, Write write);

template <class Lane>
void conv_weights(const ConvShape& shape, const Tensor& picture, const Tensor& maps,
                  const Tensor& dw, Write write);
// With fewer multiplications, where conv_winograd_pays(weights).
void conv_winograd_weights(const ConvShape& shape, const Tensor& picture, const Tensor& maps,
                           const Tensor& dw, Write write);

}  // namespace gan::cpu
