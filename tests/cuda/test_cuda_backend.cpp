// The CUDA backend as a whole, in the simulator: its memory, its cache, the launchers that the
// Backend interface does not reach, a training step, and whether every kernel has been run at all.
#include <catch2/catch.hpp>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "engine/random.h"
#include "engine/version.h"
#include "kernels/cuda/activation.h"
#include "kernels/cuda/adam.h"
#include "kernels/cuda/batch.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_memory.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/sim/simulator.h"
#include "kernels/reference/reference_backend.h"
#include "train/recipe/classic.h"

namespace gan {
namespace {

std::vector<float> uniform(int64_t count, uint64_t seed, float low = -1, float high = 1) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = low + (high - low) * random.uniform();
  return values;
}

// Tensors on the simulated GPU.
struct DeviceTensors {
  Tensor make(const Shape& shape, DType dtype = DType::f32) { return arena.allocate(shape, dtype); }
  Tensor make(const Shape& shape, const std::vector<float>& values, DType dtype = DType::f32) {
    const Tensor tensor = make(shape, dtype);
    from_host(memory, tensor, values.data());
    return tensor;
  }
  Tensor random(const Shape& shape, uint64_t seed, float low = -1, float high = 1) {
    return make(shape, uniform(shape.elements(), seed, low, high));
  }
  std::vector<float> read(const Tensor& tensor) { return to_host(memory, tensor); }

  CudaMemory memory;
  CudaBackend backend{memory};
  Arena arena{memory};
};

float rounded(float value) {
  return static_cast<float>(bf16(value));
}

}  // namespace

TEST_CASE("GPU memory keeps what is copied to it and clears any number of bytes") {
  CudaMemory memory;
  CHECK(memory.device() == DeviceKind::gpu);
  for (const size_t bytes : {1, 3, 4, 7, 64, 4099}) {
    Buffer buffer(memory, bytes);
    CHECK(reinterpret_cast<uintptr_t>(buffer.data()) % 256 == 0);
    std::vector<unsigned char> values(bytes, 7), read(bytes);
    memory.copy_from_host(buffer.data(), values.data(), bytes);
    memory.copy_to_host(read.data(), buffer.data(), bytes);
    CHECK(read == values);
    memory.fill_zero(buffer.data(), bytes);
    memory.copy_to_host(read.data(), buffer.data(), bytes);
    CHECK(read == std::vector<unsigned char>(bytes, 0));
  }
}

TEST_CASE("the CUDA backend says which element types it takes") {
  CudaMemory memory;
  const CudaBackend backend(memory);
  const Shape shape = {2, 8, 8, 16};
  for (int op = 0; op <= static_cast<int>(Op::batch); ++op) {
    const auto call = [&](DType dtype) {
      return Call{static_cast<Op>(op), dtype, shape, shape, {}};
    };
    CHECK(backend.supports(call(DType::f32)));
    CHECK(backend.supports(call(DType::bf16)) == (static_cast<Op>(op) != Op::adam));
    CHECK_FALSE(backend.supports(call(DType::f64)));
  }
}

TEST_CASE("packed weights are made anew when their version changes, and only then") {
  DeviceTensors t;
  const Shape shape = {1, 6, 6, 16}, w_shape = {16, 3, 3, 16};
  const Tensor x = t.random(shape, 1), w = t.random(w_shape, 2), y = t.make(shape);
  const auto run = [&](uint64_t version) {
    t.backend.conv_forward({}, x, {w, version}, {}, y);
    return t.read(y);
  };
  const std::vector<float> zero_weights(static_cast<size_t>(w_shape.elements()));
  const std::vector<float> zero(static_cast<size_t>(shape.elements()));
  const uint64_t first = next_version(), second = next_version();
  const std::vector<float> result = run(first);
  CHECK(run(0) == result);
  CHECK(run(first) == result);
  from_host(t.memory, w, zero_weights.data());
  CHECK(run(second) == zero);
  from_host(t.memory, w, uniform(w_shape.elements(), 2).data());
  CHECK(run(0) == result);
}

TEST_CASE("weights of one family are packed together", "[smallest]") {
  DeviceTensors t;
  const Shape shape = {1, 6, 6, 16}, smaller = {1, 3, 3, 40}, w_shape = {40, 3, 3, 16};
  const ConvGeometry down = {.stride = 2};
  const Tensor x = t.random(shape, 1), y = t.make(smaller), dy = t.random(smaller, 4),
               dx = t.make(shape), first = t.random(w_shape, 2), second = t.random(w_shape, 3);
  const auto forward = [&](const Tensor& w, uint64_t version) {
    t.backend.conv_forward(down, x, {w, version}, {}, y);
    return t.read(y);
  };
  const auto backward = [&](const Tensor& w, uint64_t version) {
    t.backend.conv_backward_data(down, dy, {w, version}, dx, Write::overwrite);
    return t.read(dx);
  };
  uint64_t version = new_family();
  forward(first, version);
  forward(second, version);
  backward(second, version);
  backward(first, new_family());  // another family's from now on
  for (uint64_t seed : {5, 7}) {
    from_host(t.memory, first, uniform(w_shape.elements(), seed).data());
    from_host(t.memory, second, uniform(w_shape.elements(), seed + 1).data());
    version = next_in_family(version);
    const auto launches = [before = gpu::host_calls().launches] {
      return gpu::host_calls().launches - before;
    };
    const std::vector<float> second_forward = forward(second, version);
    CHECK(launches() == 2);
    const std::vector<float> first_forward = forward(first, version);
    CHECK(launches() == 3);
    const std::vector<float> second_backward = backward(second, version);
    CHECK(launches() == 4);
    CHECK(second_forward == forward(second, 0));
    CHECK(first_forward == forward(first, 0));
    CHECK(second_backward == backward(second, 0));
    version = next_in_family(version);
    forward(first, version);
    backward(second, version);
  }
}

TEST_CASE("batch norm shows what is no number, in its channel alone", "[smallest]") {
  DeviceTensors t;
  const Shape shape = {1, 3, 5, 8}, vector = vector_shape(shape.c);
  std::vector<float> values = uniform(shape.elements(), 3);
  values[5 * shape.c + 2] = NAN;
  const BatchNorm norm = {t.random(vector, 5, 0.5f, 1.5f), t.random(vector, 6), t.random(vector, 7),
                          t.random(vector, 8, 0.5f, 1.5f)};
  const BatchNormSaved saved = {t.make(vector), t.make(vector)};
  t.backend.batch_norm_train(t.make(shape, values), norm, Activation::relu, {}, saved,
                             t.make(shape));
  for (const Tensor& result : {saved.mean, saved.inv_std, norm.running_mean, norm.running_var}) {
    const std::vector<float> numbers = t.read(result);
    for (int c = 0; c < shape.c; ++c) CHECK(std::isnan(numbers[c]) == (c == 2));
  }
}

namespace {

void check_transpose(const Shape& shape) {
  DeviceTensors t;
  const int64_t taps = shape.h * shape.w;
  const Tensor x = t.random(shape, 9);
  const Tensor half = t.make(shape, DType::bf16);
  cuda::copy(x, half, nullptr);
  const std::vector<float> values = t.read(x);
  for (const Tensor& from : {x, half}) {
    for (const DType type : {DType::f32, DType::bf16}) {
      const Tensor y = t.make({shape.c, shape.h, shape.w, shape.n}, type);
      cuda::transpose(from, y, nullptr);
      const std::vector<float> result = t.read(y);
      int wrong = 0;
      for (int64_t k = 0; k < shape.n; ++k)
        for (int64_t tap = 0; tap < taps; ++tap)
          for (int64_t c = 0; c < shape.c; ++c) {
            const float value = values[(k * taps + tap) * shape.c + c];
            const bool exact = from.dtype() == DType::f32 && type == DType::f32;
            if (result[(c * taps + tap) * shape.n + k] != (exact ? value : rounded(value))) ++wrong;
          }
      CHECK(wrong == 0);
    }
  }
}

}  // namespace

TEST_CASE("a transposed tensor holds the same numbers, rows and columns exchanged") {
  check_transpose({37, 3, 3, 70});
}

TEST_CASE("a transposed small tensor holds the same numbers", "[smallest]") {
  check_transpose({5, 1, 2, 33});
}

TEST_CASE("a copy converts the element type, a slice at a time if need be") {
  DeviceTensors t;
  for (const int64_t channels : {5, 8}) {
    const Shape shape = {2, 3, 5, channels};
    const Tensor x = t.random(shape, 10);
    const Tensor wide = t.make({2, 3, 5, channels + 8}, DType::bf16);
    const Tensor slice = wide.channels(8, channels), back = t.make(shape);
    cuda::copy(x, slice, nullptr);
    cuda::copy(slice, back, nullptr);
    std::vector<float> expected = t.read(x);
    for (float& value : expected) value = rounded(value);
    CHECK(t.read(back) == expected);
  }
}

TEST_CASE("a bias and an activation are applied in place, to a slice, too", "[smallest]") {
  DeviceTensors t;
  for (const int64_t channels : {5, 8}) {
    const Shape shape = {2, 9, 3, channels};
    const std::vector<float> values = uniform(shape.elements(), 20);
    const Tensor bias = t.random(vector_shape(channels), 21);
    const std::vector<float> shifts = t.read(bias);
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const Activation act : {Activation::none, Activation::leaky_relu, Activation::tanh}) {
        for (const bool biased : {true, false}) {
          const Tensor y = t.make({2, 9, 3, 2 * channels}, dtype).channels(channels, channels);
          from_host(t.memory, y, values.data());
          const std::vector<float> before = t.read(y);
          cuda::bias_activation(act, biased ? bias : Tensor(), y, nullptr);
          const std::vector<float> after = t.read(y);
          double worst = 0;
          for (size_t i = 0; i < after.size(); ++i) {
            const double z = before[i] + (biased ? shifts[i % shifts.size()] : 0.0f);
            const double expected = act == Activation::tanh         ? std::tanh(z)
                                    : act == Activation::leaky_relu ? std::max(z, kLeakySlope * z)
                                                                    : z;
            worst = std::max(worst, std::abs(after[i] - expected));
          }
          CHECK(worst < (dtype == DType::bf16 ? 0x1p-7 : 1e-6));
        }
      }
    }
  }
}

TEST_CASE("Adam's bfloat16 copy is the new parameters, rounded") {
  DeviceTensors t;
  const UpdateControl control = {1e-3, 2, 1};
  Buffer device_control(t.memory, sizeof(control));
  t.memory.copy_from_host(device_control.data(), &control, sizeof(control));
  for (const int64_t count : {1003, 4096}) {
    const Shape shape = vector_shape(count);
    const Tensor p = t.random(shape, 11), g = t.random(shape, 12), m = t.random(shape, 13);
    const Tensor v = t.random(shape, 14, 0, 1);
    // One at an odd address, where nothing can be moved in packets.
    for (const int64_t offset : {0, 1}) {
      const Tensor copy = t.make(vector_shape(count + 1), DType::bf16).channels(offset, count);
      const Tensor dense(copy.data(), shape, DType::bf16);
      cuda::adam({}, static_cast<const UpdateControl*>(device_control.data()), p, g, m, v, dense,
                 nullptr);
      std::vector<float> expected = t.read(p);
      for (float& value : expected) value = rounded(value);
      CHECK(t.read(dense) == expected);
    }
  }
}

TEST_CASE("a pick of a photo that does not exist shows as NaN") {
  DeviceTensors t;
  const Tensor photos = t.make({1, 4, 4, 3}, std::vector<float>(48, 255), DType::u8);
  const PhotoPick picks[2] = {{0, 0, 0, 0}, {1, 0, 0, 0}};
  Buffer device_picks(t.memory, sizeof(picks));
  t.memory.copy_from_host(device_picks.data(), picks, sizeof(picks));
  const Tensor gray = t.make({2, 4, 4, 3}), color = t.make({2, 4, 4, 3});
  cuda::assemble_batch(photos, static_cast<const PhotoPick*>(device_picks.data()), ColorSpace::rgb,
                       gray, color, nullptr);
  for (const Tensor& tensor : {gray, color}) {
    CHECK(t.read(tensor.pictures(0, 1)) == std::vector<float>(48, 1.0f));
    for (const float value : t.read(tensor.pictures(1, 1))) CHECK(std::isnan(value));
  }
}

namespace {

// One step of a small GAN, and all gradients it left behind.
struct Step {
  Step(Memory& memory, std::unique_ptr<Backend> backend, const std::vector<float>& gray_values,
       const std::vector<float>& color_values)
      : device{memory, make_kernels(std::move(backend)), "one backend"},
        generator(make_generator("gan", kWidth)),
        gan(device, *generator, {}),
        arena(memory) {
    constexpr int64_t kSize = ClassicDiscriminator::kSize;
    const Tensor gray = arena.allocate({kBatch, kSize, kSize, 3}, DType::f32);
    const Tensor color = arena.allocate({kBatch, kSize, kSize, 3}, DType::f32);
    from_host(memory, gray, gray_values.data());
    from_host(memory, color, color_values.data());
    Variable& fake = gan.generate(gray);
    const auto judged = gan.discriminator_gradients(color, fake.value, true);
    keep("D", gan.discriminator().parameters());
    gan.update_discriminator();
    const auto generated = gan.generator_gradients(fake, color);
    keep("G", generator->parameters());
    gan.update_generator();
    losses = {judged.losses.real, judged.losses.fake, judged.losses.noise,
              generated.losses.adversarial, generated.losses.l1};
    const auto after = to_host_f64(memory, generator->parameters().values());
    results.emplace_back("updated G", after);
  }

  static Kernels make_kernels(std::unique_ptr<Backend> backend) {
    std::vector<std::unique_ptr<Backend>> only;
    only.push_back(std::move(backend));
    return Kernels(std::move(only));
  }
  void keep(const char* network, const ParameterSet& parameters) {
    for (const Parameter& p : parameters.all())
      if (p.learned)
        results.emplace_back(str(network, " ", p.name), to_host_f64(device.memory, p.grad));
  }

  static constexpr int kWidth = 4, kBatch = 2;
  Device device;
  std::unique_ptr<Generator> generator;
  ClassicGan gan;
  Arena arena;
  std::vector<double> losses;
  std::vector<std::pair<std::string, std::vector<double>>> results;
};

double relative_error(const std::vector<double>& value, const std::vector<double>& expected) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(value[i] - expected[i], 2);
    size += std::pow(expected[i], 2);
  }
  return std::sqrt(difference / size);
}

}  // namespace

TEST_CASE("a training step on the CUDA backend has the reference's gradients", "[step]") {
  // Both store float32; what differs is the rounding of sums, some 1e-7 of up to 65,536 terms, and
  // its growth through the layers. The same limit as for golden values.
  constexpr double kLimit = 1e-4;
  // A unit within rounding of its ReLU's kink may fall to either side, and a single one changes a
  // gradient by 1e-3. That happens on one set of pictures in four; what is wrong is wrong on all.
  constexpr uint64_t kTrials = 3;
  constexpr int64_t kSize = ClassicDiscriminator::kSize;
  const int64_t pixels = Step::kBatch * kSize * kSize;
  std::string different;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    const std::vector<float> color = uniform(3 * pixels, 15 + trial, 0, 1);
    std::vector<float> gray;
    for (int64_t p = 0; p < pixels; ++p) {
      const float luma =
          0.299f * color[3 * p] + 0.587f * color[3 * p + 1] + 0.114f * color[3 * p + 2];
      gray.insert(gray.end(), 3, luma);
    }
    CudaMemory memory;
    const Step ours(memory, make_cuda_backend(memory), gray, color);
    const Step expected(host_memory(), make_reference_backend(), gray, color);
    REQUIRE(ours.results.size() == expected.results.size());
    bool equal = true;
    for (size_t i = 0; i < ours.results.size(); ++i) {
      const double error = relative_error(ours.results[i].second, expected.results[i].second);
      if (error < kLimit) continue;
      equal = false;
      different += str(ours.results[i].first, " ", error, ", ");
    }
    for (size_t i = 0; i < ours.losses.size(); ++i)
      CHECK(ours.losses[i] == Approx(expected.losses[i]).epsilon(kLimit));
    if (equal) return;
    different += "next trial: ";
  }
  FAIL("relative errors: " << different);
}

namespace {

// The names of all __global__ functions in a source text.
std::set<std::string> kernels_in(const std::string& text) {
  std::set<std::string> names;
  const std::string mark = "__global__ void";
  for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
    at += mark.size();
    const auto skip_space = [&] {
      while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
    };
    skip_space();
    if (text.compare(at, 17, "__launch_bounds__") == 0) {
      int depth = 0;
      for (at += 17; at < text.size(); ++at) {
        if (text[at] == '(') ++depth;
        if (text[at] == ')' && --depth == 0) break;
      }
      ++at;
      skip_space();
    }
    size_t end = at;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_')) {
      ++end;
    }
    names.insert(text.substr(at, end - at));
  }
  return names;
}

}  // namespace

// The last test of this program: it looks at what the others have run.
TEST_CASE("every kernel has been executed by the tests of this program", "[smallest]") {
  std::set<std::string> missing;
  for (const auto& entry : std::filesystem::directory_iterator(GAN_CUDA_SOURCES)) {
    if (entry.path().extension() != ".cu" && entry.path().extension() != ".cuh") continue;
    std::ifstream file(entry.path());
    missing.merge(kernels_in({std::istreambuf_iterator<char>(file), {}}));
  }
  CHECK(missing.size() > 20);  // the search found them
  for (const sim::KernelRun& run : sim::executed_kernels()) {
    std::erase_if(missing, [&](const std::string& name) {
      return run.name.find("::" + name + "(") != std::string::npos ||
             run.name.find("::" + name + "<") != std::string::npos;
    });
  }
  for (const std::string& name : missing) FAIL_CHECK(name << " never ran");
}

}  // namespace gan
