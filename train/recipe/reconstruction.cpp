#include "train/recipe/reconstruction.h"

namespace gan {

Reconstruction::Prepare::Prepare(Memory& memory, DType dtype, uint64_t seed,
                                 ParameterSet& parameters) {
  parameters.allocate(memory, ops::statistics_type(dtype), Use::training);
  parameters.initialize(seed);
}

Reconstruction::Reconstruction(Device& device, Generator& generator,
                               const ReconstructionSettings& settings, DType dtype)
    : device_(device),
      generator_(generator),
      settings_(settings),
      prepare_(device.memory, dtype, settings.seed, generator.parameters()),
      adam_(generator.parameters(),
            {settings.lr_generator, settings.beta1, settings.beta2, settings.adam_eps}),
      tape_(device.memory),
      loss_memory_(device.memory, sizeof(double)),
      loss_(loss_memory_.data(), vector_shape(1), ops::statistics_type(dtype)) {}

void Reconstruction::gradients(const Tensor& gray, const Tensor& real) {
  tape_.reset();
  Context context{device_.kernels, tape_};
  Variable& painted = generator_.forward(context, tape_.constant(gray));
  ops::mse_loss(context, painted, real, 1, loss_);
  tape_.backward();
}

void Reconstruction::compute(const Tensor& gray, const Tensor& real) {
  gradients(gray, real);
  adam_.update(device_.kernels, loss_);
}

void Reconstruction::network(Archive& archive) {
  archive.network("generator", generator_.parameters());
  archive.optimizer("generator_adam", device_.memory, adam_);
}

Reconstruction::Snapshot Reconstruction::snapshot() {
  Snapshot copy;
  Archive archive = Archive::saving(copy);
  network(archive);
  return copy;
}

void Reconstruction::restore(const Snapshot& snapshot) {
  Archive archive = Archive::loading(snapshot, "the last healthy network");
  network(archive);
}

void Reconstruction::state(Archive& archive) {
  network(archive);
  archive.number("step", step_);
}

}  // namespace gan
