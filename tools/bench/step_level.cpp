#include <algorithm>
#include <functional>
#include <memory>
#include <ostream>

#include "engine/replay.h"
#include "kernels/gpu_device.h"
#include "tools/bench/convolutions.h"
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

// Training steps one after another.
class Run {
 public:
  virtual ~Run() = default;
  // As a training does them: recorded where the device records.
  virtual void step() = 0;
  virtual void step_without_recording() = 0;
  virtual void wait() = 0;
  // The first step's losses or other numbers, then both networks' gradients.
  virtual Results results() = 0;
};

class ClassicRun final : public Run {
 public:
  ClassicRun(Device& device, int width, int64_t batch_size)
      : device_(device),
        generator_(make_generator("gan", width)),
        gan_(device, *generator_, {}, device.pictures()),
        replay_(device.memory),
        inputs_(device.memory),
        gray_(random_photos(inputs_, batch_size, kSize, 1, device.pictures())),
        color_(random_photos(inputs_, batch_size, kSize, 2, device.pictures())) {}

  void step() override {
    gan_.prepare();
    replay_.run(ClassicGan::key({}, gray_.shape().n),
                {&gan_.generator_arena(), &gan_.discriminator_arena()}, [&] { compute(); });
  }
  void step_without_recording() override {
    gan_.prepare();
    compute();
  }
  void wait() override { to_host(device_.memory, gan_.numbers()); }

  Results results() override {
    const ClassicGan::StepLosses losses = gan_.step(gray_, color_, {});
    const auto& d = losses.discriminator;
    const auto& g = losses.generator;
    return {{static_cast<float>(d.real), static_cast<float>(d.fake),
             static_cast<float>(g.adversarial), static_cast<float>(g.l1)},
            to_host(device_.memory, generator_->parameters().gradients()),
            to_host(device_.memory, gan_.discriminator().parameters().gradients())};
  }

 private:
  void compute() {
    if (device_.memory.records()) gan_.values_changed();
    gan_.compute(gray_, color_, {});
  }

  Device& device_;
  std::unique_ptr<Generator> generator_;
  ClassicGan gan_;
  Replay replay_;
  Arena inputs_;
  Tensor gray_, color_;
};

class StableRun final : public Run {
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

  void step() override {
    gan_.prepare(color_.shape(), plan_);
    replay_.run(gan_.key(plan_), {&gan_.generator_arena(), &gan_.discriminator_arena()},
                [&] { compute(); });
  }
  void step_without_recording() override {
    gan_.prepare(color_.shape(), plan_);
    compute();
  }
  void wait() override { to_host(device_.memory, gan_.numbers()); }

  Results results() override {
    const StepReport r = gan_.step(gray_, color_, plan_);
    return {{static_cast<float>(r.chroma), static_cast<float>(r.moments),
             static_cast<float>(r.discriminator), static_cast<float>(r.adversarial),
             static_cast<float>(r.r1), static_cast<float>(r.r2)},
            to_host(device_.memory, generator_->parameters().gradients()),
            to_host(device_.memory, gan_.discriminator().parameters().gradients())};
  }

 private:
  void compute() {
    if (device_.memory.records()) gan_.values_changed();
    gan_.compute(gray_, color_, plan_);
  }

  Device& device_;
  StepPlan plan_;
  std::unique_ptr<Generator> generator_;
  StableGan gan_;
  Replay replay_;
  Arena inputs_;
  Tensor gray_, color_;
};

// A kind of step: its name, what it costs for a photo, and how to make one that runs.
struct Kind {
  const char* name;
  double flop;
  // `check`: as small as the check wants it.
  std::function<std::unique_ptr<Run>(Device& on, const Options& options, bool check)> make;
};

Kind classic_kind(int width) {
  return {"classic training step", classic_step_flop(width),
          [](Device& on, const Options& options, bool check) -> std::unique_ptr<Run> {
            return std::make_unique<ClassicRun>(on, check ? kCheckWidth : options.width,
                                                check ? kCheckBatch : options.batch_size);
          }};
}

Kind stable_kind(const char* name, double flop, const StepPlan& plan) {
  return {name, flop,
          [plan](Device& on, const Options& options, bool check) -> std::unique_ptr<Run> {
            return std::make_unique<StableRun>(on, check ? kCheckWidth : options.width,
                                               check ? 2 : options.batch_size,
                                               check ? kStableCheckSize : kSize, plan);
          }};
}

std::vector<Kind> kinds(int width) {
  StepPlan supervised;
  supervised.moment_weight = 0.2;
  supervised.coherence_weight = 0.5;
  StepPlan joint = supervised;
  joint.train_discriminator = true;
  joint.adversarial_ratio = 0.2;
  joint.augment = 0.5;
  StepPlan penalized = joint;
  penalized.r1_gamma = penalized.r2_gamma = 1;
  return {classic_kind(width),
          stable_kind("stable step, supervised", stable_supervised_flop(width, kSize), supervised),
          stable_kind("stable step, joint", stable_joint_flop(width, kSize, true), penalized),
          stable_kind("stable step, joint, no R1 and R2", stable_joint_flop(width, kSize, false),
                      joint)};
}

// How far a small run on the device is from one of the reference's.
double error_of(Session& session, const Kind& kind, Device& device) {
  const auto compute = [&](Device& on) { return kind.make(on, session.options, true)->results(); };
  const Results& expected = session.reference(kind.name, compute);
  const Results results = checked(device, compute);
  // The losses have the stricter limit: brought to that of the gradients.
  double error = relative_error(results[0], expected[0]) * gradient_limit(device.precision) /
                 output_limit(device.precision);
  for (size_t i : {1, 2}) {
    if (!expected[i].empty()) error = std::max(error, relative_error(results[i], expected[i]));
  }
  return error;
}

Row measure_step(Session& session, Subject& subject, const Kind& kind) {
  const Options& options = session.options;
  Row row{"step", kind.name, subject.backend};
  row.width = options.width;
  row.batch_size = options.batch_size;
  row.size = kSize;
  row.photos = options.batch_size;
  row.flop = options.batch_size * kind.flop;
  row.peaks = subject.peaks;
  row.limit = gradient_limit(subject.device.precision);
  row.error = error_of(session, kind, subject.device);
  if (row.correct()) {
    const MemoryMark mark(subject.device.memory);
    const auto run = kind.make(subject.device, options, false);
    const auto step = [&] { run->step(); };
    const auto convolutions = convolutions_of(subject.device, step);
    row.timing = measure(options.seconds, burst_of(subject.device), step, [&] { run->wait(); });
    row.memory = mark.most();
    row.convolutions = sum_of_convolutions(session, subject, convolutions);
  }
  return row;
}

}  // namespace

std::vector<std::string> step_rows(const Options& options) {
  std::vector<std::string> names;
  for (const Kind& kind : kinds(options.width)) names.push_back(kind.name);
  return names;
}

void step_level(Session& session) {
  for (const Kind& kind : kinds(session.options.width)) {
    if (!session.wants(kind.name)) continue;
    for (Subject& subject : session.subjects) session.show(measure_step(session, subject, kind));
  }
}

void profile_steps(Session& session, std::ostream& out) {
  constexpr int kBefore = 2;  // choose kernels, pack weights, take memory
  for (const Kind& kind : kinds(session.options.width)) {
    if (!session.wants(kind.name)) continue;
    for (Subject& subject : session.subjects) {
      const auto run = kind.make(subject.device, session.options, false);
      for (int i = 0; i < kBefore; ++i) run->step_without_recording();
      run->wait();
      const bool gpu = subject.device.memory.device() == DeviceKind::gpu;
      if (gpu) profile_gpu(true);
      run->step_without_recording();
      run->wait();
      if (gpu) profile_gpu(false);
      out << kind.name << " (" << subject.backend << ", batch " << session.options.batch_size
          << "): run once for a profiler, after " << kBefore << " times without one" << std::endl;
    }
  }
}

}  // namespace gan::bench
