#include "train/settings.h"

#include "engine/error.h"

namespace gan {

std::map<std::string, std::string> TrainSettings::as_metadata() const {
  const auto yes_no = [](bool value) { return std::string(value ? "yes" : "no"); };
  std::map<std::string, std::string> all = {{"recipe", recipe},
                                            {"epochs", str(epochs)},
                                            {"batch_size", str(batch_size)},
                                            {"validation", str(validation)},
                                            {"seed", str(seed)},
                                            {"init", init}};
  if (lr_generator) all["lr_g"] = str(*lr_generator);
  if (lr_discriminator) all["lr_d"] = str(*lr_discriminator);
  if (time_limit_minutes > 0) all["time_limit_minutes"] = str(time_limit_minutes);
  if (recipe == "classic") {
    all.merge(std::map<std::string, std::string>{{"l1", str(l1_weight)},
                                                 {"d_accuracy_limit", str(d_accuracy_limit)},
                                                 {"noise_every", str(noise_every)},
                                                 {"dropout", str(dropout)}});
    return all;
  }
  all.merge(std::map<std::string, std::string>{{"supervised", str(supervised)},
                                               {"adversary", adversary},
                                               {"adversarial_ratio", str(adversarial_ratio)},
                                               {"r1_gamma", str(r1_gamma)},
                                               {"r2_gamma", str(r2_gamma)},
                                               {"penalty_every", str(penalty_every)},
                                               {"label_smoothing", str(label_smoothing)},
                                               {"moment_weight", str(moment_weight)},
                                               {"balance_hues", yes_no(balance_hues)},
                                               {"move_photos", yes_no(move_photos)},
                                               {"augment", yes_no(augment)},
                                               {"ema", yes_no(ema)},
                                               {"anneal", yes_no(anneal)},
                                               {"autopilot", yes_no(autopilot)}});
  return all;
}

}  // namespace gan
