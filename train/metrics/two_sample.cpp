#include "train/metrics/two_sample.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "model/adam.h"
#include "model/layers.h"
#include "train/data/batch_source.h"
#include "train/image/color.h"

namespace gan {
namespace {

// Chroma of photos is mostly within a quarter of its range: scaled to what layers start best with.
constexpr float kScale = 4 / 127.5f;

enum RandomStream : uint64_t { kSplit = 1, kDraw };

class Critic {
 public:
  explicit Critic(Device& device, uint64_t seed) {
    constexpr int64_t kChannels[] = {2, 32, 64, 64, 64, 1};
    constexpr const char* kNames[] = {"l1", "l2", "l3", "l4", "out"};
    layers_.reserve(5);
    for (size_t i = 0; i < 5; ++i) {
      layers_.emplace_back(parameters_, kNames[i], kSame, kChannels[i], kChannels[i + 1],
                           i < 4 ? Activation::leaky_relu : Activation::none,
                           i < 3 ? ops::Pooling::average : ops::Pooling::none);
    }
    parameters_.allocate(device.memory, DType::f32, Use::training);
    parameters_.initialize(seed);
  }

  Variable& forward(Context& context, Variable& pictures) {
    Variable* x = &pictures;
    for (PlainConv& layer : layers_) x = &layer(context, *x);
    return *x;
  }

  ParameterSet& parameters() { return parameters_; }

 private:
  ParameterSet parameters_;
  std::vector<PlainConv> layers_;
};

// Pictures of one batch in the device's memory.
class Pictures {
 public:
  Pictures(Device& device, int64_t batch, int64_t side)
      : device_(device),
        memory_(device.memory, sizeof(float) * Shape{batch, side, side, 2}.elements()),
        side_(side) {}

  void clear() { values_.clear(); }
  void add(const std::vector<float>& picture, bool mirrored) {
    const size_t row = 2 * static_cast<size_t>(side_);
    for (size_t begin = 0; begin < picture.size(); begin += row) {
      for (size_t i = 0; i < row; i += 2) {
        const size_t from = begin + (mirrored ? row - 2 - i : i);
        values_.insert(values_.end(), {picture[from], picture[from + 1]});
      }
    }
  }
  Tensor tensor() {
    const auto count = static_cast<int64_t>(values_.size()) / (side_ * side_ * 2);
    const Tensor t(memory_.data(), {count, side_, side_, 2}, DType::f32);
    from_host(device_.memory, t, values_.data());
    return t;
  }

 private:
  Device& device_;
  Buffer memory_;
  int64_t side_;
  std::vector<float> values_;
};

}  // namespace

ChromaTwoSampleTest::Picture ChromaTwoSampleTest::chroma_of(const Image& image) const {
  const int side = image.width / 2;
  Picture picture;
  picture.reserve(static_cast<size_t>(side) * side * 2);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      float cb = 0, cr = 0;
      for (int k = 0; k < 4; ++k) {
        const uint8_t* p = image.at(2 * x + k % 2, 2 * y + k / 2);
        const YCbCr c = to_ycbcr(p[0], p[1], p[2]);
        cb += c.cb / 4;
        cr += c.cr / 4;
      }
      picture.insert(picture.end(), {kScale * cb, kScale * cr});
    }
  }
  return picture;
}

void ChromaTwoSampleTest::add(const Image& output, const Image& truth) {
  if (size_ == 0) size_ = truth.width;
  for (const Image* image : {&output, &truth}) {
    require(
        image->width == size_ && image->height == size_ && image->channels == 3 && size_ % 16 == 0,
        "two-sample test: a picture is ", image->width, "x", image->height, "x", image->channels,
        ", expected ", size_, "x", size_, "x3, sides multiples of 16");
  }
  outputs_.push_back(chroma_of(output));
  truths_.push_back(chroma_of(truth));
}

TwoSampleResult ChromaTwoSampleTest::run(Device& device,
                                         const std::function<void(int step)>& progress) const {
  const auto count = static_cast<int64_t>(truths_.size());
  if (count < 4) throw DataError(str("the two-sample test needs 4 photos or more, got ", count));
  const std::vector<int32_t> order = shuffled(count, Random(settings_.seed, kSplit));
  const int64_t trained = count / 2;

  Critic critic(device, settings_.seed);
  Adam adam(critic.parameters(),
            {.learning_rate = settings_.learning_rate, .beta1 = 0.9, .beta2 = 0.99});
  Tape tape(device.memory);
  Pictures truths(device, settings_.batch, size_ / 2), outputs(device, settings_.batch, size_ / 2);
  Random random(settings_.seed, kDraw);
  for (int step = 0; step < settings_.steps; ++step) {
    truths.clear();
    outputs.clear();
    for (int64_t i = 0; i < settings_.batch; ++i) {
      const int32_t photo = order[random.below(static_cast<uint32_t>(trained))];
      const bool mirrored = random.below(2) == 1;
      truths.add(truths_[photo], mirrored);
      outputs.add(outputs_[photo], mirrored);
    }
    tape.reset();
    Context context{.kernels = device.kernels, .tape = tape};
    ops::bce_with_logits(context, critic.forward(context, tape.constant(truths.tensor())), 1);
    ops::bce_with_logits(context, critic.forward(context, tape.constant(outputs.tensor())), 0);
    tape.backward();
    adam.set_learning_rate(settings_.learning_rate *
                           (1 - static_cast<double>(step) / settings_.steps));
    adam.update(device.kernels);
    if (progress) progress(step + 1);
  }

  // Each picture's sum of logits, in the order given.
  const auto judge = [&](Pictures& pictures, int64_t pictures_count) {
    tape.reset();
    Context context{.kernels = device.kernels, .tape = tape, .training = false};
    const std::vector<float> logits =
        to_host(device.memory, critic.forward(context, tape.constant(pictures.tensor())).value);
    std::vector<double> sums(static_cast<size_t>(pictures_count));
    const size_t each = logits.size() / sums.size();
    for (size_t i = 0; i < logits.size(); ++i) sums[i / each] += logits[i];
    return sums;
  };
  int64_t right = 0;
  for (int64_t begin = trained; begin < count; begin += settings_.batch) {
    const int64_t end = std::min(count, begin + settings_.batch);
    truths.clear();
    outputs.clear();
    for (int64_t i = begin; i < end; ++i) {
      truths.add(truths_[order[i]], false);
      outputs.add(outputs_[order[i]], false);
    }
    for (const double logit : judge(truths, end - begin)) right += logit > 0;
    for (const double logit : judge(outputs, end - begin)) right += !(logit > 0);
  }
  const auto pictures = static_cast<double>(2 * (count - trained));
  return {.accuracy = static_cast<double>(right) / pictures,
          .standard_error = 0.5 / std::sqrt(pictures),
          .trained = trained,
          .tested = count - trained};
}

}  // namespace gan
