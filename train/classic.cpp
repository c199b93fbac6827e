#include "train/classic.h"

namespace gan {
namespace {

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
      device_step_(device.memory, sizeof(uint64_t)) {}

Context ClassicGan::context(Tape& tape, bool training) {
  return {device_.kernels,
          tape,
          training,
          settings_.seed,
          static_cast<const uint64_t*>(device_step_.data()),
          random_stream_};
}

double ClassicGan::read(const Tensor& scalar) const {
  return to_host_f64(device_.memory, scalar)[0];
}

Variable& ClassicGan::generate(const Tensor& gray) {
  ++step_;
  device_.memory.copy_from_host(device_step_.data(), &step_, sizeof(step_));
  random_stream_ = 0;
  generator_tape_.reset();
  Context run = context(generator_tape_, true);
  Variable& fake = generator_.forward(run, generator_tape_.constant(gray));
  random_stream_ = run.random_stream;
  return fake;
}

ClassicGan::DiscriminatorPass ClassicGan::discriminator_gradients(const Tensor& real,
                                                                  const Tensor& fake,
                                                                  bool with_noise) {
  Tape& tape = discriminator_tape_;
  tape.reset();
  Context run = context(tape, true);

  Variable& on_real = discriminator_.forward(run, tape.constant(real));
  const Tensor loss_real = ops::bce_with_logits(run, on_real, 1);
  Variable& on_fake = discriminator_.forward(run, tape.constant(fake));
  const Tensor loss_fake = ops::bce_with_logits(run, on_fake, 0);
  Tensor loss_noise;
  if (with_noise) {
    const Tensor noise = tape.allocate(real.shape(), dtype_);
    device_.kernels({Op::random, dtype_, noise.shape(), noise.shape(), {}})
        .fill_uniform(run.next_random_key(), noise);
    loss_noise = ops::bce_with_logits(run, discriminator_.forward(run, tape.constant(noise)), 0);
  }
  tape.backward();
  random_stream_ = run.random_stream;

  return {on_real.value,
          on_fake.value,
          {read(loss_real), read(loss_fake), with_noise ? read(loss_noise) : 0}};
}

ClassicGan::GeneratorPass ClassicGan::generator_gradients(Variable& fake, const Tensor& real) {
  Context run = context(generator_tape_, true);
  const Tensor l1 = ops::l1_loss(run, fake, real, static_cast<float>(settings_.l1_weight));
  const Frozen frozen(discriminator_.parameters());
  Variable& on_fake = discriminator_.forward(run, fake);
  const Tensor adversarial = ops::bce_with_logits(run, on_fake, 1);
  generator_tape_.backward();
  random_stream_ = run.random_stream;
  return {on_fake.value, {read(adversarial), read(l1)}};
}

ClassicGan::StepLosses ClassicGan::step(const Tensor& gray, const Tensor& real,
                                        const StepPlan& plan) {
  StepLosses losses;
  Variable& fake = generate(gray);
  if (plan.train_discriminator) {
    losses.discriminator = discriminator_gradients(real, fake.value, plan.noise).losses;
    update_discriminator();
  }
  losses.generator = generator_gradients(fake, real).losses;
  update_generator();
  return losses;
}

void ClassicGan::state(Archive& archive) {
  archive.network("generator", generator_.parameters());
  archive.network("discriminator", discriminator_.parameters());
  archive.optimizer("generator_adam", device_.memory, generator_adam_);
  archive.optimizer("discriminator_adam", device_.memory, discriminator_adam_);
  archive.number("step", step_);
}

std::vector<float> ClassicGan::judge(const Tensor& photos) {
  discriminator_tape_.reset();
  Context run = context(discriminator_tape_, false);
  Variable& logits = discriminator_.forward(run, discriminator_tape_.constant(photos));
  return to_host(device_.memory, logits.value);
}

}  // namespace gan
