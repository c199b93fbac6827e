#include "train/recipe/classic.h"

namespace gan {
namespace {

// The losses of a step, in their order in ClassicGan::numbers().
enum Number : int64_t { kReal, kFake, kNoise, kAdversarial, kL1, kNumbers };

AdamSettings adam_settings(const ClassicSettings& settings, double learning_rate) {
  return {learning_rate, settings.beta1, settings.beta2, settings.adam_eps};
}

}  // namespace

ClassicGan::Prepare::Prepare(Memory& memory, DType dtype, uint64_t seed, ParameterSet& g,
                             ParameterSet& d) {
  for (ParameterSet* parameters : {&g, &d}) {
    parameters->allocate(memory, ops::statistics_type(dtype), Use::training);
    parameters->initialize(seed);
  }
}

ClassicGan::ClassicGan(Device& device, Generator& generator, const ClassicSettings& settings,
                       DType dtype)
    : device_(device),
      settings_(settings),
      dtype_(dtype),
      generator_(generator),
      discriminator_(static_cast<float>(settings.dropout)),
      prepare_(device.memory, dtype, settings.seed, generator.parameters(),
               discriminator_.parameters()),
      generator_adam_(generator.parameters(), adam_settings(settings, settings.lr_generator)),
      discriminator_adam_(discriminator_.parameters(),
                          adam_settings(settings, settings.lr_discriminator)),
      generator_tape_(device.memory),
      discriminator_tape_(device.memory),
      judge_tape_(device.memory),
      device_step_(device.memory, sizeof(uint64_t)),
      number_memory_(device.memory, kNumbers * sizeof(double)),
      numbers_(number_memory_.data(), vector_shape(kNumbers), ops::statistics_type(dtype)) {}

Context ClassicGan::context(Tape& tape, bool training) {
  return {device_.kernels,
          tape,
          training,
          settings_.seed,
          static_cast<const uint64_t*>(device_step_.data()),
          random_stream_};
}

template <class T>
ClassicGan::StepLosses ClassicGan::read_losses(const std::vector<T>& numbers,
                                               const StepPlan& plan) {
  StepLosses losses;
  if (plan.train_discriminator) {
    losses.discriminator = {numbers[kReal], numbers[kFake], plan.noise ? numbers[kNoise] : 0};
  }
  losses.generator = {numbers[kAdversarial], numbers[kL1]};
  return losses;
}
template ClassicGan::StepLosses ClassicGan::read_losses(const std::vector<float>&, const StepPlan&);
template ClassicGan::StepLosses ClassicGan::read_losses(const std::vector<double>&,
                                                        const StepPlan&);

ClassicGan::StepLosses ClassicGan::read(const StepPlan& plan) const {
  return read_losses(to_host_f64(device_.memory, numbers_), plan);
}

void ClassicGan::prepare() {
  ++step_;
  device_.memory.send(device_step_.data(), &step_, sizeof(step_));
}

Variable& ClassicGan::generate(const Tensor& gray) {
  prepare();
  return run_generator(gray);
}

Variable& ClassicGan::run_generator(const Tensor& gray) {
  random_stream_ = 0;
  generator_tape_.reset();
  Context run = context(generator_tape_, true);
  Variable& fake = generator_.forward(run, generator_tape_.constant(gray));
  random_stream_ = run.random_stream;
  return fake;
}

ClassicGan::DiscriminatorPass ClassicGan::run_discriminator(const Tensor& real, const Tensor& fake,
                                                            bool with_noise) {
  Tape& tape = discriminator_tape_;
  tape.reset();
  Context run = context(tape, true);

  // All kinds of pictures at once: layers as small as these take hardly longer for twice as many.
  const int64_t count = real.shape().n, kinds = with_noise ? 3 : 2;
  run.kinds = kinds;
  Shape shape = real.shape();
  shape.n = kinds * count;
  const Tensor pictures = tape.allocate(shape, dtype_);
  const auto part = [&](int64_t kind) { return pictures.pictures(kind * count, count); };
  const Call copy = call_on(Op::memory, real, real);
  device_.kernels(copy).copy(real, part(0));
  device_.kernels(copy).copy(fake, part(1));
  if (with_noise) {
    device_.kernels(call_on(Op::random, part(2), part(2)))
        .fill_uniform(run.next_random_key(), part(2));
  }
  Variable& logits = discriminator_.forward(run, tape.constant(pictures));
  const std::vector<Variable*> on = ops::split(run, logits, kinds);
  ops::bce_with_logits(run, *on[0], 1, 1, number(kReal));
  ops::bce_with_logits(run, *on[1], 0, 1, number(kFake));
  if (with_noise) ops::bce_with_logits(run, *on[2], 0, 1, number(kNoise));
  tape.backward();
  random_stream_ = run.random_stream;
  return {on[0]->value, on[1]->value, {}};
}

ClassicGan::DiscriminatorPass ClassicGan::discriminator_gradients(const Tensor& real,
                                                                  const Tensor& fake,
                                                                  bool with_noise) {
  DiscriminatorPass pass = run_discriminator(real, fake, with_noise);
  pass.losses = read({.noise = with_noise}).discriminator;
  return pass;
}

ClassicGan::GeneratorPass ClassicGan::run_adversary(Variable& fake, const Tensor& real) {
  Context run = context(generator_tape_, true);
  ops::l1_loss(run, fake, real, static_cast<float>(settings_.l1_weight), number(kL1));
  const Frozen frozen(discriminator_.parameters());
  Variable& on_fake = discriminator_.forward(run, fake);
  ops::bce_with_logits(run, on_fake, 1, 1, number(kAdversarial));
  generator_tape_.backward();
  random_stream_ = run.random_stream;
  return {on_fake.value, {}};
}

ClassicGan::GeneratorPass ClassicGan::generator_gradients(Variable& fake, const Tensor& real) {
  GeneratorPass pass = run_adversary(fake, real);
  pass.losses = read({}).generator;
  return pass;
}

ClassicGan::StepLosses ClassicGan::step(const Tensor& gray, const Tensor& real,
                                        const StepPlan& plan) {
  prepare();
  compute(gray, real, plan);
  return read(plan);
}

void ClassicGan::compute(const Tensor& gray, const Tensor& real, const StepPlan& plan) {
  device_.kernels(call_on(Op::memory, numbers_, numbers_)).fill(numbers_, 0);
  Variable& fake = run_generator(gray);
  const UpdateControl* judged = nullptr;
  if (plan.train_discriminator) {
    run_discriminator(real, fake.value, plan.noise);
    discriminator_adam_.update(device_.kernels, numbers_.channels(kReal, kNoise + 1));
    judged = discriminator_adam_.control();
  }
  run_adversary(fake, real);
  generator_adam_.update(device_.kernels, numbers_.channels(kAdversarial, 2), judged);
}

Replay::Key ClassicGan::key(const StepPlan& plan, int64_t pictures) {
  return {plan.train_discriminator, plan.noise, static_cast<uint64_t>(pictures)};
}

void ClassicGan::values_changed() {
  generator_.parameters().values_changed();
  discriminator_.parameters().values_changed();
}

void ClassicGan::networks(Archive& archive) {
  archive.network("generator", generator_.parameters());
  archive.network("discriminator", discriminator_.parameters());
  archive.optimizer("generator_adam", device_.memory, generator_adam_);
  archive.optimizer("discriminator_adam", device_.memory, discriminator_adam_);
}

void ClassicGan::scale_learning_rates(double factor) {
  generator_adam_.set_learning_rate(factor * settings_.lr_generator);
  discriminator_adam_.set_learning_rate(factor * settings_.lr_discriminator);
}

ClassicGan::Snapshot ClassicGan::snapshot() {
  Snapshot copy;
  Archive archive = Archive::saving(copy);
  networks(archive);
  return copy;
}

void ClassicGan::restore(const Snapshot& snapshot) {
  Archive archive = Archive::loading(snapshot, "the last healthy networks");
  networks(archive);
}

void ClassicGan::state(Archive& archive) {
  networks(archive);
  archive.number("step", step_);
}

std::vector<float> ClassicGan::judge(const Tensor& photos) {
  judge_tape_.reset();
  Context run = context(judge_tape_, false);
  Variable& logits = discriminator_.forward(run, judge_tape_.constant(photos));
  return to_host(device_.memory, logits.value);
}

}  // namespace gan
