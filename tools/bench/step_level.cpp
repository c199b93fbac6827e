#include <algorithm>
#include <memory>

#include "engine/replay.h"
#include "tools/bench/bench.h"
#include "tools/bench/cost.h"
#include "tools/bench/limits.h"
#include "tools/bench/photos.h"
#include "train/recipe/classic.h"
#include "train/recipe/stable.h"

namespace gan::bench {
namespace {

constexpr int kSize = ClassicDiscriminator::kSize;
// The classic step's check: a narrow generator with the whole discriminator, which has only one size.
constexpr int kCheckWidth = 8;
constexpr int kCheckBatch = 1;

// The stable step has a network of any size on both sides.
constexpr int kStableCheckSize = 32;

class ClassicRun {
 public:
  ClassicRun(Device& device, int width, int64_t batch_size)
      : device_(device),
        generator_(make_generator("gan", width)),
        gan_(device, *generator_, {}, device.pictures()),
        replay_(device.memory),
        inputs_(device.memory),
        gray_(random_photos(inputs_, batch_size, kSize, 1, device.pictures())),
        color_(random_photos(inputs_, batch_size, kSize, 2, device.pictures())) {}

  void step() {
    gan_.prepare();
    replay_.run(ClassicGan::key({}, gray_.shape().n),
                {&gan_.generator_arena(), &gan_.discriminator_arena()}, [&] {
                  if (device_.memory.records()) gan_.values_changed();
                  gan_.compute(gray_, color_, {});
                });
  }
  void wait() { to_host(device_.memory, gan_.numbers()); }

  // The first step's losses, then both networks' gradients.
  std::vector<std::vector<float>> results() {
    const ClassicGan::StepLosses losses = gan_.step(gray_, color_, {});
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
  Replay replay_;
  Arena inputs_;
  Tensor gray_, color_;
};

class StableRun {
 public:
  StableRun(Device& device, int width, int64_t batch_size, int size, const StepPlan& plan)
      : device_(device),
        plan_(plan),
        generator_(make_generator("gan", width, ColorHead::chroma64)),
        gan_(device, *generator_, std::vector<float>(32 * 32, 1.0f), {}),
        replay_(device.memory),
        inputs_(device.memory),
        gray_(random_photos(inputs_, batch_size, size, 1, device.pictures())),
        color_(random_photos(inputs_, batch_size, size, 2, device.pictures())) {}

  void step() {
    gan_.prepare(color_.shape(), plan_);
    replay_.run(gan_.key(plan_), {&gan_.generator_arena(), &gan_.discriminator_arena()}, [&] {
      if (device_.memory.records()) gan_.values_changed();
      gan_.compute(gray_, color_, plan_);
    });
  }
  void wait() { to_host(device_.memory, gan_.numbers()); }

  // The first step's numbers, then both networks' gradients.
  std::vector<std::vector<float>> results() {
    const StepReport r = gan_.step(gray_, color_, plan_);
    return {{static_cast<float>(r.chroma), static_cast<float>(r.moments),
             static_cast<float>(r.discriminator), static_cast<float>(r.adversarial),
             static_cast<float>(r.r1), static_cast<float>(r.r2)},
            to_host(device_.memory, generator_->parameters().gradients()),
            to_host(device_.memory, gan_.discriminator().parameters().gradients())};
  }

 private:
  Device& device_;
  StepPlan plan_;
  std::unique_ptr<Generator> generator_;
  StableGan gan_;
  Replay replay_;
  Arena inputs_;
  Tensor gray_, color_;
};

// Checks a small run of the row's device against one of the reference's, then times `run`.
template <class Make>
Row checked_and_timed(Row row, Device& device, const Options& options, Make&& make) {
  row.photos = options.batch_size;
  row.limit = gradient_limit(device.precision);
  {
    Device reference = open_device({.device = "cpu", .backend = "reference"});
    const auto expected = make(reference, true)->results();
    const auto results = make(device, true)->results();
    // The losses have the stricter limit: brought to that of the gradients.
    row.error =
        relative_error(results[0], expected[0]) * row.limit / output_limit(device.precision);
    for (size_t i : {1, 2}) {
      if (expected[i].empty()) continue;
      row.error = std::max(row.error, relative_error(results[i], expected[i]));
    }
  }
  if (row.correct()) {
    const auto run = make(device, false);
    row.timing = measure(
        options.seconds, burst_of(device), [&] { run->step(); }, [&] { run->wait(); });
  }
  return row;
}

Row classic_row(Device& device, const Options& options) {
  Row row{"step", "classic training step", options.width, options.batch_size};
  row.flop = options.batch_size * classic_step_flop(options.width);
  return checked_and_timed(row, device, options, [&](Device& on, bool check) {
    return std::make_unique<ClassicRun>(on, check ? kCheckWidth : options.width,
                                        check ? kCheckBatch : options.batch_size);
  });
}

Row stable_row(Device& device, const Options& options, const char* name, double flop,
               const StepPlan& plan) {
  Row row{"step", name, options.width, options.batch_size};
  row.flop = options.batch_size * flop;
  return checked_and_timed(row, device, options, [&](Device& on, bool check) {
    return std::make_unique<StableRun>(on, check ? kCheckWidth : options.width,
                                       check ? 2 : options.batch_size,
                                       check ? kStableCheckSize : kSize, plan);
  });
}

}  // namespace

std::vector<Row> step_level(Device& device, const Options& options) {
  StepPlan supervised;
  supervised.moment_weight = 0.2;
  supervised.coherence_weight = 0.5;
  StepPlan joint = supervised;
  joint.train_discriminator = true;
  joint.adversarial_ratio = 0.2;
  joint.augment = 0.5;
  StepPlan penalized = joint;
  penalized.r1_gamma = penalized.r2_gamma = 1;
  return {classic_row(device, options),
          stable_row(device, options, "stable step, supervised",
                     stable_supervised_flop(options.width, kSize), supervised),
          stable_row(device, options, "stable step, joint",
                     stable_joint_flop(options.width, kSize, true), penalized),
          stable_row(device, options, "stable step, joint, no R1 and R2",
                     stable_joint_flop(options.width, kSize, false), joint)};
}

}  // namespace gan::bench
