// The list of everything a device must be able to compute, forward and backward.
//
// A backend implements what it is good at and says so in supports(); Kernels (dispatch.h) picks the
// first that can for each shape. The reference backend implements all of it and defines what the
// others must equal.
//
// Conventions. Tensors are N,H,W,C and may be channel slices. Outputs are fully overwritten unless
// a Write argument says accumulate. An empty Tensor for an optional argument means "none" or "not
// wanted". Sums and means over many elements are added in a fixed order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/autograd.h"
#include "engine/random.h"
#include "engine/tensor.h"

namespace gan {

inline constexpr float kLeakySlope = 0.2f;

enum class Activation : uint8_t { none, relu, leaky_relu, sigmoid, tanh };

enum class Op : uint8_t {
  conv_forward,
  conv_backward_data,
  conv_backward_weights,
  conv_transpose_forward,
  conv_transpose_backward_data,
  conv_transpose_backward_weights,
  batch_norm,
  activation,
  avg_pool,
  max_pool,
  upsample,
  augment,
  linear,
  loss,
  adam,
  memory,   // copy, add, axpby, mix, fill, channel_sum
  random,   // fill_uniform
  batch,    // assemble_batch
  control,  // begin_update, balance
};
const char* name_of(Op op);

// A square convolution. Output extent: (in + 2*padding - kernel) / stride + 1; transposed:
// (in - 1)*stride - 2*padding + kernel + output_padding.
struct ConvGeometry {
  int kernel = 3;
  int stride = 1;
  int padding = 1;
  int output_padding = 0;
  bool operator==(const ConvGeometry&) const = default;
};
Shape conv_output(const Shape& input, int64_t channels, const ConvGeometry& geometry);
Shape conv_transpose_output(const Shape& input, int64_t channels, const ConvGeometry& geometry);
// What pooling makes of a picture: half as high and wide, without an odd last row or column.
Shape halved(const Shape& input);

// One call as far as the choice of a backend goes. x and y are the operation's forward input and
// output, also for its backward directions.
struct Call {
  Op op;
  DType dtype = DType::f32;
  Shape x = {}, y = {};
  ConvGeometry geometry = {};
  bool finishes = false;  // a forward convolution with a bias or an activation
  bool adds = false;      // a convolution's data gradient, added to what is there
  // From pixel to pixel where the channels are a slice of a wider tensor; else 0.
  int64_t x_pitch = 0, y_pitch = 0;
  bool operator==(const Call&) const = default;
};
struct CallHash {
  size_t operator()(const Call& call) const;
};
// The Call of an operation, other than a convolution, whose forward input and output are like these.
Call call_on(Op op, const Tensor& x, const Tensor& y);
// Convolution weights and the name of their content (Variable::version).
struct Weights {
  Tensor values;
  uint64_t version = 0;
};

// What is added after a convolution's sum: y = act(sum + bias). A bias may change only together with
// Weights::version: backends keep what they made of it under that version.
struct Epilogue {
  Tensor bias;
  Activation act = Activation::none;
  bool inference = false;  // no gradient will depend on y's last digit: speed may cost it
  explicit operator bool() const { return bias || act != Activation::none; }
};

// The Call of convolution `op`, whose forward input and output, or the gradients of these, lie in these
// tensors: of a weight gradient; of a forward direction with this epilogue; of a data gradient written so.
Call conv_call(Op op, const ConvGeometry& geometry, const Tensor& x, const Tensor& y);
Call conv_call(Op op, const ConvGeometry& geometry, const Tensor& x, const Tensor& y,
               const Epilogue& epilogue);
Call conv_call(Op op, const ConvGeometry& geometry, const Tensor& dx, const Tensor& dy,
               Write write);

struct BatchNorm {
  Tensor gamma, beta, running_mean, running_var;
  double eps = 1e-5;
  double momentum = 0.1;
};
// What the forward pass in training mode leaves for the backward pass: mean and 1/sqrt(var + eps), {kinds, 1, 1, C}.
// The pictures are of so many kinds, equally many of each, one kind after the other, and each kind has
// statistics of its own, as if it came alone.
struct BatchNormSaved {
  Tensor mean, inv_std;
  int64_t kinds() const { return mean.shape().n; }
};

// Between the pixels of pictures of even height and width and the 2x2 windows they are averaged in. Both are
// numbered row by row through the whole batch.
struct PoolingWindows {
  int64_t width;  // of the pictures
  int64_t first_pixel(int64_t window) const {
    const int64_t across = width / 2;
    return window / across * 2 * width + window % across * 2;
  }
  int64_t window(int64_t pixel) const {
    return pixel / width / 2 * (width / 2) + pixel % width / 2;
  }
};
// Whether `y` is of their averages' shape, not of x's own. Throws InternalError where it is of neither.
bool pooled(const char* operation, const Shape& x, const Shape& y);

// What a layer drops in training: each result is kept and divided by 1 - p, or zeroed with probability p.
// Element i (dense N,H,W,C index) is dropped when unit_float(word i%4 of RandomKey::block i/4) < p. Kind k of
// several kinds of pictures has the stream k behind the key's, its elements counted from its first.
struct Dropout {
  float p = 0;  // 0 <= p < 1
  RandomKey key = {};
  explicit operator bool() const { return p > 0; }
  // Of what is kept.
  float factor() const { return static_cast<float>(1.0 / (1.0 - static_cast<double>(p))); }
};

// For backends that do one kind of pictures after the other: body(first picture, how many, what is the kind's).
template <class Body>
void for_kinds(const Tensor& x, const BatchNormSaved& saved, const Dropout& dropout, Body&& body) {
  const int64_t kinds = saved.kinds(), count = x.shape().n / kinds;
  for (int64_t k = 0; k < kinds; ++k) {
    Dropout of_kind = dropout;
    of_kind.key.stream += static_cast<uint32_t>(k);
    body(k * count, count, BatchNormSaved{saved.mean.pictures(k, 1), saved.inv_std.pictures(k, 1)},
         of_kind);
  }
}

struct AdamSettings {
  double learning_rate = 2e-4;  // the one to begin with: an update takes UpdateControl's
  double beta1 = 0.5;
  double beta2 = 0.999;
  double eps = 1e-8;
};

// What decides about an update of a network. It lies in the device's memory, so that a recorded step
// can be replayed without the host's saying.
struct UpdateControl {
  double learning_rate = 0;  // set by the host
  uint64_t step = 0;         // updates so far, with the present one
  uint64_t enabled = 0;      // 0: the present one is not taken
};

// How strongly a second gradient counts beside a first, in the device's memory.
struct GradientBalance {
  double ratio = 0;   // wanted, |second| : |first|; set by the host
  double smooth = 0;  // moving average of the ratio found
};

// One picture of a batch: which photo, the top left corner of the window taken from it, mirrored
// left to right or not.
struct PhotoPick {
  int32_t photo = 0;
  int32_t top = 0, left = 0;
  int32_t flip = 0;
};

// The colours that a batch is assembled in, all of about unit size:
//   rgb    red, green, blue in 0..1
//   ycbcr  BT.601 luma in 0..1; Cb and Cr divided by their largest value, so in -1..1, gray at 0
enum class ColorSpace : uint8_t { rgb, ycbcr };

// A random change of one picture that a discriminator sees: moved by `down` and `right` pixels,
// then mirrored left to right or not, then blank in a square.
struct Warp {
  int32_t down = 0, right = 0;
  int32_t flip = 0;
  int32_t cut_top = 0, cut_left = 0, cut_size = 0;  // the square may reach beyond the picture
};

// Memory of the device that a backend takes for itself to run a call, beside the call's tensors.
struct WorkingMemory {
  size_t shared = 0;  // until the call is done: the next one uses it again
  size_t kept = 0;    // for calls like it: packed weights
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;
  // For the first line of every program: library, version, instruction set.
  virtual std::string description() const = 0;
  virtual bool supports(const Call& call) const = 0;
  // Whatever variant is taken.
  virtual WorkingMemory working_memory(const Call& call) const;

  // Whether it refuses slices of channels although its convolutions are fast enough to be worth a dense copy.
  virtual bool wants_dense() const;

  // The names of the ways in which it can compute a call, all different, at least one; the first is
  // what it takes by itself. The order of their sums, and with it the last digits, may differ.
  virtual std::vector<std::string> variants(const Call& call) const;
  // From now on such calls are computed by variants(call)[index].
  virtual void take_variant(const Call& call, size_t index);

  // --- Convolution: sum over r, s, c of x[n, p*stride + r - padding, q*stride + s - padding, c]
  //     * w[k, r, s, c], outside pixels counting as zero. w: {K, kernel, kernel, C}.
  virtual void conv_forward(const ConvGeometry& geometry, const Tensor& x, const Weights& w,
                            const Epilogue& epilogue, const Tensor& y);
  virtual void conv_backward_data(const ConvGeometry& geometry, const Tensor& dy, const Weights& w,
                                  const Tensor& dx, Write write);
  virtual void conv_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                     const Tensor& dy, const Tensor& dw, Write write);

  // --- Transposed convolution: the data gradient of the convolution with the same geometry and
  //     weights, used as a forward operation. w: {C_in, kernel, kernel, C_out}.
  virtual void conv_transpose_forward(const ConvGeometry& geometry, const Tensor& x,
                                      const Weights& w, const Epilogue& epilogue, const Tensor& y);
  virtual void conv_transpose_backward_data(const ConvGeometry& geometry, const Tensor& dy,
                                            const Weights& w, const Tensor& dx, Write write);
  virtual void conv_transpose_backward_weights(const ConvGeometry& geometry, const Tensor& x,
                                               const Tensor& dy, const Tensor& dw, Write write);

  // --- Batch norm followed by an activation (none, relu or leaky_relu) and, in training, dropout:
  //     y = drop(act(gamma * (x - mean) / sqrt(var + eps) + beta)).
  // Training: statistics of this batch (biased variance) or of each kind of pictures in it, saved for
  // the backward pass; running statistics move by `momentum` towards them (unbiased variance), to one kind
  // after the other. A y of half of x's height and width, which are even then, gets the averages of those
  // results over 2x2 windows.
  virtual void batch_norm_train(const Tensor& x, const BatchNorm& norm, Activation act,
                                const Dropout& dropout, const BatchNormSaved& saved,
                                const Tensor& y);
  // Inference: the running statistics.
  virtual void batch_norm_infer(const Tensor& x, const BatchNorm& norm, Activation act,
                                const Tensor& y);
  // Gradients of batch_norm_train from dy, that of its y, averaged or not: dx is overwritten and may be x
  // itself; dgamma and dbeta as `write` says, or skipped when empty.
  virtual void batch_norm_backward(const Tensor& x, const Tensor& dy, const BatchNorm& norm,
                                   Activation act, const Dropout& dropout,
                                   const BatchNormSaved& saved, const Tensor& dx,
                                   const Tensor& dgamma, const Tensor& dbeta, Write write);
  // Folds inference-mode batch norm into the convolution before it: w * s and beta - mean * s,
  // s = gamma / sqrt(var + eps), per output channel. `transposed` tells which axis of w that is.
  virtual void batch_norm_fold(const Tensor& w, const BatchNorm& norm, bool transposed,
                               const Tensor& folded_w, const Tensor& folded_bias);

  // --- Activations alone. The backward pass reads the output y, from which the slope of all of
  //     them follows.
  virtual void activation_forward(Activation act, const Tensor& x, const Tensor& y);
  virtual void activation_backward(Activation act, const Tensor& y, const Tensor& dy,
                                   const Tensor& dx, Write write);

  // --- Pooling over 2x2 windows, stride 2; an odd last row or column is left out. Max pooling
  //     sends the gradient to the first of equal maxima.
  virtual void avg_pool_forward(const Tensor& x, const Tensor& y);
  // dx: the gradient of what became x by `act`. Without an activation x is not looked at.
  virtual void avg_pool_backward(Activation act, const Tensor& x, const Tensor& dy,
                                 const Tensor& dx, Write write);
  virtual void max_pool_forward(const Tensor& x, const Tensor& y);
  virtual void max_pool_backward(const Tensor& x, const Tensor& dy, const Tensor& dx, Write write);

  // --- Upsampling to twice the extents, bilinear with half-pixel centres (PyTorch's
  //     align_corners=False): y[2p + a] = 3/4 x[p] + 1/4 x[p - 1 + 2a] for a = 0, 1 along each
  //     axis, neighbours limited to the picture. Backward is its transpose.
  virtual void upsample_forward(const Tensor& x, const Tensor& y);
  virtual void upsample_backward(const Tensor& dy, const Tensor& dx, Write write);

  // --- Augmentation: y[n, h, w] is 0 in the square that warps[n] blanks, else x[n, h - down,
  //     w' - right] with w' = W - 1 - w when mirrored, w otherwise, and 0 outside of the picture.
  //     `warps`: one per picture, in the device's memory. Backward is its transpose.
  virtual void augment_forward(const Tensor& x, const Warp* warps, const Tensor& y);
  virtual void augment_backward(const Tensor& dy, const Warp* warps, const Tensor& dx, Write write);

  // --- Linear: y[n, 0, 0, o] = bias[o] + sum over h, w, c of x[n, h, w, c] * w[o, h, w, c].
  virtual void linear_forward(const Tensor& x, const Weights& w, const Tensor& bias,
                              const Tensor& y);
  virtual void linear_backward_data(const Tensor& dy, const Weights& w, const Tensor& dx,
                                    Write write);
  virtual void linear_backward_weights(const Tensor& x, const Tensor& dy, const Tensor& dw,
                                       Write write);

  // --- Losses: `loss` (one element) receives the mean over all elements; dx, when wanted, receives
  //     weight * d(loss)/dx.
  // mean(max(x, 0) - x*target + log(1 + exp(-|x|)))
  virtual void bce_with_logits(const Tensor& x, float target, float weight, const Tensor& loss,
                               const Tensor& dx, Write write);
  // mean(|x - target|); the slope where they are equal is 0
  virtual void l1_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                       const Tensor& dx, Write write);
  // mean((x - target)^2)
  virtual void mse_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                        const Tensor& dx, Write write);

  // The paired relativistic loss (Jolicoeur-Martineau, "The relativistic discriminator", 2018):
  // mean(log(1 + exp(lower - higher))), small when every `higher` is above its `lower`.
  // d_higher and d_lower receive weight * slope, each only when wanted; their slopes are opposite.
  virtual void relativistic_loss(const Tensor& higher, const Tensor& lower, float weight,
                                 const Tensor& loss, const Tensor& d_higher, const Tensor& d_lower,
                                 Write write);
  // Chroma: x and target {N, H, W, 2} in -1..1. With d = |x - target|, the smooth L1 of an element
  // is d*d/(2*beta) below beta and d - beta/2 above. Each pixel's two terms are multiplied by
  // weights[0, i, j, 0], {1, B, B, 1}, of the cell that holds its target: i from Cb, j from Cr, cell =
  // min(B - 1, floor((t + 1)/2 * B)). The loss is the mean over all elements.
  virtual void chroma_loss(const Tensor& x, const Tensor& target, const Tensor& weights, float beta,
                           float weight, const Tensor& loss, const Tensor& dx, Write write);
  // How far each picture's mean and spread of every channel are from the truth's: mean over
  // pictures and channels of |m - m'| + |s - s'|, s = sqrt(variance + 1e-4), biased variance.
  virtual void moment_loss(const Tensor& x, const Tensor& target, float weight, const Tensor& loss,
                           const Tensor& dx, Write write);

  // --- Decisions of a training step, taken where its numbers are.
  // Begins an update: it is taken when all of `numbers` (a vector; empty: no condition) are finite
  // and `after`, another update of this step (null: none), was taken. `control` is left to say so,
  // its step being one more when it is.
  virtual void begin_update(const Tensor& numbers, const UpdateControl* after,
                            UpdateControl* control);
  // found = sqrt(squares[1]) / max(sqrt(squares[0]), 1e-20), squares being the mean squares of the
  // first gradient and of the second; smooth becomes found the first time, then 0.95 smooth + 0.05
  // found; weight = ratio / max(smooth, 1e-8). result (three numbers): weight, 1, found. Where found
  // is not finite or `after` (null: none) was not taken, smooth stays, and the weight is 0.
  virtual void balance(const Tensor& squares, const UpdateControl* after, GradientBalance* balance,
                       const Tensor& result);

  // --- Adam (Kingma & Ba 2015, with bias correction) over flat vectors. `control`, in the device's
  //     memory: the number of this update, counted from 1, the learning rate, and whether to do
  //     anything at all.
  virtual void adam(const AdamSettings& settings, const UpdateControl* control,
                    const Tensor& parameters, const Tensor& gradients, const Tensor& first_moment,
                    const Tensor& second_moment);

  // --- Memory.
  virtual void fill(const Tensor& x, float value);
  // Element i (dense N,H,W,C index) becomes unit_float of word i%4 of RandomKey::block i/4.
  virtual void fill_uniform(const RandomKey& key, const Tensor& x);
  virtual void copy(const Tensor& x, const Tensor& y);
  virtual void add(const Tensor& x, const Tensor& y);                      // y += x
  virtual void axpby(float a, const Tensor& x, float b, const Tensor& y);  // y = a*x + b*y
  // axpby with the factors a and b in the device's memory, two float32 numbers. As written here it
  // is for backends whose memory the host can read.
  virtual void mix(const Tensor& factors, const Tensor& x, const Tensor& y);
  // sums[c] = sum over all pixels of x[.., c]: the gradient of a bias
  virtual void channel_sum(const Tensor& x, const Tensor& sums, Write write);

  // --- A training batch out of the photo set. photos: uint8 {P, S, S, 3} (or {P, H, W, 3});
  //     picks: one per picture, in the device's memory; color: {N, h, w, 3} in `space`; gray:
  //     {N, h, w, 3}, three equal channels: the BT.601 luma of the 8-bit pixel, rounded to 8 bits
  //     as a gray photo file would hold it, in 0..1. Window pixels outside the photo repeat its
  //     edge.
  virtual void assemble_batch(const Tensor& photos, const PhotoPick* picks, ColorSpace space,
                              const Tensor& gray, const Tensor& color);

 protected:
  // What every function above does that a backend does not implement: throws InternalError.
  virtual void unsupported(const char* function) const;
};

}  // namespace gan
