#include <algorithm>
#include <memory>

#include "engine/replay.h"
#include "model/generator.h"
#include "tools/bench/convolutions.h"
#include "tools/bench/cost.h"
#include "tools/bench/limits.h"
#include "tools/bench/photos.h"

namespace gan::bench {
namespace {

// The check keeps all channel counts and shrinks the pictures: seconds become milliseconds.
constexpr int kCheckSize = 32;

class NetworkRun {
 public:
  NetworkRun(Device& device, int width, int64_t batch_size, int64_t size)
      : device_(device),
        generator_(make_generator("gan", width)),
        inputs_(device.memory),
        gray_(random_photos(inputs_, batch_size, size, 1, device.pictures())),
        color_(random_photos(inputs_, batch_size, size, 2, device.pictures())),
        tape_(device.memory),
        replay_(device.memory) {
    generator_->parameters().allocate(device.memory, DType::f32, Use::training);
    generator_->parameters().initialize(1);
  }

  Tensor infer() {
    replay_.run({0}, {&tape_.arena()}, [&] {
      tape_.reset();
      Context context{device_.kernels, tape_, false};
      result_ = generator_->forward(context, tape_.constant(gray_)).value;
    });
    return result_;
  }

  // Leaves the gradients in the parameters.
  Tensor forward_backward() {
    replay_.run({1}, {&tape_.arena()}, [&] {
      tape_.reset();
      ParameterSet& parameters = generator_->parameters();
      parameters.forget_gradients();
      parameters.values_changed();  // as after an update: packed weights are packed again
      Context context{device_.kernels, tape_};
      Variable& fake = generator_->forward(context, tape_.constant(gray_));
      loss_ = ops::l1_loss(context, fake, color_);
      tape_.backward();
    });
    return loss_;
  }

  // Waits until everything before it is computed: on some devices that takes until it is read.
  void wait_for(const Tensor& result) {
    const Tensor first(result.data(), vector_shape(1), result.dtype());
    to_host(device_.memory, first);
  }

  std::vector<float> values(const Tensor& tensor) { return to_host(device_.memory, tensor); }
  std::vector<float> gradients() { return values(generator_->parameters().gradients()); }

 private:
  Device& device_;
  std::unique_ptr<Generator> generator_;
  Arena inputs_;
  Tensor gray_, color_, result_, loss_;
  Tape tape_;
  Replay replay_;
};

constexpr const char* kInference = "generator inference";
constexpr const char* kWaited = "generator inference, waited for";
constexpr const char* kTraining = "generator forward+backward";

// The output, the loss, the gradients.
Results results_of(Device& device, int width) {
  NetworkRun run(device, width, 1, kCheckSize);
  Results results;
  results.push_back(run.values(run.infer()));
  results.push_back(run.values(run.forward_backward()));
  results.push_back(run.gradients());
  return results;
}

void check(Session& session, Device& device, Row& infer, Row& train) {
  const auto compute = [&](Device& on) { return results_of(on, infer.width); };
  const Results& expected = session.reference(str("network ", infer.width), compute);
  const Results results = checked(device, compute);
  infer.error = relative_error(results[0], expected[0]);
  const double loss_error = relative_error(results[1], expected[1]);
  const double gradient_error = relative_error(results[2], expected[2]);
  // The loss has the stricter limit: brought to that of the gradients.
  train.error = std::max(gradient_error, loss_error * train.limit / infer.limit);
}

void measure_network(Session& session, Subject& subject) {
  const Options& options = session.options;
  Device& device = subject.device;
  const int width = options.width, batch = options.batch_size;
  Row infer{"network", kInference, subject.backend};
  infer.width = width;
  infer.batch_size = batch;
  infer.size = options.size;
  infer.photos = batch;
  infer.peaks = subject.peaks;
  Row train = infer;
  train.name = kTraining;
  infer.flop = batch * inference_flop(width, options.size);
  train.flop = batch * forward_backward_flop(width, options.size);
  infer.limit = output_limit(device.precision);
  train.limit = gradient_limit(device.precision);
  check(session, device, infer, train);
  Row waited = infer;
  waited.name = kWaited;

  const auto time = [&](Row row, int burst, Tensor (NetworkRun::*work)()) {
    if (!session.wants(row.name)) return;
    if (row.correct()) {
      const MemoryMark mark(device.memory);
      NetworkRun run(device, width, batch, options.size);
      Tensor result;
      const auto once = [&] { result = (run.*work)(); };
      const auto convolutions = convolutions_of(device, once);
      row.timing = measure(options.seconds, burst, once, [&] { run.wait_for(result); });
      row.memory = mark.most();
      row.convolutions = sum_of_convolutions(session, subject, convolutions);
    }
    session.show(row);
  };
  // A device that works while the host goes on shows its own speed in a burst.
  const int burst = burst_of(device);
  time(infer, burst, &NetworkRun::infer);
  if (burst > 1) time(waited, 1, &NetworkRun::infer);
  time(train, burst, &NetworkRun::forward_backward);
}

}  // namespace

std::vector<std::string> network_rows(const Options&) {
  return {kInference, kWaited, kTraining};
}

void network_level(Session& session) {
  for (Subject& subject : session.subjects) measure_network(session, subject);
}

}  // namespace gan::bench
