// The stable recipe: its gradient penalty, its step, its schedule, its autopilot.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/parallel.h"
#include "kernels/reference/reference_backend.h"
#include "tests/host_tensor.h"
#include "train/recipe/ema.h"
#include "train/recipe/health.h"
#include "train/recipe/hue_weights.h"
#include "train/recipe/stable.h"
#include "train/recipe/stable_recipe.h"

namespace gan {
namespace {

using testing::HostTensor;
using testing::random_tensor;

// Values of all parameters, learned or not, as one list.
std::vector<float> values_of(const ParameterSet& parameters) {
  std::vector<float> all;
  for (const Parameter& p : parameters.all()) {
    const std::vector<float> values = to_host(parameters.memory(), p.value);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a == b;
}

// A small generator, its discriminator, and a batch of random photos.
struct Small {
  explicit Small(StableSettings settings = {}, const std::string& backend = "auto")
      : device(open_device({.backend = backend})),
        generator(make_generator("gan", 4, ColorHead::chroma64)),
        gan(device, *generator, std::vector<float>(16, 1.0f), settings),
        memory(device.memory, 2 * kBatch * 64 * 64 * 3 * sizeof(float)),
        gray(memory.data(), {kBatch, 64, 64, 3}, DType::f32),
        color(static_cast<std::byte*>(memory.data()) + gray.bytes(), gray.shape(), DType::f32) {
    from_host(device.memory, gray, random_tensor(gray.shape(), 1, 0, 1).values().data());
    from_host(device.memory, color, random_tensor(color.shape(), 2, -0.5, 0.5).values().data());
  }
  std::vector<float> g() const { return values_of(generator->parameters()); }
  std::vector<float> d() { return values_of(gan.discriminator().parameters()); }

  static constexpr int64_t kBatch = 3;
  Device device;
  std::unique_ptr<Generator> generator;
  StableGan gan;
  Buffer memory;
  Tensor gray, color;
};

StepPlan joint_plan() {
  StepPlan plan;
  plan.train_discriminator = true;
  plan.moment_weight = 0.2;
  plan.coherence_weight = 0.3;
  plan.adversarial_ratio = 0.2;
  plan.r1_gamma = plan.r2_gamma = 1;
  plan.augment = 0.5;
  return plan;
}

}  // namespace

TEST_CASE("the gradient penalty agrees with central differences, layer by layer", "[stable]") {
  constexpr double kStep = 1e-5, kGamma = 0.5;
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_reference_backend());
  Kernels kernels(std::move(backends));
  PatchDiscriminator discriminator;
  ParameterSet& parameters = discriminator.parameters();
  parameters.allocate(host_memory(), DType::f64, Use::training);
  parameters.initialize(5);
  const HostTensor photo = random_tensor({2, 16, 16, 3}, 7);
  Tape tape(host_memory());
  const auto penalty = [&] {
    tape.reset();
    Context context{.kernels = kernels, .tape = tape};
    const Tensor squares = discriminator.penalty(context, photo, static_cast<float>(kGamma));
    return kGamma / 2 * to_host_f64(host_memory(), squares)[0] * 16 * 16 * 3;
  };

  parameters.forget_gradients();
  CHECK(penalty() > 0);
  std::vector<std::vector<double>> gradients;
  for (const Parameter& p : parameters.all()) {
    CAPTURE(p.name);
    const bool bias = p.layout == FileLayout::vector;
    CHECK(p.grad_written == !bias);  // biases move D, not its slope
    gradients.push_back(bias ? std::vector<double>() : to_host_f64(host_memory(), p.grad));
  }
  size_t index = 0;
  for (Parameter& p : parameters.all()) {
    const std::vector<double>& gradient = gradients[index++];
    if (gradient.empty()) continue;
    auto* values = p.value.as<double>();
    double error = 0, size = 0;
    const size_t stride = std::max<size_t>(1, gradient.size() / 25);
    for (size_t i = 0; i < gradient.size(); i += stride) {
      const double before = values[i];
      values[i] = before + kStep;
      const double above = penalty();
      values[i] = before - kStep;
      const double below = penalty();
      values[i] = before;
      error += std::pow((above - below) / (2 * kStep) - gradient[i], 2);
      size += gradient[i] * gradient[i];
    }
    CAPTURE(p.name, error, size);
    CHECK(size > 0);
    CHECK(std::sqrt(error) < 1e-4 * std::sqrt(size));
  }
}

TEST_CASE("a penalty's gradient is the same on the fast backends", "[stable]") {
  std::vector<std::vector<float>> gradients;
  for (const char* backend : {"reference", "auto"}) {
    Device device = open_device({.backend = backend});
    PatchDiscriminator discriminator;
    discriminator.parameters().allocate(device.memory, DType::f32, Use::training);
    discriminator.parameters().initialize(3);
    Tape tape(device.memory);
    const Tensor photo = tape.allocate({2, 32, 32, 3}, DType::f32);
    from_host(device.memory, photo, random_tensor(photo.shape(), 4).values().data());
    Context context{.kernels = device.kernels, .tape = tape};
    const Parameter& first = discriminator.parameters().all().front();
    discriminator.penalty(context, photo, 1);
    gradients.push_back(to_host(device.memory, first.grad));
  }
  double error = 0, size = 0;
  for (size_t i = 0; i < gradients[0].size(); ++i) {
    error += std::pow(gradients[0][i] - gradients[1][i], 2);
    size += std::pow(gradients[0][i], 2);
  }
  CHECK(std::sqrt(error) < 1e-5 * std::sqrt(size));
}

TEST_CASE("each half of a step leaves the other network alone", "[stable]") {
  Small small;
  const auto g = small.g(), d = small.d();
  StepPlan plan = joint_plan();
  plan.train_generator = false;
  const StepReport alone = small.gan.step(small.gray, small.color, plan);
  CHECK(alone.finite);
  CHECK(alone.r1 > 0);
  CHECK(alone.r2 > 0);
  CHECK_FALSE(same(small.d(), d));
  // Learned values only: its running statistics have seen a batch.
  const Tensor learned = small.generator->parameters().values();
  const auto learned_before = to_host(small.device.memory, learned);

  const auto d_before = small.d();
  plan = {};
  CHECK(small.gan.step(small.gray, small.color, plan).chroma > 0);
  CHECK(same(small.d(), d_before));
  CHECK_FALSE(same(to_host(small.device.memory, learned), learned_before));
}

TEST_CASE("the adversarial gradient is held at its share of the supervised one", "[stable]") {
  Small small;
  StepPlan plan = joint_plan();
  plan.adversarial_ratio = 0.25;
  const StepReport report = small.gan.step(small.gray, small.color, plan);
  CHECK(report.adversarial_share > 0);
  CHECK(report.adversarial_weight * report.adversarial_share == Approx(0.25));
}

TEST_CASE("numbers that are not finite change no weights", "[stable]") {
  Small small;
  const Tensor learned = small.generator->parameters().values();
  const auto g = to_host(small.device.memory, learned);
  const auto d = small.d();
  small.color.as<float>()[10] = std::numeric_limits<float>::quiet_NaN();
  StepPlan plan = joint_plan();
  plan.augment = 0;  // it might blank the bad pixel
  CHECK_FALSE(small.gan.step(small.gray, small.color, plan).finite);
  CHECK_FALSE(small.gan.step(small.gray, small.color, {}).finite);
  CHECK(same(to_host(small.device.memory, learned), g));
  CHECK(same(small.d(), d));
}

TEST_CASE("a snapshot brings both networks and their optimisers back", "[stable]") {
  Small small;
  small.gan.step(small.gray, small.color, joint_plan());
  const auto snapshot = small.gan.snapshot();
  const auto g = small.g(), d = small.d();
  small.gan.step(small.gray, small.color, joint_plan());
  CHECK_FALSE(same(small.g(), g));
  small.gan.restore(snapshot);
  CHECK(same(small.g(), g));
  CHECK(same(small.d(), d));
}

TEST_CASE("same seed, same bytes, at one and two threads", "[stable]") {
  std::vector<std::vector<float>> results;
  const int before = threads();
  for (int count : {1, 2}) {
    set_threads(count);
    Small small;
    for (int i = 0; i < 3; ++i) small.gan.step(small.gray, small.color, joint_plan());
    results.push_back(small.g());
    const auto d = small.d();
    results.back().insert(results.back().end(), d.begin(), d.end());
  }
  set_threads(before);
  CHECK(same(results[0], results[1]));
}

TEST_CASE("every adversary trains", "[stable]") {
  for (Adversary adversary : {Adversary::paired, Adversary::bce}) {
    CAPTURE(name_of(adversary));
    Small small({.adversary = adversary, .label_smoothing = 0.1});
    StepReport report;
    for (int i = 0; i < 3; ++i) report = small.gan.step(small.gray, small.color, joint_plan());
    CHECK(report.finite);
    CHECK(report.discriminator > 0);
    CHECK(adversary_named(name_of(adversary)) == adversary);
  }
  CHECK_THROWS_AS(adversary_named("wasserstein"), UsageError);
}

TEST_CASE("learning rates hold, fall, and end low", "[stable]") {
  const Schedule schedule = {.supervised = 0.6};
  CHECK(schedule.generator_lr(0) == 1);
  CHECK(schedule.generator_lr(0.2) == 1);
  CHECK(schedule.generator_lr(0.5) < 0.6);
  CHECK(schedule.generator_lr(0.6) == Approx(0.15));
  CHECK(schedule.generator_lr(1) == Approx(0.02));
  CHECK(schedule.discriminator_lr(0.6) == 1);
  CHECK(schedule.discriminator_lr(1) == Approx(0.25));
  const Schedule alone = {.supervised = 1};
  CHECK(alone.generator_lr(0.4) == 1);
  CHECK(alone.generator_lr(1) == Approx(0.02));
  CHECK(Schedule{.anneal = false}.generator_lr(0.99) == 1);
}

TEST_CASE("a moving average follows at its half-life", "[stable]") {
  Device device = open_device({});
  const auto source = make_generator("gan", 4, ColorHead::chroma64);
  source->parameters().allocate(device.memory, DType::f32, Use::training);
  source->parameters().initialize(1);
  const Tensor values = source->parameters().values();
  const auto set = [&](float value) {
    device.kernels({Op::memory, values.dtype(), values.shape(), values.shape(), {}})
        .fill(values, value);
  };
  set(0);
  Ema ema(device, *source);
  const auto first = [&] {
    return to_host(device.memory, ema.generator().parameters().values())[0];
  };
  CHECK(first() == 0);
  set(1);
  // Early in a run it forgets fast: within a twentieth of what it has seen.
  ema.aim(1000, 50), ema.follow();
  CHECK(first() == Approx(0.5));
  for (int i = 0; i < 10; ++i) ema.aim(1000, 10000), ema.follow();
  const float after_many = first();
  CHECK(after_many > 0.9f);
  set(0);
  for (int i = 0; i < 1000; ++i) ema.aim(10, 10000), ema.follow();
  CHECK(first() < after_many);
  ema.copy_source();
  CHECK(first() == 0);
}

TEST_CASE("hue weights favour what is rare and average to one", "[stable]") {
  PhotoSet photos;
  photos.size = 70;
  photos.pixels.resize(size_t{70} * 70 * 3);
  for (size_t i = 0; i < photos.pixels.size() / 3; ++i) {  // green, and one pixel in ten red
    const bool red = i % 10 == 0;
    photos.pixels[3 * i] = red ? 200 : 60;
    photos.pixels[3 * i + 1] = red ? 40 : 140;
    photos.pixels[3 * i + 2] = 40;
  }
  const std::vector<float> even = hue_weights(photos, false);
  CHECK(std::all_of(even.begin(), even.end(), [](float w) { return w == 1; }));
  const std::vector<float> weights = hue_weights(photos, true);
  REQUIRE(weights.size() == size_t{kHueCells} * kHueCells);
  const float least = *std::min_element(weights.begin(), weights.end());
  const float most = *std::max_element(weights.begin(), weights.end());
  CHECK(least < 1);  // green
  CHECK(most > 2 * least);
  CHECK(most < 8);
}

TEST_CASE("the autopilot knows each state and answers it", "[stable]") {
  Knobs knobs;
  Autopilot autopilot;
  Signals well = {.accuracy_real = 0.7, .accuracy_fake = 0.72, .ciede2000 = 12, .train_loss = 1};
  const auto states = [&](Signals signals, int epochs) {
    std::vector<HealthState> seen;
    for (int i = 0; i < epochs; ++i) {
      for (const HealthEvent& event : autopilot.observe(signals, knobs)) {
        CHECK_FALSE(event.text.empty());
        seen.push_back(event.state);
      }
    }
    return seen;
  };
  const auto only = [](HealthState state) { return std::vector<HealthState>{state}; };

  SECTION("all is well") {
    CHECK(states(well, 20).empty());
  }
  SECTION("D dominating") {
    Signals s = well;
    s.accuracy_real = s.accuracy_fake = 0.9;
    CHECK(states(s, 1) == only(HealthState::d_dominating));
    CHECK(knobs.gamma == 2);
    CHECK(knobs.lr_discriminator == 0.5);
    CHECK(knobs.augment_offset > 0);
  }
  SECTION("D won, and stops the run when it keeps winning") {
    Signals s = well;
    s.accuracy_real = s.accuracy_fake = 0.99;
    CHECK(states(s, 2).back() == HealthState::d_won);
    bool stopped = false;
    for (int i = 0; i < 6; ++i) {
      for (const HealthEvent& e : autopilot.observe(s, knobs)) stopped = stopped || e.stop;
    }
    CHECK(stopped);
  }
  SECTION("no gradient left counts as won") {
    Signals s = well;
    s.adversarial_share = 0.001;
    CHECK(states(s, 1).empty());
    const std::vector<HealthEvent> events = autopilot.observe(s, knobs);
    REQUIRE(events.size() == 1);
    CHECK(events[0].state == HealthState::d_won);
    CHECK_THAT(events[0].text, Catch::StartsWith("the generator's gradient from D is 0.1%"));
  }
  SECTION("D blind: it sees no difference, or calls everything real") {
    Signals s = well;
    s.accuracy_real = s.accuracy_fake = 0.5;
    CHECK(states(s, 3) == only(HealthState::d_blind));
    CHECK(knobs.gamma == 0.5);
    s.accuracy_real = 0.99, s.accuracy_fake = 0.1;
    CHECK(states(s, 3) == only(HealthState::d_blind));
  }
  SECTION("colour collapse") {
    Signals s = well;
    autopilot.remember_colors(well);  // before the discriminator came in
    s.colorfulness_ratio = 0.3;
    CHECK(states(s, 1) == only(HealthState::color_collapse));
    CHECK(knobs.moments == 2);
    s = well;
    s.entropy_ratio = 0.6;
    CHECK(states(s, 1) == only(HealthState::color_collapse));
    s = well;
    s.variety_ratio = 0.2;
    CHECK(states(s, 1) == only(HealthState::color_collapse));
  }
  SECTION("colours that never were there are not lost") {
    Signals s = well;
    s.colorfulness_ratio = 0.3, s.entropy_ratio = 0.5, s.variety_ratio = 0.1;
    autopilot.remember_colors(s);
    CHECK(states(s, 5).empty());
    s.variety_ratio = 0.07;
    CHECK(states(s, 1) == only(HealthState::color_collapse));
  }
  SECTION("colours that supervision gave up are not lost to the discriminator") {
    Signals s = well;
    autopilot.remember_colors(s);
    s.variety_ratio = 0.2;
    autopilot.remember_colors(s);
    CHECK(states(s, 5).empty());
  }
  SECTION("it neither turns nor speaks of what a run does not have") {
    autopilot = Autopilot({.penalty = false, .augmentation = false, .moments = false});
    Signals s = well;
    s.accuracy_real = s.accuracy_fake = 0.9;
    s.colorfulness_ratio = 0.3;
    autopilot.remember_colors(well);
    for (const HealthEvent& event : autopilot.observe(s, knobs)) {
      CHECK_THAT(event.text, !Catch::Contains("penalty") && !Catch::Contains("augmentation") &&
                                 !Catch::Contains("moment"));
    }
    CHECK(knobs.gamma == 1);
    CHECK(knobs.augment_offset == 0);
    CHECK(knobs.moments == 1);
    CHECK(knobs.lr_discriminator == 0.5);
  }
  SECTION("D dominating: nearly all real photos have positive logits") {
    Signals s = well;
    s.sign_real = 0.7;
    CHECK(states(s, 1) == only(HealthState::d_dominating));
  }
  SECTION("tint drift: a bias that keeps rising") {
    std::vector<HealthState> seen;
    Signals s = well;
    for (double bias : {4.5, 5.0, 5.5}) {
      s.bias_b = -bias;
      const auto now = states(s, 1);
      seen.insert(seen.end(), now.begin(), now.end());
    }
    CHECK(seen == only(HealthState::tint_drift));
    CHECK(knobs.adversarial_ratio == 0.5);
    CHECK(states(s, 5).empty());  // large, but not rising
  }
  SECTION("overfit: validation worse while the training loss falls") {
    CHECK(states(well, 1).empty());
    bool stopped = false;
    for (int i = 1; i <= 5; ++i) {
      Signals s = well;
      s.ciede2000 = 12.6;
      s.train_loss = 1 - 0.05 * i;
      for (const HealthEvent& e : autopilot.observe(s, knobs)) {
        CHECK(e.state == HealthState::overfit);
        stopped = e.stop;
      }
    }
    CHECK(stopped);
  }
}

}  // namespace gan
