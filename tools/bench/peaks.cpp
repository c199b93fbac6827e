#include "tools/bench/peaks.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "engine/arena.h"
#include "engine/parallel.h"
#include "kernels/cpu/instruction_set.h"
#include "kernels/cpu/vectors.h"

namespace gan::bench {
namespace {

constexpr double kSeconds = 0.2;  // of looking for the best
constexpr int kFewest = 3;
constexpr int64_t kRounds = 200'000;

// The shortest of several runs.
template <class Body>
double shortest(Body&& body) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  body();
  const auto begin = Clock::now();
  double best = 1e9;
  for (int i = 0; i < kFewest || seconds_since(begin) < kSeconds; ++i) {
    const auto start = Clock::now();
    body();
    best = std::min(best, seconds_since(start));
  }
  return best;
}

#if defined(GAN_VECTORS)

using cpu::Medium;
using cpu::Narrow;
using cpu::Wide;

struct MultiplyAdd {
  static constexpr int kFlop = 2;
  template <class Vector>
  static GAN_INLINE void step(Vector& sum, const Vector& a, const Vector& b) {
    sum = sum * a + b;
  }
};

// Sums in registers, enough of them to hide how long one multiply-add takes, few enough to leave room
// for the factors. Returns the operations of all lanes.
template <class Width, int sums, class Product>
GAN_INLINE double multiply_adds(float value) {
  using Vector = typename Width::Vector;
  const Vector factor = Vector{} + value, term = Vector{} + (1 - value);
  Vector sum[sums];
  // Each from another number, or the compiler would see that all of them are the same. Only loops
  // that are unrolled keep the sums in registers.
  GAN_UNROLL
  for (int i = 0; i < sums; ++i) sum[i] = Vector{} + value * static_cast<float>(i);
  for (int64_t round = 0; round < kRounds; ++round) {
    GAN_UNROLL
    for (int i = 0; i < sums; ++i) Product::step(sum[i], factor, term);
  }
  Vector total = {};
  GAN_UNROLL
  for (int i = 0; i < sums; ++i) total += sum[i];
  // Somebody has to want the sums.
  static std::atomic<float> result;
  result = total[0];
  constexpr double kLanes = sizeof(Vector) / sizeof(float);
  return static_cast<double>(kRounds) * sums * kLanes * Product::kFlop;
}

double baseline(float value) {
  return multiply_adds<Narrow, 12, MultiplyAdd>(value);
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) double avx2(float value) {
  return multiply_adds<Medium, 12, MultiplyAdd>(value);
}
__attribute__((target("avx512f"))) double avx512(float value) {
  return multiply_adds<Wide, 16, MultiplyAdd>(value);
}

#if !defined(__clang__)
struct PairProducts {
  static constexpr int kFlop = 4;
  static GAN_INLINE void step(Wide::Vector& sum, const Wide::Vector& a, const Wide::Vector& b) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
};
__attribute__((target("avx512f,avx512bf16"))) double avx512_bf16(float value) {
  return multiply_adds<Wide, 16, PairProducts>(value);
}
#endif

#endif

using Loop = double (*)(float);
Loop best_loop(DevicePrecision precision) {
#if defined(__x86_64__)
  using cpu::InstructionSet;
  const InstructionSet set = cpu::instruction_set();
#if !defined(__clang__)
  if (precision == DevicePrecision::bf16 && set == InstructionSet::avx512_bf16) return avx512_bf16;
#endif
  if (set >= InstructionSet::avx512) return avx512;
  if (set == InstructionSet::avx2) return avx2;
#endif
  (void)precision;
  return baseline;
}

#else

using Loop = double (*)(float);
Loop best_loop(DevicePrecision) {
  return [](float value) {
    volatile float sum = 0;
    for (int64_t round = 0; round < kRounds; ++round) sum = sum * value + (1 - value);
    return 2.0 * kRounds;
  };
}

#endif

Peaks cpu_peaks(DevicePrecision precision) {
  const Loop loop = best_loop(precision);
  volatile float value = 0.5f;  // not known when this is compiled
  double flop = 0;              // of one thread
  const double seconds = shortest([&] {
    parallel_for(threads(), [&](int64_t i) {
      const double done = loop(value);
      if (i == 0) flop = done;
    });
  });

  constexpr size_t kBytes = size_t{128} << 20;
  const Buffer from(host_memory(), kBytes), to(host_memory(), kBytes);
  host_memory().fill_zero(from.data(), kBytes);
  const size_t piece = kBytes / static_cast<size_t>(threads());
  const double copy = shortest([&] {
    parallel_for(threads(), [&](int64_t i) {
      const size_t begin = static_cast<size_t>(i) * piece;
      std::memcpy(static_cast<std::byte*>(to.data()) + begin,
                  static_cast<const std::byte*>(from.data()) + begin, piece);
    });
  });
  const double copied = 2.0 * static_cast<double>(piece) * threads();
  return {flop * threads() / seconds, copied / copy,
          "multiply-adds in registers, a copy of 128 MB"};
}

Peaks gpu_peaks(Device& device) {
  constexpr int64_t kPictures = 16, kExtent = 64, kChannels = 512, kTaps = 9;
  constexpr int kConvolutions = 10, kCopies = 100;  // at a time, each some milliseconds
  Arena arena(device.memory);
  const Shape pictures = {kPictures, kExtent, kExtent, kChannels};
  // Zeros would take less power, and with it less time, than what networks compute with.
  const Tensor step = arena.allocate(vector_shape(2), DType::f32);  // a uint64_t
  device.memory.fill_zero(step.data(), step.bytes());
  const auto random_numbers = [&](const Shape& shape, DType dtype) {
    const Tensor tensor = arena.allocate(shape, dtype);
    device.kernels({Op::random, dtype, shape, shape, {}})
        .fill_uniform({.seed = 1, .step = static_cast<const uint64_t*>(step.data())}, tensor);
    return tensor;
  };
  const Tensor x = random_numbers(pictures, device.pictures());
  const Tensor y = arena.allocate(pictures, device.pictures());
  const Weights w = {random_numbers({kChannels, 3, 3, kChannels}, DType::f32), next_version()};
  const auto burst = [&](int times, auto&& work) {
    return shortest([&] {
             for (int i = 0; i < times; ++i) work();
             std::byte first;
             device.memory.copy_to_host(&first, y.data(), 1);
           }) /
           times;
  };
  const ConvGeometry geometry;
  Backend& conv = device.kernels({Op::conv_forward, x.dtype(), pictures, pictures, geometry});
  const double convolution =
      burst(kConvolutions, [&] { conv.conv_forward(geometry, x, w, {}, y); });
  Backend& memory = device.kernels({Op::memory, x.dtype(), pictures, pictures});
  const double copy = burst(kCopies, [&] { memory.copy(x, y); });
  const double flop = 2.0 * static_cast<double>(x.elements()) * kTaps * kChannels;
  return {flop / convolution, 2.0 * static_cast<double>(x.bytes()) / copy,
          "a convolution of 512 channels, a copy"};
}

}  // namespace

Peaks measure_peaks(Device& device) {
  return device.memory.device() == DeviceKind::gpu ? gpu_peaks(device)
                                                   : cpu_peaks(device.precision);
}

double least_seconds(const Peaks& peaks, double flop, double bytes) {
  return std::max(flop / peaks.flop, bytes / peaks.bytes);
}

}  // namespace gan::bench
