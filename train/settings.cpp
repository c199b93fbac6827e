#include "train/settings.h"

#include "engine/error.h"

namespace gan {

std::map<std::string, std::string> TrainSettings::as_metadata() const {
  return {{"recipe", recipe},
          {"epochs", str(epochs)},
          {"batch_size", str(batch_size)},
          {"lr_g", str(lr_generator)},
          {"lr_d", str(lr_discriminator)},
          {"l1", str(l1_weight)},
          {"d_accuracy_limit", str(d_accuracy_limit)},
          {"noise_every", str(noise_every)},
          {"dropout", str(dropout)},
          {"validation", str(validation)},
          {"seed", str(seed)},
          {"init", init}};
}

}  // namespace gan
