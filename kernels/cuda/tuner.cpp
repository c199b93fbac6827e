#include "kernels/cuda/tuner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <string>
#include <utility>

#include "engine/error.h"

namespace gan {
namespace {

constexpr int kWarmUp = 3, kRounds = 3, kLeast = 3, kMost = 20;  // calls of a round
constexpr double kRoundSeconds = 0.005;                          // about, for slow calls
constexpr double kClearly = 0.97;                                // of the first backend's time

std::string text_of(const Call& call) {
  const ConvGeometry& g = call.geometry;
  return str(name_of(call.op), " ", name_of(call.dtype), " ", call.x, " ", call.y, " kernel ",
             g.kernel, " stride ", g.stride, " padding ", g.padding);
}

// The tensors of a convolution, filled with random numbers: zeros take less power, and with it less time.
struct Operands {
  Buffer memory;
  Tensor x, y, w;

  Operands(Memory& device, const Call& call, const Kernels::Backends& among) {
    const bool transposed = call.op >= Op::conv_transpose_forward;
    const int64_t k = call.geometry.kernel;
    const Shape weights =
        transposed ? Shape{call.x.c, k, k, call.y.c} : Shape{call.y.c, k, k, call.x.c};
    const auto rounded = [](int64_t elements, DType dtype) {
      return (static_cast<size_t>(elements) * size_of(dtype) + 255) / 256 * 256;
    };
    const size_t x_bytes = rounded(call.x.elements(), call.dtype);
    const size_t y_bytes = rounded(call.y.elements(), call.dtype);
    const size_t w_bytes = rounded(weights.elements(), DType::f32);
    memory = Buffer(device, x_bytes + y_bytes + w_bytes + sizeof(uint64_t));
    device.fill_zero(memory.data(), memory.bytes());
    auto* start = static_cast<std::byte*>(memory.data());
    x = Tensor(start, call.x, call.dtype);
    y = Tensor(start + x_bytes, call.y, call.dtype);
    w = Tensor(start + x_bytes + y_bytes, weights, DType::f32);
    for (const auto& backend : among) {
      if (!backend->supports({Op::random, call.dtype, call.x, call.x, {}})) continue;
      const auto* step = reinterpret_cast<const uint64_t*>(start + x_bytes + y_bytes + w_bytes);
      uint32_t stream = 0;
      for (const Tensor& tensor : {x, y, w}) {
        backend->fill_uniform({.seed = 1, .stream = ++stream, .step = step}, tensor);
      }
      break;
    }
  }
};

void run(const Call& call, Backend& backend, const Operands& t, uint64_t version) {
  const ConvGeometry& g = call.geometry;
  const Weights w = {t.w, version};
  switch (call.op) {
    case Op::conv_forward:
      return backend.conv_forward(g, t.x, w, {}, t.y);
    case Op::conv_backward_data:
      return backend.conv_backward_data(g, t.y, w, t.x, Write::overwrite);
    case Op::conv_backward_weights:
      return backend.conv_backward_weights(g, t.x, t.y, t.w, Write::overwrite);
    case Op::conv_transpose_forward:
      return backend.conv_transpose_forward(g, t.x, w, {}, t.y);
    case Op::conv_transpose_backward_data:
      return backend.conv_transpose_backward_data(g, t.y, w, t.x, Write::overwrite);
    case Op::conv_transpose_backward_weights:
      return backend.conv_transpose_backward_weights(g, t.x, t.y, t.w, Write::overwrite);
    default:
      throw InternalError(str(name_of(call.op), " is not a convolution"));
  }
}

}  // namespace

Tuner::Tuner(Memory& memory, Choices choices) : memory_(memory), choices_(std::move(choices)) {}

double Tuner::seconds(const Call& call, Backend& backend, const Kernels::Backends& among) {
  const Operands operands(memory_, call, among);
  const uint64_t version = next_version();  // packed once, as over a step
  const auto wait = [&] {
    float first = 0;
    memory_.copy_to_host(&first, operands.w.data(), sizeof(first));
  };
  const auto time = [&](int repeats) {
    wait();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) run(call, backend, operands, version);
    wait();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    return time.count() / repeats;
  };
  time(kWarmUp);
  double best = time(kLeast);
  const int repeats =
      std::clamp(static_cast<int>(kRoundSeconds / std::max(best, 1e-9)), kLeast, kMost);
  for (int round = 0; round < kRounds; ++round) best = std::min(best, time(repeats));
  return best;
}

Backend* Tuner::choose(const Call& call, const Kernels::Backends& among) {
  if (call.op > Op::conv_transpose_backward_weights) return nullptr;
  const std::string text = text_of(call);
  const std::string known = choices_.find(text);
  for (const auto& backend : among) {
    if (backend->name() == known && backend->supports(call)) return backend.get();
  }
  Backend* fastest = nullptr;
  double least = 0;
  std::string times;
  for (const auto& backend : among) {
    if (!backend->supports(call)) continue;
    double time = 0;
    try {
      time = seconds(call, *backend, among);
    } catch (const DeviceError& error) {  // memory that is short now may not be so next time
      std::cerr << "not tuned: " << text << ": " << error.what() << std::endl;
      return nullptr;
    }
    times += str(times.empty() ? "" : ", ", backend->name(), " ", fixed(1e6 * time, 1), " us");
    if (fastest && time > kClearly * least) continue;
    fastest = backend.get();
    least = time;
  }
  if (!fastest) return nullptr;
  std::cerr << "tuned: " << text << ": " << times << " -> " << fastest->name() << std::endl;
  choices_.keep(text, std::string(fastest->name()));
  return fastest;
}

}  // namespace gan
