// What a training run is asked to do.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace gan {

struct TrainSettings {
  std::string data;
  std::string out = "run";
  std::string recipe = "classic";
  std::string model = "gan";
  std::string init;  // weights to start from; empty: random ones
  int width = 64;
  int epochs = 100;
  int batch_size = 16;
  double lr_generator = 2e-4;
  double lr_discriminator = 1e-4;
  double l1_weight = 75;
  double d_accuracy_limit = 0.8;  // the discriminator rests while its accuracy is above
  int noise_every = 5;            // epochs; 0: never
  double dropout = 0.3;
  double validation = 0.1;
  uint64_t seed = 1;
  double time_limit_minutes = 0;  // 0: none
  bool force = false;             // replace the run that `out` holds
  bool quiet = false;

  // Everything that shapes the result, for weights files.
  std::map<std::string, std::string> as_metadata() const;
};

}  // namespace gan
