#include "kernels/cuda/tuner.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <limits>
#include <string>
#include <utility>

#include "engine/error.h"
#include "engine/replay.h"

namespace gan {
namespace {

constexpr int kMostTogether = 20;        // calls recorded as one piece
constexpr double kPieceSeconds = 0.002;  // of a piece, at most, by a first call's time
constexpr int kRounds = 3, kMostPieces = 30;
constexpr double kRoundSeconds = 0.003, kGlanceSeconds = 0.0006;
constexpr double kClearly = 0.97;  // of the time of what it takes the place of
constexpr double kRefused = std::numeric_limits<double>::infinity();  // its time

std::string text_of(const Call& call) {
  const ConvGeometry& g = call.geometry;
  return str(name_of(call.op), " ", name_of(call.dtype), " ", call.x, " ", call.y, " kernel ",
             g.kernel, " stride ", g.stride, " padding ", g.padding,
             call.finishes ? " finished" : "", call.adds ? " added" : "",
             call.x_pitch > 0 ? str(" x pitch ", call.x_pitch) : "",
             call.y_pitch > 0 ? str(" y pitch ", call.y_pitch) : "");
}

// The tensors of a convolution, filled with random numbers: zeros take less power, and with it less time.
struct Operands {
  Buffer memory;
  Tensor x, y, w, bias;

  Operands(Memory& device, const Call& call, const Kernels::Backends& among) {
    const bool transposed = call.op >= Op::conv_transpose_forward;
    const int64_t k = call.geometry.kernel;
    const Shape weights =
        transposed ? Shape{call.x.c, k, k, call.y.c} : Shape{call.y.c, k, k, call.x.c};
    const auto rounded = [](int64_t elements, DType dtype) {
      return (static_cast<size_t>(elements) * size_of(dtype) + 255) / 256 * 256;
    };
    const int64_t x_pitch = std::max(call.x_pitch, call.x.c);
    const int64_t y_pitch = std::max(call.y_pitch, call.y.c);
    const size_t x_bytes = rounded(call.x.pixels() * x_pitch, call.dtype);
    const size_t y_bytes = rounded(call.y.pixels() * y_pitch, call.dtype);
    const size_t w_bytes = rounded(weights.elements(), DType::f32);
    const size_t bias_bytes = rounded(call.y.c, DType::f32);
    const size_t bias_at = x_bytes + y_bytes + w_bytes, step_at = bias_at + bias_bytes;
    memory = Buffer(device, step_at + sizeof(uint64_t));
    device.fill_zero(memory.data(), memory.bytes());
    auto* start = static_cast<std::byte*>(memory.data());
    x = Tensor(start, call.x, call.dtype, x_pitch);
    y = Tensor(start + x_bytes, call.y, call.dtype, y_pitch);
    w = Tensor(start + x_bytes + y_bytes, weights, DType::f32);
    bias = Tensor(start + bias_at, vector_shape(call.y.c), DType::f32);
    for (const auto& backend : among) {
      if (!backend->supports({Op::random, call.dtype, call.x, call.x, {}})) continue;
      const auto* step = reinterpret_cast<const uint64_t*>(start + step_at);
      uint32_t stream = 0;
      for (const Tensor& tensor : {x, y, w, bias}) {
        backend->fill_uniform({.seed = 1, .stream = ++stream, .step = step}, tensor);
      }
      break;
    }
  }
};

void run(const Call& call, Backend& backend, const Operands& t, uint64_t version) {
  const ConvGeometry& g = call.geometry;
  const Weights w = {t.w, version};
  const Epilogue end = call.finishes ? Epilogue{t.bias, Activation::relu} : Epilogue{};
  const Write write = call.adds ? Write::accumulate : Write::overwrite;
  switch (call.op) {
    case Op::conv_forward:
      return backend.conv_forward(g, t.x, w, end, t.y);
    case Op::conv_backward_data:
      return backend.conv_backward_data(g, t.y, w, t.x, write);
    case Op::conv_backward_weights:
      return backend.conv_backward_weights(g, t.x, t.y, t.w, Write::overwrite);
    case Op::conv_transpose_forward:
      return backend.conv_transpose_forward(g, t.x, w, end, t.y);
    case Op::conv_transpose_backward_data:
      return backend.conv_transpose_backward_data(g, t.y, w, t.x, write);
    case Op::conv_transpose_backward_weights:
      return backend.conv_transpose_backward_weights(g, t.x, t.y, t.w, Write::overwrite);
    default:
      throw InternalError(str(name_of(call.op), " is not a convolution"));
  }
}

// How well a time is to be known. Of a short call a glance takes a few milliseconds, all of it ten.
enum class Effort { glance, full };

// Of one call, as a training step runs it: recorded many times over as one piece and replayed, so
// that what the host takes for a call, which in cuDNN may be longer than the call itself, does not
// count. The operands are the same every time; small ones stay in the device's cache, as what a
// layer has just written does for the next one.
double seconds(Memory& memory, const Call& call, Backend& backend, const Operands& operands,
               Effort effort) {
  const uint64_t version = next_version();  // packed once, as over a step
  const auto once = [&] { run(call, backend, operands, version); };
  const auto time = [&](const std::function<void()>& work, int times) {
    const auto wait = [&] {
      float first = 0;
      memory.copy_to_host(&first, operands.w.data(), sizeof(first));
    };
    wait();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) work();
    wait();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    return time.count() / times;
  };
  const auto as_many = [](double seconds, double each, double most) {
    return static_cast<int>(std::clamp(seconds / std::max(each, 1e-9), 1.0, most));
  };
  once();  // finds its algorithm, packs its weights, takes its working memory
  const int together = as_many(kPieceSeconds, time(once, 1), kMostTogether);
  const std::function<void()> piece = repeated(memory, together, once);
  time(piece, 1);
  const bool full = effort == Effort::full;
  const int times = as_many(full ? kRoundSeconds : kGlanceSeconds, time(piece, 1), kMostPieces);
  double best = time(piece, times);
  for (int round = 1; full && round < kRounds; ++round) best = std::min(best, time(piece, times));
  return best / together;
}

// The device does nothing any more, and nobody can do without what failed: no DeviceError therefore.
struct DeviceLost : Error {
  explicit DeviceLost(const std::string& message) : Error(ExitCode::device, message) {}
};

// A backend and one of its ways of computing a call.
struct Candidate {
  Backend* backend;
  std::vector<std::string> variants;
  size_t variant = 0;
  double seconds = 0;        // kRefused, or of one call
  std::string refusal = {};  // why
};

std::vector<Candidate> candidates_for(const Call& call, const Kernels::Backends& among) {
  std::vector<Candidate> all;
  for (const auto& backend : among) {
    if (!backend->supports(call)) continue;
    backend->take_variant(call, 0);
    all.push_back({backend.get(), backend->variants(call)});
  }
  return all;
}

bool any_has_variants(const std::vector<Candidate>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(),
                     [](const Candidate& one) { return one.variants.size() > 1; });
}

// How it is kept: "cudnn", or "cuda: w64n64, 2 splits" where there was a choice between variants.
// So a name alone is not what was chosen among those there are today.
std::string entry_of(const Candidate& one, bool among_variants) {
  const std::string name(one.backend->name());
  return among_variants ? name + ": " + one.variants[one.variant] : name;
}

// The backend that `entry` names, taking its variant; null where it names none of them.
Backend* recall(const Call& call, std::vector<Candidate> candidates, const std::string& entry) {
  const bool among_variants = any_has_variants(candidates);
  for (Candidate& one : candidates) {
    for (; one.variant < one.variants.size(); ++one.variant) {
      if (entry_of(one, among_variants) != entry) continue;
      one.backend->take_variant(call, one.variant);
      return one.backend;
    }
  }
  return nullptr;
}

// The seconds of a candidate's variant. Where that fails for lack of memory, or is refused, the others
// remain. A kernel that faults takes the device with it: what it was is said then, as nobody else could.
double seconds_of(Memory& memory, const Call& call, const Candidate& candidate, size_t variant,
                  const Operands& operands, Effort effort) {
  candidate.backend->take_variant(call, variant);
  try {
    return seconds(memory, call, *candidate.backend, operands, effort);
  } catch (const DeviceError&) {
    try {
      float first = 0;
      memory.copy_to_host(&first, operands.w.data(), sizeof(first));
    } catch (const DeviceError& lost) {
      throw DeviceLost(str("the GPU was lost while ", text_of(call), " was measured (",
                           candidate.backend->name(), ", ", candidate.variants[variant],
                           "): ", lost.what()));
    }
    throw;
  }
}

// Another variant of the backend where one is clearly faster. They are many, so that they are
// looked at, and only what looks fastest is measured, unless even that is slower than `least`.
void try_variants(Memory& memory, const Call& call, const Operands& operands, double least,
                  Candidate& candidate) {
  size_t fastest = 0;
  double glance = least / kClearly;
  for (size_t variant = 1; variant < candidate.variants.size(); ++variant) {
    double time = 0;
    try {
      time = seconds_of(memory, call, candidate, variant, operands, Effort::glance);
    } catch (const DeviceError&) {
      continue;
    }
    if (time >= glance) continue;
    glance = time;
    fastest = variant;
  }
  if (fastest == 0) return;
  const double time = seconds_of(memory, call, candidate, fastest, operands, Effort::full);
  if (time > kClearly * candidate.seconds) return;
  candidate.variant = fastest;
  candidate.seconds = time;
}

// Of every backend its fastest variant. Where all refuse, throws what the last one said.
void measure(Memory& memory, const Call& call, const Kernels::Backends& among,
             std::vector<Candidate>& candidates) {
  const Operands operands(memory, call, among);
  double least = kRefused;
  for (Candidate& one : candidates) {
    try {
      one.seconds = seconds_of(memory, call, one, 0, operands, Effort::full);
    } catch (const DeviceError& error) {
      one.seconds = kRefused;
      one.refusal = error.what();
    }
    least = std::min(least, one.seconds);
  }
  if (least == kRefused) throw DeviceError(candidates.back().refusal);
  for (Candidate& one : candidates)
    if (one.refusal.empty()) try_variants(memory, call, operands, least, one);
}

}  // namespace

Tuner::Tuner(Memory& memory, Choices choices) : memory_(memory), choices_(std::move(choices)) {}

Backend* Tuner::choose(const Call& call, const Kernels::Backends& among) {
  if (call.op > Op::conv_transpose_backward_weights) return nullptr;
  const std::string text = text_of(call);
  std::vector<Candidate> candidates = candidates_for(call, among);
  const bool one_way = candidates.size() == 1 && candidates.front().variants.size() == 1;
  if (candidates.empty() || one_way) return nullptr;
  if (Backend* known = recall(call, candidates, choices_.find(text))) return known;
  if (!announced_) {
    std::cerr << "measuring which kernels are the fastest on this GPU"
              << (choices_.file().empty() ? "" : ", once: kept in " + choices_.file().string())
              << std::endl;
    announced_ = true;
  }
  try {
    measure(memory_, call, among, candidates);
  } catch (const DeviceError& error) {  // memory that is short now may not be so next time
    std::cerr << "not measured: " << text << ": " << error.what() << std::endl;
    for (const Candidate& one : candidates) one.backend->take_variant(call, 0);
    return nullptr;
  }
  const Candidate* chosen = nullptr;
  Measured measured = {call, {}, "", ""};
  bool all_measured = true;
  for (const Candidate& one : candidates) {
    if (one.refusal.empty()) {
      measured.seconds.emplace_back(one.backend->name(), one.seconds);
      if (!chosen || one.seconds <= kClearly * chosen->seconds) chosen = &one;
    } else {
      std::cerr << "not measured: " << text << " by " << one.backend->name() << ": " << one.refusal
                << std::endl;
      all_measured = false;
    }
  }
  for (const Candidate& one : candidates)
    one.backend->take_variant(call, &one == chosen ? one.variant : 0);
  measured.chosen = chosen->backend->name();
  if (chosen->variant > 0) measured.variant = chosen->variants[chosen->variant];
  // What was refused now may not be next time, when there is more memory.
  if (all_measured) choices_.keep(text, entry_of(*chosen, any_has_variants(candidates)));
  measured_.push_back(std::move(measured));
  return chosen->backend;
}

std::string Tuner::report() {
  if (measured_.empty()) return "";
  std::string text = reported_ ? "" : tuning_table(measured_);
  text += str(tuning_summary(measured_),
              choices_.file().empty() ? "" : "; kept in " + choices_.file().string(), "\n");
  measured_.clear();
  reported_ = true;
  return text;
}

}  // namespace gan
