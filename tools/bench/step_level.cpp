#include <algorithm>
#include <memory>

#include "tools/bench/bench.h"
#include "tools/bench/cost.h"
#include "tools/bench/limits.h"
#include "tools/bench/photos.h"
#include "train/classic.h"

namespace gan::bench {
namespace {

constexpr int kSize = ClassicDiscriminator::kSize;
// The check: a narrow generator with the whole discriminator, which has only one size.
constexpr int kCheckWidth = 8;
constexpr int kCheckBatch = 1;

class StepRun {
 public:
  StepRun(Device& device, int width, int64_t batch_size)
      : device_(device),
        generator_(make_generator("gan", width)),
        gan_(device, *generator_, {}),
        inputs_(device.memory),
        gray_(random_photos(inputs_, batch_size, kSize, 1)),
        color_(random_photos(inputs_, batch_size, kSize, 2)) {}

  // Returns when all is computed: the losses are read.
  ClassicGan::StepLosses step() { return gan_.step(gray_, color_, {}); }

  // The first step's losses, then both networks' gradients.
  std::vector<std::vector<float>> results() {
    const ClassicGan::StepLosses losses = step();
    const auto& d = losses.discriminator;
    const auto& g = losses.generator;
    return {{static_cast<float>(d.real), static_cast<float>(d.fake),
             static_cast<float>(g.adversarial), static_cast<float>(g.l1)},
            to_host(device_.memory, generator_->parameters().gradients()),
            to_host(device_.memory, gan_.discriminator().parameters().gradients())};
  }

 private:
  Device& device_;
  std::unique_ptr<Generator> generator_;
  ClassicGan gan_;
  Arena inputs_;
  Tensor gray_, color_;
};

}  // namespace

std::vector<Row> step_level(Device& device, const Options& options) {
  Row row{"step", "classic training step", options.width, options.batch_size};
  row.photos = options.batch_size;
  row.flop = options.batch_size * classic_step_flop(options.width);
  row.limit = kGradientLimit;
  {
    Device reference = open_device({.backend = "reference"});
    const auto expected = StepRun(reference, kCheckWidth, kCheckBatch).results();
    const auto results = StepRun(device, kCheckWidth, kCheckBatch).results();
    // The losses have the stricter limit: brought to that of the gradients.
    row.error = relative_error(results[0], expected[0]) * kGradientLimit / kOutputLimit;
    for (size_t i : {1, 2})
      row.error = std::max(row.error, relative_error(results[i], expected[i]));
  }
  if (row.correct()) {
    StepRun run(device, options.width, options.batch_size);
    row.timing = measure(options.seconds, [&] { run.step(); });
  }
  return {row};
}

}  // namespace gan::bench
