#include "train/recipe/stable.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>

#include "engine/random.h"
#include "train/state/settings.h"

namespace gan {
namespace {

// Supervision prefers a long memory of the gradient; a discriminator that moves, a shorter one.
constexpr AdamSettings kGeneratorAdam = {.beta1 = 0.9, .beta2 = 0.99};
constexpr AdamSettings kDiscriminatorAdam = {.beta1 = 0.5, .beta2 = 0.99};

// Of DiffAugment's policies (Zhao et al., "Differentiable augmentation for data-efficient GAN
// training", 2020) those that leave colours alone: moved by up to 1/8, blank over 1/2 of a side.
constexpr int64_t kMoveShare = 8, kCutShare = 2;

// What a step computes about itself: the first number of each kind in StableGan::numbers().
enum Number : int64_t {
  kDiscriminatorLoss,     // both parts of it
  kPenalties = 2,         // R1, R2
  kSupervisedLosses = 4,  // chroma, moments, coherence
  kSquares = 7,           // of the supervised and of the adversarial gradient
  kAdversarialLoss = 9,
  kBalance,  // the weight of the adversarial gradient, 1, the ratio found
  kLogits = 16,
};
// That these are finite decides about the discriminator's update, that all up to kAdversarialLoss are
// about the generator's.
constexpr int64_t kDiscriminatorNumbers = kSupervisedLosses;

// The mean logit of every picture.
std::vector<double> picture_means(const float* logits, int64_t each, int64_t pictures) {
  std::vector<double> means(static_cast<size_t>(pictures));
  for (int64_t i = 0; i < each * pictures; ++i) means[i / each] += logits[i] / double(each);
  return means;
}

double share(const std::vector<double>& values, double above) {
  const auto count =
      std::count_if(values.begin(), values.end(), [&](double v) { return v > above; });
  return static_cast<double>(count) / static_cast<double>(values.size());
}

double spread(const std::vector<double>& values, double mean) {
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

void compare(const float* logits, int64_t each, int64_t pictures, StepReport& report) {
  const auto real = picture_means(logits, each, pictures);
  const auto fake = picture_means(logits + each * pictures, each, pictures);
  const double count = static_cast<double>(pictures);
  report.logit_real = std::accumulate(real.begin(), real.end(), 0.0) / count;
  report.logit_fake = std::accumulate(fake.begin(), fake.end(), 0.0) / count;
  report.spread_real = spread(real, report.logit_real);
  report.spread_fake = spread(fake, report.logit_fake);
  report.sign_real = 2 * share(real, 0) - 1;
  const double middle = (report.logit_real + report.logit_fake) / 2;
  report.accuracy_real = share(real, middle);
  report.accuracy_fake = 1 - share(fake, middle);
  for (size_t i = 0; i < real.size(); ++i) report.accuracy_pairs += (real[i] > fake[i]) / count;
}

// The logits of one picture.
int64_t logits_of(const Shape& picture) {
  return PatchDiscriminator::logits(picture.h, picture.w);
}

}  // namespace

const char* name_of(Adversary adversary) {
  constexpr const char* kNames[] = {"paired", "bce", "none"};
  return kNames[static_cast<int>(adversary)];
}

Adversary adversary_named(const std::string& name) {
  for (Adversary adversary : {Adversary::paired, Adversary::bce, Adversary::none}) {
    if (name == name_of(adversary)) return adversary;
  }
  throw UsageError(str("unknown adversary '", name, "'; known: paired, bce, none"));
}

Smoothness smoothness_named(const std::string& name) {
  if (name == "penalty") return Smoothness::penalty;
  if (name == "spectral") return Smoothness::spectral;
  if (name == "none") return Smoothness::none;
  throw UsageError(str("unknown regularisation '", name, "'; known: penalty, spectral, none"));
}

StableGan::Prepare::Prepare(Memory& memory, uint64_t seed, ParameterSet& g, ParameterSet& d) {
  for (ParameterSet* parameters : {&g, &d}) {
    parameters->allocate(memory, DType::f32, Use::training);
    parameters->initialize(seed);
  }
}

StableGan::StableGan(Device& device, Generator& generator, const std::vector<float>& hue_weights,
                     const StableSettings& settings)
    : device_(device),
      settings_(settings),
      generator_(generator),
      discriminator_(settings.spectrum),
      prepare_(device.memory, settings.seed, generator.parameters(), discriminator_.parameters()),
      generator_adam_(generator.parameters(), kGeneratorAdam),
      discriminator_adam_(discriminator_.parameters(), kDiscriminatorAdam),
      generator_tape_(device.memory),
      discriminator_tape_(device.memory),
      weight_memory_(device.memory, hue_weights.size() * sizeof(float)),
      balance_memory_(device.memory, sizeof(GradientBalance)),
      coherence_(device.memory) {
  const int64_t cells = std::lround(std::sqrt(static_cast<double>(hue_weights.size())));
  hue_weights_ = Tensor(weight_memory_.data(), {1, cells, cells, 1}, DType::f32);
  from_host(device.memory, hue_weights_, hue_weights.data());
  device.memory.fill_zero(balance_memory_.data(), balance_memory_.bytes());
}

Context StableGan::context(Tape& tape) {
  return {.kernels = device_.kernels, .tape = tape, .training = true, .seed = settings_.seed};
}

void StableGan::mean_square(Context& context, const Tensor& x, const Tensor& into) {
  const Tensor zero = context.tape.allocate(x.shape(), x.dtype());
  device_.kernels(call_on(Op::memory, zero, zero)).fill(zero, 0);
  device_.kernels(call_on(Op::loss, x, x)).mse_loss(x, zero, 0, into, {}, Write::overwrite);
}

Shape StableGan::head_shape(const Shape& s) const {
  return generator_.head() == ColorHead::chroma128 ? s : halved(s);
}

// The batch at the resolution of the head's chroma.
Tensor StableGan::head_sized(const Tensor& color) {
  if (generator_.head() == ColorHead::chroma128) return color;
  const Tensor half = generator_tape_.allocate(head_shape(color.shape()), color.dtype());
  device_.kernels(call_on(Op::avg_pool, color, half)).avg_pool_forward(color, half);
  return half;
}

// The same changes serve this step's real and generated photos, so nothing but their colours differs.
void StableGan::draw_warps(int64_t pictures, int64_t size, double probability) {
  augmenting_ = probability > 0;
  if (!augmenting_) return;
  Random random(Random::State{settings_.seed, kWarpStream, step_ << 32});
  const auto happens = [&] { return random.uniform_f64() < probability; };
  const auto within = [&](int64_t low, int64_t high) {
    return static_cast<int32_t>(low + random.below(static_cast<uint32_t>(high - low + 1)));
  };
  std::vector<Warp> warps(static_cast<size_t>(pictures));
  for (Warp& warp : warps) {
    if (happens()) {
      warp.down = within(-size / kMoveShare, size / kMoveShare);
      warp.right = within(-size / kMoveShare, size / kMoveShare);
    }
    warp.flip = happens() && random.below(2) == 1;
    if (happens()) {
      const int64_t cut = size / kCutShare;
      warp.cut_size = static_cast<int32_t>(cut);
      warp.cut_top = within(-cut / 2, size - cut / 2);
      warp.cut_left = within(-cut / 2, size - cut / 2);
    }
  }
  const size_t bytes = warps.size() * sizeof(Warp);
  if (warp_memory_.bytes() < bytes) warp_memory_ = Buffer(device_.memory, bytes);
  device_.memory.send(warp_memory_.data(), warps.data(), bytes);
}

// The discriminator's logits for what it is shown of a picture.
Variable& StableGan::judge(Context& context, Variable& picture) {
  if (!augmenting_) return discriminator_.forward(context, picture);
  Variable& seen = ops::augment(context, picture, static_cast<const Warp*>(warp_memory_.data()));
  return discriminator_.forward(context, seen);
}

void StableGan::discriminator_gradients(const Tensor& real, const Tensor& fake,
                                        const StepPlan& plan) {
  Tape& tape = discriminator_tape_;
  tape.reset();
  Context run = context(tape);
  const auto seen = [&](const Tensor& picture) -> Variable& {
    Variable& given = tape.constant(picture);
    if (!augmenting_) return given;
    return ops::augment(run, given, static_cast<const Warp*>(warp_memory_.data()));
  };
  Variable& seen_real = seen(real);
  Variable& seen_fake = seen(fake);
  Variable& on_real = discriminator_.forward(run, seen_real);
  Variable& on_fake = discriminator_.forward(run, seen_fake);
  if (settings_.adversary == Adversary::bce) {
    ops::bce_with_logits(run, on_real, static_cast<float>(1 - settings_.label_smoothing), 1,
                         number(kDiscriminatorLoss));
    ops::bce_with_logits(run, on_fake, 0, 1, number(kDiscriminatorLoss + 1));
  } else {
    ops::relativistic_loss(run, on_real, on_fake, 1, number(kDiscriminatorLoss));
  }
  tape.backward();
  int64_t place = kLogits;
  for (const Variable* logits : {&on_real, &on_fake}) {
    const int64_t count = logits->value.elements();
    const Tensor to(number(place, count).data(), logits->value.shape(), numbers_.dtype());
    device_.kernels(call_on(Op::memory, logits->value, to)).copy(logits->value, to);
    place += count;
  }

  if (plan.r1_gamma > 0) {
    discriminator_.penalty(run, seen_real.value, static_cast<float>(plan.r1_gamma),
                           number(kPenalties));
  }
  if (plan.r2_gamma > 0) {
    discriminator_.penalty(run, seen_fake.value, static_cast<float>(plan.r2_gamma),
                           number(kPenalties + 1));
  }
}

// Adds w * (gradient of the adversarial loss) to that of the supervised losses, which has arrived.
void StableGan::adversarial_gradient(const Tensor& real, const Tensor& fake, Variable& chroma,
                                     const UpdateControl* after) {
  Tape& tape = discriminator_tape_;
  tape.reset();
  Context run = context(tape);
  const Frozen frozen(discriminator_.parameters());
  Variable& picture = tape.variable(fake, true);
  Variable& on_fake = judge(run, picture);
  if (settings_.adversary == Adversary::bce) {
    ops::bce_with_logits(run, on_fake, 1, 1, number(kAdversarialLoss));
  } else {
    ops::relativistic_loss(run, on_fake, judge(run, tape.constant(real)), 1,
                           number(kAdversarialLoss));
  }
  tape.backward();

  const Tensor gradient = picture.grad.channels(1, 2);
  const Tensor squares = number(kSquares, 2);
  mean_square(run, chroma.grad, number(kSquares));
  mean_square(run, gradient, number(kSquares + 1));
  device_.kernels(call_on(Op::control, squares, squares))
      .balance(squares, after, balance(), number(kBalance, 3));
  device_.kernels(call_on(Op::memory, gradient, chroma.grad))
      .mix(number(kBalance, 2), gradient, chroma.grad);
}

StepReport StableGan::step(const Tensor& gray, const Tensor& color, const StepPlan& plan) {
  prepare(color.shape(), plan);
  compute(gray, color, plan);
  return read_report(to_host(device_.memory, numbers_), plan);
}

void StableGan::prepare(const Shape& photos, const StepPlan& plan) {
  ++step_;
  head_shape_ = head_shape(photos);
  const int64_t count = kLogits + 2 * photos.n * logits_of(head_shape_);
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  if (number_memory_.bytes() < bytes) number_memory_ = Buffer(device_.memory, bytes);
  numbers_ = Tensor(number_memory_.data(), vector_shape(count), DType::f32);

  draw_warps(photos.n, head_shape_.h, plan.augment);
  if (plan.train_discriminator) discriminator_adam_.set_learning_rate(plan.lr_discriminator);
  if (plan.train_generator) generator_adam_.set_learning_rate(plan.lr_generator);
  if (plan.adversarial_ratio > 0) {
    device_.memory.send(&balance()->ratio, &plan.adversarial_ratio, sizeof(double));
  }
}

void StableGan::compute(const Tensor& gray, const Tensor& color, const StepPlan& plan) {
  Tape& tape = generator_tape_;
  tape.reset();
  Context run = context(tape);
  device_.kernels(call_on(Op::memory, numbers_, numbers_)).fill(numbers_, 0);
  const Tensor real = head_sized(color);
  const Tensor fake = tape.allocate(real.shape(), real.dtype());
  const Tensor luma = fake.channels(0, 1);
  device_.kernels(call_on(Op::memory, luma, luma)).copy(real.channels(0, 1), luma);
  Variable& chroma = generator_.forward(run, tape.constant(gray), fake.channels(1, 2));

  const UpdateControl* judged = nullptr;
  if (plan.train_discriminator) {
    discriminator_gradients(real, fake, plan);
    norms_.discriminator = update(discriminator_adam_, discriminator_.parameters(), plan,
                                  number(0, kDiscriminatorNumbers), nullptr);
    judged = discriminator_adam_.control();
  }
  if (plan.train_generator) {
    const Tensor truth = real.channels(1, 2);
    ops::chroma_loss(run, chroma, truth, hue_weights_, static_cast<float>(settings_.huber_beta), 1,
                     number(kSupervisedLosses));
    if (plan.moment_weight > 0) {
      ops::moment_loss(run, chroma, truth, static_cast<float>(plan.moment_weight),
                       number(kSupervisedLosses + 1));
    }
    if (plan.coherence_weight > 0) {
      coherence_(run, chroma, truth, static_cast<float>(plan.coherence_weight),
                 number(kSupervisedLosses + 2));
    }
    if (plan.adversarial_ratio > 0) adversarial_gradient(real, fake, chroma, judged);
    tape.backward();
    norms_.generator =
        update(generator_adam_, generator_.parameters(), plan,
               number(kSupervisedLosses, kAdversarialLoss - kSupervisedLosses), judged);
  }
}

Replay::Key StableGan::key(const StepPlan& plan) const {
  const auto bits = [](double value) { return std::bit_cast<uint64_t>(value); };
  const auto address = [](const void* memory) { return reinterpret_cast<uint64_t>(memory); };
  return {plan.train_generator, plan.train_discriminator, plan.adversarial_ratio > 0, augmenting_,
          // These change so rarely that they may be recorded.
          bits(plan.moment_weight), bits(plan.coherence_weight), bits(plan.r1_gamma),
          bits(plan.r2_gamma), static_cast<uint64_t>(head_shape_.n),
          static_cast<uint64_t>(head_shape_.h), static_cast<uint64_t>(head_shape_.w),
          address(number_memory_.data()), address(warp_memory_.data())};
}

StepReport StableGan::read_report(const std::vector<float>& numbers, const StepPlan& plan) const {
  require(
      static_cast<int64_t>(numbers.size()) == kLogits + 2 * head_shape_.n * logits_of(head_shape_),
      "a report of ", numbers.size(), " numbers");
  const auto elements = static_cast<double>(head_shape_.elements() / head_shape_.n);
  const auto at = [&](int64_t i) { return static_cast<double>(numbers[static_cast<size_t>(i)]); };
  StepReport report;
  report.chroma = at(kSupervisedLosses);
  report.moments = at(kSupervisedLosses + 1);
  report.coherence = at(kSupervisedLosses + 2);
  report.discriminator = at(kDiscriminatorLoss) + at(kDiscriminatorLoss + 1);
  report.adversarial = at(kAdversarialLoss);
  report.r1 = elements * at(kPenalties);
  report.r2 = elements * at(kPenalties + 1);
  report.adversarial_weight = at(kBalance);
  report.adversarial_share = at(kBalance + 2);
  if (plan.train_discriminator) {
    compare(&numbers[kLogits], logits_of(head_shape_), head_shape_.n, report);
  }
  for (int64_t i = 0; i < kAdversarialLoss; ++i) {
    report.finite = report.finite && std::isfinite(numbers[static_cast<size_t>(i)]);
  }
  return report;
}

std::vector<LayerNorms> StableGan::update(Adam& adam, const ParameterSet& parameters,
                                          const StepPlan& plan, const Tensor& numbers,
                                          const UpdateControl* after) {
  std::optional<UpdateProbe> probe;
  if (plan.look_inside) probe.emplace(parameters);
  adam.update(device_.kernels, numbers, after);
  return probe ? probe->finish() : std::vector<LayerNorms>();
}

double StableGan::mean_logit(const Tensor& color) {
  generator_tape_.reset();
  discriminator_tape_.reset();
  Context run = context(discriminator_tape_);
  run.training = false;
  const Tensor logits =
      discriminator_.forward(run, discriminator_tape_.constant(head_sized(color))).value;
  const std::vector<float> values = to_host(device_.memory, logits);
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void StableGan::values_changed() {
  generator_.parameters().values_changed();
  discriminator_.parameters().values_changed();
}

void StableGan::networks(Archive& archive) {
  archive.network("generator", generator_.parameters());
  archive.network("discriminator", discriminator_.parameters());
  archive.optimizer("generator_adam", device_.memory, generator_adam_);
  archive.optimizer("discriminator_adam", device_.memory, discriminator_adam_);
}

StableGan::Snapshot StableGan::snapshot() {
  Snapshot copy;
  Archive archive = Archive::saving(copy);
  networks(archive);
  return copy;
}

void StableGan::restore(const Snapshot& snapshot) {
  Archive archive = Archive::loading(snapshot, "the last healthy networks");
  networks(archive);
}

void StableGan::state(Archive& archive) {
  networks(archive);
  archive.number("step", step_);
  GradientBalance state;
  device_.memory.copy_to_host(&state, balance(), sizeof(state));
  archive.number("smooth_share", state.smooth);
  device_.memory.copy_from_host(balance(), &state, sizeof(state));
}

}  // namespace gan
