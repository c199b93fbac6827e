// Which kernel computes a convolution, and how its work is divided. See conv.h.
#include "kernels/cuda/conv.h"

#include <algorithm>
#include <limits>

#include "kernels/cuda/conv_launch.cuh"
#include "kernels/cuda/wgmma.h"

namespace gan::cuda {
namespace {

// Blocks that give every multiprocessor of an H200 one. Constants, because sums must not depend on
// the number of a device's multiprocessors.
constexpr int64_t kFullDevice = 132;
// A split shorter than this is all start and end.
constexpr int64_t kMinStepsPerSplit = 4;

struct Extent {
  int64_t m, n;
};
Extent extent_of(ConvTile tile) {
  switch (tile) {
    case ConvTile::m128n128:
    case ConvTile::w128n128:
      return {128, 128};
    case ConvTile::m128n64:
    case ConvTile::w128n64:
      return {128, 64};
    case ConvTile::w256n128:
      return {256, 128};
    case ConvTile::m128n32:
      return {128, 32};
    case ConvTile::m64n32:
      return {64, 32};
    default:
      return {64, 64};
  }
}

bool on_warpgroups(ConvTile tile) {
  return tile >= ConvTile::w256n128;
}

// An operation on the plain convolution with the same geometry.
enum class Direction { forward, data_gradient, weight_gradient };
struct Plain {
  Direction direction;
  Shape x, y;  // the plain convolution's
};
Plain plain_of(const Call& call) {
  switch (call.op) {
    case Op::conv_forward:
      return {Direction::forward, call.x, call.y};
    case Op::conv_backward_data:
      return {Direction::data_gradient, call.x, call.y};
    case Op::conv_backward_weights:
      return {Direction::weight_gradient, call.x, call.y};
    case Op::conv_transpose_forward:
      return {Direction::data_gradient, call.y, call.x};
    case Op::conv_transpose_backward_data:
      return {Direction::forward, call.y, call.x};
    case Op::conv_transpose_backward_weights:
      return {Direction::weight_gradient, call.y, call.x};
    default:
      throw InternalError(str(name_of(call.op), " is not a convolution"));
  }
}

ConvShape shape_of(const ConvGeometry& geometry, const Plain& plain) {
  return plain.direction == Direction::data_gradient
             ? data_gradient_shape(geometry, plain.x, plain.y)
             : forward_shape(geometry, plain.x, plain.y);
}

// Whether all pixels of a tensor can be read in 16-byte packets.
bool takes_packets(const Tensor& t) {
  const int64_t n = 16 / static_cast<int64_t>(size_of(t.dtype()));
  return t.shape().c % n == 0 && cuda::takes_packets(t, static_cast<int>(n), t.shape().pixels());
}

// Whether a vector can be read so; an absent one can.
bool aligned(const Tensor& vector) {
  return reinterpret_cast<uintptr_t>(vector.data()) % 16 == 0;
}
bool takes_packets(const Tensor& t, const ConvPrologue& prologue) {
  return takes_packets(t) && aligned(prologue.scale) && aligned(prologue.shift);
}

void check_vector(const char* name, const Tensor& vector, int64_t channels) {
  if (!vector) return;
  check_shape("convolution", name, vector, vector_shape(channels));
  require(vector.dtype() == DType::f32, "convolution: ", name, " must be float32");
}

PrologueArgs prologue_args(const ConvPrologue& prologue, int64_t channels) {
  require(static_cast<bool>(prologue.scale) == static_cast<bool>(prologue.shift),
          "convolution: a prologue needs scale and shift");
  check_vector("scale", prologue.scale, channels);
  check_vector("shift", prologue.shift, channels);
  return {data_of<float>(prologue.scale), data_of<float>(prologue.shift), prologue.act};
}

// ---- Forward and data gradient

int64_t tiles_of(ConvTile tile, const ConvShape& shape) {
  const Extent e = extent_of(tile);
  int64_t tiles = 0;
  for (int g = 0; g < shape.groups; ++g) tiles += ceil_div(shape.group[g].pixels, e.m);
  return tiles * ceil_div(shape.out_c, e.n);
}

// The measured best of the tiles in conv_wgmma.cu: the large one where it fills the device, or nearly.
ConvTile warpgroup_tile(const ConvShape& shape) {
  constexpr int64_t kNearlyFull = kFullDevice * 9 / 10, kFewTiles = 32;
  if (shape.out_c <= 32) return ConvTile::automatic;
  if (shape.out_c > 64 && tiles_of(ConvTile::w256n128, shape) >= kNearlyFull)
    return ConvTile::w256n128;
  return tiles_of(ConvTile::w128n64, shape) >= kFewTiles ? ConvTile::w128n64 : ConvTile::automatic;
}

ConvTile gemm_tile(ConvTile wanted, DType type, bool gather, const ConvShape& shape) {
  if (gather) return type == DType::bf16 ? ConvTile::m128n64 : ConvTile::m64n64;
  const bool warpgroups = type == DType::bf16 && gpu::has_wgmma();
  if (wanted == ConvTile::automatic && warpgroups) wanted = warpgroup_tile(shape);
  if (on_warpgroups(wanted) && warpgroups)
    return wanted == ConvTile::w256n128 ? wanted : ConvTile::w128n64;
  if (wanted == ConvTile::automatic || on_warpgroups(wanted)) {
    wanted = shape.out_c > 64   ? ConvTile::m128n128
             : shape.out_c > 32 ? ConvTile::m128n64
                                : ConvTile::m128n32;
    if (wanted != ConvTile::m128n32 && tiles_of(wanted, shape) < kFullDevice)
      wanted = ConvTile::m64n64;
  }
  if (wanted == ConvTile::m64n32) return ConvTile::m64n64;
  if (type == DType::bf16 || wanted == ConvTile::m128n128) return wanted;
  return ConvTile::m64n64;
}

// The grid's places for tiles: it has room for the largest group in every group.
int64_t places_of(ConvTile tile, const ConvShape& shape) {
  const Extent e = extent_of(tile);
  int64_t tiles = 0;
  for (int g = 0; g < shape.groups; ++g)
    tiles = std::max(tiles, ceil_div(shape.group[g].pixels, e.m));
  return shape.groups * tiles * ceil_div(shape.out_c, e.n);
}

// Among how many blocks a tile's sum is split where tiles are few: enough for two on every
// multiprocessor, none with less than six steps of 64 terms, because joining costs as much as four.
int64_t splits_of(ConvTile tile, const ConvShape& shape) {
  constexpr int64_t kLeastTerms = 384, kStepTerms = 64;
  const int64_t tiles = tiles_of(tile, shape);
  if (2 * tiles > kFullDevice || places_of(tile, shape) > Scratch::kArrivals) return 1;
  const ConvGroup* const groups = shape.group;
  int64_t splits =
      std::min(2 * kFullDevice / tiles, int64_t{groups[0].taps()} * shape.source_c / kLeastTerms);
  for (int g = 0; g < shape.groups; ++g)
    splits = std::min(splits, ceil_div(int64_t{groups[g].taps()} * shape.source_c, kStepTerms));
  return std::max<int64_t>(1, splits);
}

size_t split_bytes(ConvTile tile, const ConvShape& shape) {
  const int64_t splits = splits_of(tile, shape);
  if (splits == 1) return 0;
  const Extent e = extent_of(tile);
  return static_cast<size_t>(places_of(tile, shape) * splits * e.m * e.n) * sizeof(float);
}

size_t aligned_size(size_t bytes) {
  return gpu::shared_piece_bytes(bytes);
}

size_t sums_bytes(const ConvShape& shape, int64_t tile_m) {
  int64_t tiles = 0;
  for (int g = 0; g < shape.groups; ++g)
    tiles = std::max(tiles, ceil_div(shape.group[g].pixels, tile_m));
  return static_cast<size_t>(2 * shape.groups * tiles * shape.out_c) * sizeof(float);
}

template <class T>
EpilogueArgs<T> epilogue_args(const ConvEpilogue& epilogue, const Tensor& out, void* scratch) {
  const int64_t channels = out.shape().c;
  EpilogueArgs<T> args;
  check_vector("bias", epilogue.bias, channels);
  args.bias = data_of<float>(epilogue.bias);
  args.act = epilogue.act;
  args.accumulate = epilogue.write == Write::accumulate;
  args.out = data_of<T>(out);
  args.vectors = takes_packets(out);
  if (epilogue.gate) {
    check_shape("convolution", "gate", epilogue.gate, out.shape());
    check_vector("gate scale", epilogue.gate_scale, channels);
    check_vector("gate shift", epilogue.gate_shift, channels);
    args.gate = data_of<T>(epilogue.gate);
    args.gate_pitch = epilogue.gate.pitch();
    args.gate_scale = data_of<float>(epilogue.gate_scale);
    args.gate_shift = data_of<float>(epilogue.gate_shift);
    args.gate_act = epilogue.gate_act;
    args.vectors = args.vectors && takes_packets(epilogue.gate);
  }
  const Tensor* const wanted[] = {&epilogue.mean, &epilogue.variance, &epilogue.sum,
                                  &epilogue.sum_normalized};
  for (const Tensor* vector : wanted) check_vector("sum", *vector, channels);
  if (epilogue.mean) {
    args.sums = ConvSums::statistics;
  } else if (epilogue.sum) {
    require(epilogue.gate && epilogue.norm_mean && epilogue.norm_inv_std,
            "convolution: the sums of batch norm's gradient need its input and statistics");
    check_vector("mean", epilogue.norm_mean, channels);
    check_vector("inv_std", epilogue.norm_inv_std, channels);
    args.sums = ConvSums::gradients;
    args.norm_mean = data_of<float>(epilogue.norm_mean);
    args.norm_inv_std = data_of<float>(epilogue.norm_inv_std);
  }
  require(static_cast<bool>(epilogue.mean) == static_cast<bool>(epilogue.variance) &&
              static_cast<bool>(epilogue.sum) == static_cast<bool>(epilogue.sum_normalized) &&
              !(epilogue.mean && epilogue.sum),
          "convolution: sums come in pairs, one pair at a time");
  require(args.sums == ConvSums::none || scratch != nullptr, "convolution: sums need scratch");
  args.partials = static_cast<float*>(scratch);
  return args;
}

template <class T>
void gather(ConvShape shape, ConvChoice choice, const Tensor& source, const void* packed,
            const ConvPrologue& prologue, const ConvEpilogue& epilogue, const Tensor& out,
            const Scratch& scratch, gpu::Stream stream) {
  shape.source_pitch = source.pitch();
  shape.out_pitch = out.pitch();
  GemmArgs<T> args;
  args.shape = shape;
  args.source = data_of<T>(source);
  args.weights = static_cast<const T*>(packed);
  args.prologue = prologue_args(prologue, source.shape().c);
  args.epilogue = epilogue_args<T>(epilogue, out, scratch.memory);

  const bool packets = takes_packets(source, prologue);
  const bool plain = !args.epilogue.gate && args.epilogue.sums == ConvSums::none &&
                     choice.tile == ConvTile::automatic;
  if constexpr (sizeof(T) == 2) {
    if (plain && packets && !args.prologue.scale && thin_rows_supports(shape))
      return launch_thin_rows(args, source.shape().n, stream);
    if (plain && !args.prologue.scale && few_supports(shape)) return launch_few(args, stream);
  }
  if (plain && packets && thin_supports(shape)) return launch_thin(args, source.shape().n, stream);
  const ConvLoad load = !packets              ? ConvLoad::gather
                        : args.prologue.scale ? ConvLoad::normalize
                                              : ConvLoad::copy;
  const ConvTile tile = gemm_tile(choice.tile, source.dtype(), load == ConvLoad::gather, shape);
  if (choice.tile == ConvTile::automatic && load != ConvLoad::gather) {
    args.splits = static_cast<int>(splits_of(tile, shape));
    const size_t sums = args.epilogue.sums == ConvSums::none ? 0 : sums_bytes(shape, 64);
    if (args.splits > 1) {
      args.parts =
          reinterpret_cast<float*>(static_cast<std::byte*>(scratch.memory) + aligned_size(sums));
      args.arrivals = scratch.arrivals;
    }
  }
  if constexpr (sizeof(T) == 2)
    (on_warpgroups(tile) ? gemm_wgmma : gemm_bf16)(args, tile, load, stream);
  else if (choice.math == Math::tf32)
    gemm_tf32(args, tile, load, stream);
  else
    gemm_fp32(args, tile, load, stream);

  const int tile_m = static_cast<int>(extent_of(tile).m);
  if (args.epilogue.sums == ConvSums::statistics)
    finish_statistics(shape, tile_m, args.epilogue.partials, epilogue.mean.as<float>(),
                      epilogue.variance.as<float>(), stream);
  else if (args.epilogue.sums == ConvSums::gradients)
    finish_gradient_sums(shape, tile_m, args.epilogue.partials, epilogue.sum.as<float>(),
                         epilogue.sum_normalized.as<float>(), epilogue.sums_write, stream);
}

void gather(const ConvShape& shape, ConvChoice choice, const Tensor& source, const void* packed,
            const ConvPrologue& prologue, const ConvEpilogue& epilogue, const Tensor& out,
            const Scratch& scratch, gpu::Stream stream) {
  require(source.dtype() == out.dtype(), "convolution: source and output differ in type");
  with_storage_type(source.dtype(), [&](auto element) {
    gather<decltype(element)>(shape, choice, source, packed, prologue, epilogue, out, scratch,
                              stream);
  });
}

// x and y are those of the plain convolution.
void run_forward(const ConvGeometry& geometry, ConvChoice choice, const Tensor& x,
                 const void* packed, const ConvPrologue& prologue, const ConvEpilogue& epilogue,
                 const Tensor& y, const Scratch& scratch, gpu::Stream stream) {
  check_shape("convolution", "the smaller side", y, conv_output(x.shape(), y.shape().c, geometry));
  gather(forward_shape(geometry, x.shape(), y.shape()), choice, x, packed, prologue, epilogue, y,
         scratch, stream);
}
void run_data_gradient(const ConvGeometry& geometry, ConvChoice choice, const Tensor& dy,
                       const void* packed, const ConvPrologue& prologue,
                       const ConvEpilogue& epilogue, const Tensor& dx, const Scratch& scratch,
                       gpu::Stream stream) {
  check_shape("convolution data gradient", "the smaller side", dy,
              conv_output(dx.shape(), dy.shape().c, geometry));
  gather(data_gradient_shape(geometry, dx.shape(), dy.shape()), choice, dy, packed, prologue,
         epilogue, dx, scratch, stream);
}

// ---- Weight gradient

ConvTile wgrad_tile(ConvTile wanted, DType type, WgradLoad load, const ConvShape& shape) {
  if (load == WgradLoad::gather || load == WgradLoad::gather_source)
    return type == DType::bf16 ? ConvTile::m64n32 : ConvTile::m64n64;
  const bool warpgroups = type == DType::bf16 && gpu::has_wgmma();
  if (on_warpgroups(wanted) && warpgroups)
    return wanted == ConvTile::w256n128 ? wanted : ConvTile::w128n128;
  if (wanted != ConvTile::automatic && !on_warpgroups(wanted))
    return wanted == ConvTile::m128n128 ? ConvTile::m128n128 : ConvTile::m64n64;
  const bool large = shape.out_c > 64 && shape.group[0].taps() * shape.source_c > 64;
  if (!large) return ConvTile::m64n64;
  if (!warpgroups) return ConvTile::m128n128;
  return shape.out_c > 128 ? ConvTile::w256n128 : ConvTile::w128n128;
}

// Pixels of one split: enough splits for two blocks on every multiprocessor, or one of those that fill it.
int64_t split_pixels(const ConvShape& shape, ConvTile tile) {
  const Extent e = extent_of(tile);
  const int64_t columns = int64_t{shape.group[0].taps()} * shape.source_c;
  const int64_t tiles = ceil_div(shape.out_c, e.m) * ceil_div(columns, e.n);
  const int64_t blocks = tile == ConvTile::w256n128 ? kFullDevice : 2 * kFullDevice;
  const int64_t splits = std::max<int64_t>(1, blocks / tiles);
  const int64_t steps = ceil_div(shape.group[0].pixels, kWgradStep);
  return kWgradStep * std::max(kMinStepsPerSplit, ceil_div(steps, splits));
}

size_t parts_bytes(const ConvShape& shape, int64_t splits) {
  return static_cast<size_t>(splits * shape.out_c * shape.group[0].taps() * shape.source_c) *
         sizeof(float);
}

size_t parts_bytes(const ConvShape& shape, ConvTile tile) {
  return parts_bytes(shape, ceil_div(shape.group[0].pixels, split_pixels(shape, tile)));
}

// The weight gradient of a convolution of stride 1 with few output channels is that of the mirrored
// convolution from dy to x: then the wide tensor is read once, not once for every tap.
bool mirrors(const ConvGeometry& geometry, int64_t x_channels, int64_t y_channels) {
  return geometry.stride == 1 && y_channels < 8 && x_channels > y_channels &&
         geometry.padding < geometry.kernel;
}
ConvGeometry mirrored(const ConvGeometry& geometry) {
  return {geometry.kernel, 1, geometry.kernel - 1 - geometry.padding, 0};
}

template <class T>
void weight_gradient(ConvShape shape, bool is_mirrored, ConvChoice choice, const Tensor& source,
                     const ConvPrologue& source_prologue, const Tensor& slope,
                     const ConvPrologue& slope_prologue, const Tensor& dw, Write write,
                     void* scratch, gpu::Stream stream) {
  shape.source_pitch = source.pitch();
  shape.out_pitch = slope.pitch();
  WgradArgs<T> args;
  args.shape = shape;
  args.source = data_of<T>(source);
  args.slope = data_of<T>(slope);
  args.source_prologue = prologue_args(source_prologue, source.shape().c);
  args.slope_prologue = prologue_args(slope_prologue, slope.shape().c);
  args.parts = static_cast<float*>(scratch);

  const bool normalizes = args.source_prologue.scale || args.slope_prologue.scale;
  const auto reduce = [&](int64_t splits) {
    reduce_splits({args.parts, dw.as<float>(), static_cast<int>(splits), shape.out_c,
                   shape.group[0].taps(), shape.source_c, is_mirrored, write},
                  stream);
  };
  if constexpr (sizeof(T) == 2) {
    if (!normalizes && choice.tile == ConvTile::automatic && takes_packets(slope) &&
        few_supports(shape)) {
      launch_few_wgrad(args, stream);
      return reduce(few_wgrad_splits(shape));
    }
  }
  const WgradLoad load = !takes_packets(slope, slope_prologue)     ? WgradLoad::gather
                         : !takes_packets(source, source_prologue) ? WgradLoad::gather_source
                         : normalizes                              ? WgradLoad::normalize
                                                                   : WgradLoad::copy;
  const ConvTile tile = wgrad_tile(choice.tile, source.dtype(), load, shape);
  args.split_pixels = static_cast<int>(split_pixels(shape, tile));
  if constexpr (sizeof(T) == 2)
    (on_warpgroups(tile) ? wgrad_wgmma : wgrad_bf16)(args, tile, load, stream);
  else if (choice.math == Math::tf32)
    wgrad_tf32(args, tile, load, stream);
  else
    wgrad_fp32(args, tile, load, stream);

  reduce(ceil_div(shape.group[0].pixels, args.split_pixels));
}

// x and dy are those of the plain convolution.
void run_weight_gradient(const ConvGeometry& geometry, ConvChoice choice, const Tensor& x,
                         const ConvPrologue& x_prologue, const Tensor& dy,
                         const ConvPrologue& dy_prologue, const Tensor& dw, Write write,
                         void* scratch, gpu::Stream stream) {
  const int64_t kernel = geometry.kernel;
  check_shape("convolution weight gradient", "the smaller side", dy,
              conv_output(x.shape(), dy.shape().c, geometry));
  check_shape("convolution weight gradient", "dw", dw, {dy.shape().c, kernel, kernel, x.shape().c});
  require(x.dtype() == dy.dtype(), "convolution weight gradient: x and dy differ in type");
  require(dw.dense() && dw.dtype() == DType::f32,
          "convolution weight gradient: dw must be dense float32");
  with_storage_type(x.dtype(), [&](auto element) {
    using T = decltype(element);
    if (mirrors(geometry, x.shape().c, dy.shape().c))
      weight_gradient<T>(forward_shape(mirrored(geometry), dy.shape(), x.shape()), true, choice, dy,
                         dy_prologue, x, x_prologue, dw, write, scratch, stream);
    else
      weight_gradient<T>(forward_shape(geometry, x.shape(), dy.shape()), false, choice, x,
                         x_prologue, dy, dy_prologue, dw, write, scratch, stream);
  });
}

}  // namespace

bool conv_supports(const Call& call) {
  const Plain plain = plain_of(call);
  const ConvGeometry& g = call.geometry;
  const auto exists = [](const Shape& s) {
    constexpr int64_t kLimit = std::numeric_limits<int>::max() / kMaxTaps;
    return s.n > 0 && s.h > 0 && s.w > 0 && s.c > 0 && s.c < kLimit && s.pixels() < kLimit;
  };
  return (call.dtype == DType::f32 || call.dtype == DType::bf16) && g.kernel >= 1 &&
         g.kernel * g.kernel <= kMaxTaps && (g.stride == 1 || g.stride == 2) && g.padding >= 0 &&
         exists(plain.x) && exists(plain.y) && conv_output(plain.x, plain.y.c, g) == plain.y;
}

size_t conv_pack_bytes(const Call& call) {
  const Plain plain = plain_of(call);
  if (plain.direction == Direction::weight_gradient) return 0;
  const int64_t kernel = call.geometry.kernel;
  return static_cast<size_t>(kernel * kernel * plain.x.c * plain.y.c) * size_of(call.dtype);
}

WeightJob conv_pack_job(const Call& call, const Tensor& w, void* packed) {
  const Plain plain = plain_of(call);
  const int64_t kernel = call.geometry.kernel;
  check_shape("packing weights", "w", w, {plain.y.c, kernel, kernel, plain.x.c});
  require(w.dense() && w.dtype() == DType::f32, "packing weights: w must be dense float32");
  require(plain.direction != Direction::weight_gradient, "packing weights: there are none");
  if (plain.direction == Direction::forward) return cast_job(w, packed);
  return data_gradient_job(call.geometry, shape_of(call.geometry, plain), w, packed);
}

size_t conv_scratch_bytes(const Call& call, bool sums) {
  const Plain plain = plain_of(call);
  const ConvShape shape = shape_of(call.geometry, plain);
  if (plain.direction != Direction::weight_gradient) {
    const ConvTile tile = gemm_tile(ConvTile::automatic, call.dtype, false, shape);
    return (sums ? aligned_size(sums_bytes(shape, 64)) : 0) + split_bytes(tile, shape);
  }
  const bool mirror = mirrors(call.geometry, plain.x.c, plain.y.c);
  const ConvShape roles = mirror ? forward_shape(mirrored(call.geometry), plain.y, plain.x) : shape;
  return std::max({parts_bytes(roles, ConvTile::m128n128), parts_bytes(roles, ConvTile::m64n64),
                   parts_bytes(roles, ConvTile::m64n32), parts_bytes(roles, ConvTile::w256n128),
                   few_supports(roles) ? parts_bytes(roles, few_wgrad_splits(roles)) : 0});
}

void conv_forward(const ConvGeometry& geometry, ConvChoice choice, const Tensor& x,
                  const void* packed, const ConvPrologue& prologue, const ConvEpilogue& epilogue,
                  const Tensor& y, const Scratch& scratch, gpu::Stream stream) {
  run_forward(geometry, choice, x, packed, prologue, epilogue, y, scratch, stream);
}
void conv_backward_data(const ConvGeometry& geometry, ConvChoice choice, const Tensor& dy,
                        const void* packed, const ConvPrologue& prologue,
                        const ConvEpilogue& epilogue, const Tensor& dx, const Scratch& scratch,
                        gpu::Stream stream) {
  run_data_gradient(geometry, choice, dy, packed, prologue, epilogue, dx, scratch, stream);
}
void conv_backward_weights(const ConvGeometry& geometry, ConvChoice choice, const Tensor& x,
                           const ConvPrologue& prologue, const Tensor& dy, const Tensor& dw,
                           Write write, void* scratch, gpu::Stream stream) {
  run_weight_gradient(geometry, choice, x, prologue, dy, {}, dw, write, scratch, stream);
}
void conv_transpose_forward(const ConvGeometry& geometry, ConvChoice choice, const Tensor& x,
                            const void* packed, const ConvPrologue& prologue,
                            const ConvEpilogue& epilogue, const Tensor& y, const Scratch& scratch,
                            gpu::Stream stream) {
  run_data_gradient(geometry, choice, x, packed, prologue, epilogue, y, scratch, stream);
}
void conv_transpose_backward_data(const ConvGeometry& geometry, ConvChoice choice, const Tensor& dy,
                                  const void* packed, const ConvPrologue& prologue,
                                  const ConvEpilogue& epilogue, const Tensor& dx,
                                  const Scratch& scratch, gpu::Stream stream) {
  run_forward(geometry, choice, dy, packed, prologue, epilogue, dx, scratch, stream);
}
void conv_transpose_backward_weights(const ConvGeometry& geometry, ConvChoice choice,
                                     const Tensor& x, const ConvPrologue& prologue,
                                     const Tensor& dy, const Tensor& dw, Write write, void* scratch,
                                     gpu::Stream stream) {
  run_weight_gradient(geometry, choice, dy, {}, x, prologue, dw, write, scratch, stream);
}

}  // namespace gan::cuda
