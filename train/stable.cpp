#include "train/stable.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "engine/random.h"
#include "train/settings.h"

namespace gan {
namespace {

// Supervision prefers a long memory of the gradient; a discriminator that moves, a shorter one.
constexpr AdamSettings kGeneratorAdam = {.beta1 = 0.9, .beta2 = 0.99};
constexpr AdamSettings kDiscriminatorAdam = {.beta1 = 0.5, .beta2 = 0.99};

// Of DiffAugment's policies (Zhao et al., "Differentiable augmentation for data-efficient GAN
// training", 2020) those that leave colours alone: moved by up to 1/8, blank over 1/2 of a side.
constexpr int64_t kMoveShare = 8, kCutShare = 2;

Call simple_call(Op op, const Tensor& x, const Tensor& y) {
  return {op, x.dtype(), x.shape(), y.shape(), {}};
}

// The mean logit of every picture.
std::vector<double> picture_means(const std::vector<float>& logits, int64_t pictures) {
  std::vector<double> means(static_cast<size_t>(pictures));
  const size_t each = logits.size() / means.size();
  for (size_t i = 0; i < logits.size(); ++i) means[i / each] += logits[i] / double(each);
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
      coherence_(device.memory) {
  const int64_t cells = std::lround(std::sqrt(static_cast<double>(hue_weights.size())));
  hue_weights_ = Tensor(weight_memory_.data(), {1, cells, cells, 1}, DType::f32);
  from_host(device.memory, hue_weights_, hue_weights.data());
}

Context StableGan::context(Tape& tape) {
  return {.kernels = device_.kernels, .tape = tape, .training = true, .seed = settings_.seed};
}

double StableGan::read(const Tensor& scalar) const {
  return to_host_f64(device_.memory, scalar)[0];
}

double StableGan::mean_square(Context& context, const Tensor& x) {
  const Tensor zero = context.tape.allocate(x.shape(), x.dtype());
  const Tensor mean = context.tape.allocate(vector_shape(1), x.dtype());
  device_.kernels(simple_call(Op::memory, zero, zero)).fill(zero, 0);
  device_.kernels(simple_call(Op::loss, x, x)).mse_loss(x, zero, 0, mean, {}, Write::overwrite);
  return read(mean);
}

// The batch at the resolution of the head's chroma.
Tensor StableGan::head_sized(const Tensor& color) {
  if (generator_.head() == ColorHead::chroma128) return color;
  const Shape& s = color.shape();
  const Tensor half = generator_tape_.allocate({s.n, s.h / 2, s.w / 2, s.c}, color.dtype());
  device_.kernels(simple_call(Op::avg_pool, color, half)).avg_pool_forward(color, half);
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
  device_.memory.copy_from_host(warp_memory_.data(), warps.data(), bytes);
}

// The discriminator's logits for what it is shown of a picture.
Variable& StableGan::judge(Context& context, Variable& picture) {
  if (!augmenting_) return discriminator_.forward(context, picture);
  Variable& seen = ops::augment(context, picture, static_cast<const Warp*>(warp_memory_.data()));
  return discriminator_.forward(context, seen);
}

void StableGan::discriminator_gradients(const Tensor& real, const Tensor& fake,
                                        const StepPlan& plan, StepReport& report) {
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
  Tensor loss, second;
  if (settings_.adversary == Adversary::bce) {
    loss = ops::bce_with_logits(run, on_real, static_cast<float>(1 - settings_.label_smoothing));
    second = ops::bce_with_logits(run, on_fake, 0);
  } else {
    loss = ops::relativistic_loss(run, on_real, on_fake);
  }
  tape.backward();
  report.discriminator = read(loss) + (second ? read(second) : 0);
  compare(on_real.value, on_fake.value, report);

  const auto elements = static_cast<double>(real.elements() / real.shape().n);
  if (plan.r1_gamma > 0) {
    report.r1 = elements * read(discriminator_.penalty(run, seen_real.value,
                                                       static_cast<float>(plan.r1_gamma)));
  }
  if (plan.r2_gamma > 0) {
    report.r2 = elements * read(discriminator_.penalty(run, seen_fake.value,
                                                       static_cast<float>(plan.r2_gamma)));
  }
}

void StableGan::compare(const Tensor& real_logits, const Tensor& fake_logits,
                        StepReport& report) const {
  const int64_t pictures = real_logits.shape().n;
  const auto real = picture_means(to_host(device_.memory, real_logits), pictures);
  const auto fake = picture_means(to_host(device_.memory, fake_logits), pictures);
  const double count = static_cast<double>(pictures);
  report.logit_real = std::accumulate(real.begin(), real.end(), 0.0) / count;
  report.logit_fake = std::accumulate(fake.begin(), fake.end(), 0.0) / count;
  report.spread_real = spread(real, report.logit_real);
  report.spread_fake = spread(fake, report.logit_fake);
  report.sign_real = share(real, 0) - (1 - share(real, 0));
  const double middle = (report.logit_real + report.logit_fake) / 2;
  report.accuracy_real = share(real, middle);
  report.accuracy_fake = 1 - share(fake, middle);
  for (size_t i = 0; i < real.size(); ++i) report.accuracy_pairs += (real[i] > fake[i]) / count;
}

// Adds w * (gradient of the adversarial loss) to that of the supervised losses, which has arrived.
void StableGan::adversarial_gradient(const Tensor& real, const Tensor& fake, Variable& chroma,
                                     const StepPlan& plan, StepReport& report) {
  Tape& tape = discriminator_tape_;
  tape.reset();
  Context run = context(tape);
  const Frozen frozen(discriminator_.parameters());
  Variable& picture = tape.variable(fake, true);
  Variable& on_fake = judge(run, picture);
  Tensor loss;
  if (settings_.adversary == Adversary::bce) {
    loss = ops::bce_with_logits(run, on_fake, 1);
  } else {
    loss = ops::relativistic_loss(run, on_fake, judge(run, tape.constant(real)));
  }
  tape.backward();
  report.adversarial = read(loss);

  const Tensor gradient = picture.grad.channels(1, 2);
  const double supervised = std::sqrt(mean_square(run, chroma.grad));
  const double adversarial = std::sqrt(mean_square(run, gradient));
  if (!std::isfinite(adversarial) || !std::isfinite(supervised)) {
    report.finite = false;
    return;
  }
  report.adversarial_share = adversarial / std::max(supervised, 1e-20);
  smooth_share_ = smooth_share_ == 0 ? report.adversarial_share
                                     : 0.95 * smooth_share_ + 0.05 * report.adversarial_share;
  report.adversarial_weight = plan.adversarial_ratio / std::max(smooth_share_, 1e-8);
  device_.kernels(simple_call(Op::memory, gradient, chroma.grad))
      .axpby(static_cast<float>(report.adversarial_weight), gradient, 1, chroma.grad);
}

StepReport StableGan::step(const Tensor& gray, const Tensor& color, const StepPlan& plan) {
  ++step_;
  StepReport report;
  Tape& tape = generator_tape_;
  tape.reset();
  Context run = context(tape);
  const Tensor real = head_sized(color);
  const Tensor fake = tape.allocate(real.shape(), real.dtype());
  const Tensor luma = fake.channels(0, 1);
  device_.kernels(simple_call(Op::memory, luma, luma)).copy(real.channels(0, 1), luma);
  Variable& chroma = generator_.forward(run, tape.constant(gray), fake.channels(1, 2));
  draw_warps(real.shape().n, real.shape().h, plan.augment);

  if (plan.train_discriminator) {
    discriminator_gradients(real, fake, plan, report);
    report.finite = std::isfinite(report.discriminator + report.r1 + report.r2);
    if (report.finite) {
      report.discriminator_norms =
          update(discriminator_adam_, discriminator_.parameters(), plan.lr_discriminator, plan);
    }
    discriminator_.parameters().forget_gradients();
  }
  if (plan.train_generator && report.finite) {
    const Tensor truth = real.channels(1, 2);
    const Tensor chroma_loss = ops::chroma_loss(run, chroma, truth, hue_weights_,
                                                static_cast<float>(settings_.huber_beta));
    report.chroma = read(chroma_loss);
    if (plan.moment_weight > 0) {
      report.moments =
          read(ops::moment_loss(run, chroma, truth, static_cast<float>(plan.moment_weight)));
    }
    if (plan.coherence_weight > 0) {
      report.coherence =
          read(coherence_(run, chroma, truth, static_cast<float>(plan.coherence_weight)));
    }
    if (plan.adversarial_ratio > 0) adversarial_gradient(real, fake, chroma, plan, report);
    report.finite =
        report.finite && std::isfinite(report.chroma + report.moments + report.coherence);
    if (report.finite) {
      tape.backward();
      report.generator_norms =
          update(generator_adam_, generator_.parameters(), plan.lr_generator, plan);
    }
    generator_.parameters().forget_gradients();
  }
  return report;
}

double StableGan::mean_logit(const Tensor& color) {
  generator_tape_.reset();
  discriminator_tape_.reset();
  Context run = context(discriminator_tape_);
  run.training = false;
  const Tensor logits =
      discriminator_.forward(run, discriminator_tape_.constant(head_sized(color))).value;
  const std::vector<double> means =
      picture_means(to_host(device_.memory, logits), logits.shape().n);
  return std::accumulate(means.begin(), means.end(), 0.0) / static_cast<double>(means.size());
}

std::vector<LayerNorms> StableGan::update(Adam& adam, ParameterSet& parameters,
                                          double learning_rate, const StepPlan& plan) {
  std::optional<UpdateProbe> probe;
  if (plan.look_inside) probe.emplace(parameters);
  adam.settings().learning_rate = learning_rate;
  adam.update(device_.kernels);
  return probe ? probe->finish() : std::vector<LayerNorms>();
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
  archive.number("smooth_share", smooth_share_);
}

}  // namespace gan
