// Which kernel computes a convolution, and its launch. See conv.h; conv_plan.h divides the work.
#include "kernels/cuda/conv.h"

#include "kernels/cuda/conv_launch.cuh"
#include "kernels/cuda/conv_plan.h"

namespace gan::cuda {
namespace {

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
  const bool plain =
      !args.epilogue.gate && args.epilogue.sums == ConvSums::none && choice.automatic();
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
  if (load != ConvLoad::gather) {
    args.splits = static_cast<int>(splits_of(tile, shape, choice.splits));
    const bool sums = args.epilogue.sums != ConvSums::none;
    args.in_clusters = in_clusters(choice, args.splits, sums);
    if (args.splits > 1 && !args.in_clusters) {
      args.parts = reinterpret_cast<float*>(static_cast<std::byte*>(scratch.memory) +
                                            (sums ? sums_bytes(shape) : 0));
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
    if (!normalizes && choice.automatic() && takes_packets(slope) && few_supports(shape)) {
      launch_few_wgrad(args, stream);
      return reduce(few_wgrad_splits(shape));
    }
  }
  const WgradLoad load = !takes_packets(slope, slope_prologue)     ? WgradLoad::gather
                         : !takes_packets(source, source_prologue) ? WgradLoad::gather_source
                         : normalizes                              ? WgradLoad::normalize
                                                                   : WgradLoad::copy;
  const ConvTile tile = wgrad_tile(choice.tile, source.dtype(), load, shape);
  args.split_pixels = static_cast<int>(split_pixels(tile, shape, choice.splits));
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
