// The classic recipe and the networks it trains.
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tests/parity/golden.h"
#include "tests/training_check.h"
#include "train/recipe/classic.h"

namespace gan {
namespace {

// A small generator with its discriminator.
struct SmallGan {
  explicit SmallGan(const std::string& backend, const ClassicSettings& settings = {},
                    DType dtype = DType::f32, int width = 4)
      : device(open_device({.backend = backend})),
        generator(make_generator("gan", width)),
        gan(device, *generator, settings, dtype) {}

  ParameterSet& g() { return generator->parameters(); }
  ParameterSet& d() { return gan.discriminator().parameters(); }

  Device device;
  std::unique_ptr<Generator> generator;
  ClassicGan gan;
};

// All values of a network, running statistics included.
std::vector<float> state(const ParameterSet& parameters) {
  std::vector<float> all;
  for (const Parameter& p : parameters.all()) {
    const std::vector<float> values = to_host(parameters.memory(), p.value);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

std::vector<float> learned(const ParameterSet& parameters) {
  return to_host(parameters.memory(), parameters.values());
}
std::vector<float> gradients(const ParameterSet& parameters) {
  return to_host(parameters.memory(), parameters.gradients());
}

// Compared as a whole: a failed == between vectors would print every number.
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a == b;
}

std::string fixture(const std::string& name) {
  return std::string(GAN_FIXTURES) + "/" + name;
}

}  // namespace

TEST_CASE("a training run equals PyTorch's golden values", "[train][parity]") {
  const std::string backend = GENERATE("reference", "auto");
  CAPTURE(backend);
  Device device = open_device({.backend = backend});
  const std::string path = fixture("golden_w4_b2.safetensors");
  const parity::Report report = parity::check_training(device, read_tensor_file(path), path);
  INFO(report.text());
  CHECK(report.ok());
}

TEST_CASE("the demo generator equals PyTorch's golden values", "[train][parity]") {
  const std::string backend = GENERATE("reference", "auto");
  CAPTURE(backend);
  Device device = open_device({.backend = backend});
  const std::string pair = fixture("demo_pair.safetensors");
  const parity::Report report = parity::check_generator(device, fixture("demo_weights.safetensors"),
                                                        read_tensor_file(pair), pair);
  INFO(report.text());
  CHECK(report.ok());
}

TEST_CASE("golden values that differ are noticed", "[train][parity]") {
  Device device = open_device({});
  const std::string path = fixture("demo_pair.safetensors");
  TensorFile pair = read_tensor_file(path);
  for (FileTensor& tensor : pair.tensors) {
    if (tensor.name != "y") continue;
    std::vector<float> values;
    for (double v : tensor.values()) values.push_back(static_cast<float>(v) * 1.001f);
    tensor = make_file_tensor("y", tensor.shape, values);
  }
  const parity::Report report =
      parity::check_generator(device, fixture("demo_weights.safetensors"), pair, path);
  CHECK_FALSE(report.ok());
  CHECK(report.groups.at(0).worst_tensor == "y");
}

TEST_CASE("whole-network gradients equal central differences", "[train][gradient]") {
  SmallGan small("reference", {.dropout = 0}, DType::f64);
  const TrainingPhotos photos(small.device.memory, 1, DType::f64);
  const uint64_t seed = GENERATE(1, 2);
  SECTION("of the discriminator's loss") {
    const Tensor fake = small.gan.generate(photos.gray).value;
    const double error = directional_error(small.d(), seed, [&] {
      small.d().forget_gradients();
      return small.gan.discriminator_gradients(photos.color, fake, false).losses.sum();
    });
    CHECK(error < 1e-6);
  }
  SECTION("of the generator's loss") {
    const double error = directional_error(small.g(), seed, [&] {
      small.g().forget_gradients();
      Variable& fake = small.gan.generate(photos.gray);
      const GeneratorLosses losses = small.gan.generator_gradients(fake, photos.color).losses;
      return losses.adversarial + 75 * losses.l1;
    });
    CHECK(error < 1e-6);
  }
}

TEST_CASE("a discriminator step leaves the generator untouched", "[train]") {
  SmallGan small("auto");
  const TrainingPhotos photos(small.device.memory, 2);
  small.gan.step(photos.gray, photos.color, {});
  Variable& fake = small.gan.generate(photos.gray);  // moves the running statistics of G
  const auto values = state(small.g());
  const auto slopes = gradients(small.g());
  const auto before = learned(small.d());
  const bool noise = GENERATE(false, true);
  const auto pass = small.gan.discriminator_gradients(photos.color, fake.value, noise);
  small.gan.update_discriminator();
  CHECK(same(state(small.g()), values));
  CHECK(same(gradients(small.g()), slopes));
  CHECK_FALSE(same(learned(small.d()), before));
  CHECK((pass.losses.noise > 0) == noise);
}

TEST_CASE("a generator step leaves what the discriminator has learned untouched", "[train]") {
  SmallGan small("auto");
  const TrainingPhotos photos(small.device.memory, 2);
  small.gan.step(photos.gray, photos.color, {});
  Variable& fake = small.gan.generate(photos.gray);
  const auto values = learned(small.d());
  const auto slopes = gradients(small.d());
  const auto before = learned(small.g());
  small.gan.generator_gradients(fake, photos.color);
  small.gan.update_generator();
  CHECK(same(learned(small.d()), values));
  CHECK(same(gradients(small.d()), slopes));
  CHECK_FALSE(same(learned(small.g()), before));
}

TEST_CASE("a discriminator that is not trained keeps its weights over a step", "[train]") {
  SmallGan small("auto");
  const TrainingPhotos photos(small.device.memory, 1);
  const auto values = learned(small.d());
  const auto losses = small.gan.step(photos.gray, photos.color, {.train_discriminator = false});
  CHECK(same(learned(small.d()), values));
  CHECK(losses.discriminator.sum() == 0);
  CHECK(losses.generator.adversarial > 0);
}

TEST_CASE("noise pictures change how the discriminator learns", "[train]") {
  std::vector<std::vector<float>> trained;
  for (const bool noise : {false, true}) {
    SmallGan small("auto");
    const TrainingPhotos photos(small.device.memory, 2);
    Variable& fake = small.gan.generate(photos.gray);
    small.gan.discriminator_gradients(photos.color, fake.value, noise);
    small.gan.update_discriminator();
    trained.push_back(learned(small.d()));
  }
  CHECK_FALSE(same(trained[0], trained[1]));
}

TEST_CASE("the seed decides training down to the last bit", "[train]") {
  const auto run = [](uint64_t seed) {
    SmallGan small("auto", {.seed = seed});
    const TrainingPhotos photos(small.device.memory, 2);
    for (int step = 0; step < 3; ++step) {
      small.gan.step(photos.gray, photos.color, {.noise = step == 1});
    }
    auto all = state(small.g());
    const auto d = state(small.d());
    all.insert(all.end(), d.begin(), d.end());
    return all;
  };
  const auto first = run(1);
  CHECK(same(run(1), first));
  CHECK_FALSE(same(run(2), first));
}

TEST_CASE("dropout masks differ between passes and between steps", "[train]") {
  const double dropout = GENERATE(0.0, 0.3);
  SmallGan small("auto", {.dropout = dropout});
  Memory& memory = small.device.memory;
  const TrainingPhotos photos(memory, 2);
  const bool equal = dropout == 0;

  // The discriminator is never updated and its batch norm uses batch statistics, so only the masks
  // can make its answers to the same pictures differ.
  std::vector<std::vector<float>> answers;
  for (int step = 0; step < 2; ++step) {
    Variable& fake = small.gan.generate(photos.gray);
    const auto judged = small.gan.discriminator_gradients(fake.value, fake.value, false);
    answers.push_back(to_host(memory, judged.logits_real));
    answers.push_back(to_host(memory, judged.logits_fake));
    answers.push_back(
        to_host(memory, small.gan.generator_gradients(fake, photos.color).logits_fake));
  }
  for (size_t i = 0; i < answers.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      CAPTURE(dropout, i, j);
      CHECK((answers[i] == answers[j]) == equal);
    }
  }
}

TEST_CASE("dropout of everything is refused", "[train]") {
  SmallGan small("auto", {.dropout = 1});
  const TrainingPhotos photos(small.device.memory, 2);
  CHECK_THROWS_AS(small.gan.discriminator_gradients(photos.color, photos.color, false),
                  InternalError);
}

TEST_CASE("inference does not depend on what else is in the batch", "[train]") {
  SmallGan small("auto");
  Memory& memory = small.device.memory;
  const TrainingPhotos photos(memory, 3);
  small.gan.step(photos.gray, photos.color, {});
  const auto answer = [&](const Tensor& gray) {
    Tape tape(memory);
    Context context{small.device.kernels, tape, false};
    return to_host_f64(memory, small.generator->forward(context, tape.constant(gray)).value);
  };
  const auto check = [](const std::vector<double>& whole, size_t first,
                        const std::vector<double>& part) {
    const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(first);
    const std::vector<double> same(begin, begin + static_cast<std::ptrdiff_t>(part.size()));
    CHECK(parity::relative_error(part, same) < 1e-6);
  };
  const auto whole = answer(photos.gray);
  const auto logits = small.gan.judge(photos.color);
  const std::vector<double> all_logits(logits.begin(), logits.end());
  for (int64_t i = 0; i < 3; ++i) {
    check(whole, static_cast<size_t>(i) * whole.size() / 3, answer(photos.gray.pictures(i, 1)));
    const auto logit = small.gan.judge(photos.color.pictures(i, 1));
    check(all_logits, static_cast<size_t>(i), {logit.begin(), logit.end()});
  }
}

TEST_CASE("inference changes neither values nor running statistics", "[train]") {
  SmallGan small("auto");
  const TrainingPhotos photos(small.device.memory, 1);
  const auto before = state(small.d());
  small.gan.judge(photos.color);
  CHECK(same(state(small.d()), before));
}

TEST_CASE("a generator learns eight photos by heart", "[train][slow]") {
  // Without the discriminator, which takes most of the time of so small a generator.
  Device device = open_device({});
  const auto generator = make_generator("gan", 8);
  ParameterSet& parameters = generator->parameters();
  parameters.allocate(device.memory, DType::f32, Use::training);
  parameters.initialize(1);
  Adam adam(parameters, {.learning_rate = 5e-3, .beta1 = 0.9});
  const TrainingPhotos photos(device.memory, 8);
  Tape tape(device.memory);
  const auto step = [&] {
    tape.reset();
    Context context{device.kernels, tape};
    Variable& fake = generator->forward(context, tape.constant(photos.gray));
    const Tensor loss = ops::l1_loss(context, fake, photos.color);
    tape.backward();
    adam.update(device.kernels);
    return to_host(device.memory, loss)[0];
  };
  const float before = step();
  float after = before;
  for (int i = 0; i < 200; ++i) after = step();
  CAPTURE(before, after);
  CHECK(before > 0.2f);
  CHECK(after < 0.03f);
}

}  // namespace gan
