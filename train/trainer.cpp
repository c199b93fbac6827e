#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/random.h"
#include "model/weights.h"
#include "train/classic.h"
#include "train/dataset.h"
#include "train/evaluate.h"
#include "train/progress.h"
#include "train/run_folder.h"

namespace gan {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kAccuracyPhotos = 100;    // for the discriminator's accuracy, each epoch
constexpr int64_t kValidationPhotos = 200;  // for the metrics of each epoch
constexpr int64_t kSamplePhotos = 8;

// Streams of random numbers of a run, one per use.
enum Stream : uint64_t { kOrderStream = 1, kAccuracyStream = 2 };

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<int32_t> shuffled(int64_t count, Random random) {
  std::vector<int32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.below(static_cast<uint32_t>(i))]);
  }
  return order;
}

// The photo set in the device's memory, and the batch that is cut out of it.
class BatchSource {
 public:
  BatchSource(Device& device, const PhotoSet& photos, int64_t batch)
      : device_(device),
        photo_memory_(device.memory, photos.pixels.size()),
        batch_memory_(device.memory, static_cast<size_t>(2 * batch) * photos.photo_bytes() * 4),
        pick_memory_(device.memory, static_cast<size_t>(batch) * sizeof(PhotoPick)) {
    device.memory.copy_from_host(photo_memory_.data(), photos.pixels.data(), photos.pixels.size());
    photos_ =
        Tensor(photo_memory_.data(), {photos.count(), photos.size, photos.size, 3}, DType::u8);
    const Shape shape = {batch, photos.size, photos.size, 3};
    gray_ = Tensor(batch_memory_.data(), shape, DType::f32);
    color_ =
        Tensor(static_cast<std::byte*>(batch_memory_.data()) + gray_.bytes(), shape, DType::f32);
  }

  struct Batch {
    Tensor gray, color;
  };
  // The photos with these indices, at most as many as the batch holds.
  Batch assemble(const int32_t* indices, int64_t count) {
    std::vector<PhotoPick> picks(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) picks[i].photo = indices[i];
    device_.memory.copy_from_host(pick_memory_.data(), picks.data(),
                                  picks.size() * sizeof(PhotoPick));
    const Batch batch = {gray_.pictures(0, count), color_.pictures(0, count)};
    device_.kernels({Op::batch, DType::f32, photos_.shape(), batch.color.shape(), {}})
        .assemble_batch(photos_, static_cast<const PhotoPick*>(pick_memory_.data()),
                        ColorSpace::rgb, batch.gray, batch.color);
    return batch;
  }

 private:
  Device& device_;
  Buffer photo_memory_, batch_memory_, pick_memory_;
  Tensor photos_, gray_, color_;
};

// Sums what the steps of an epoch report.
struct EpochSums {
  int64_t steps = 0, d_steps = 0;
  DiscriminatorLosses d;
  GeneratorLosses g;

  void add(const ClassicGan::StepLosses& losses, bool d_trained) {
    ++steps;
    d_steps += d_trained;
    d.real += losses.discriminator.real;
    d.fake += losses.discriminator.fake;
    d.noise += losses.discriminator.noise;
    g.adversarial += losses.generator.adversarial;
    g.l1 += losses.generator.l1;
  }

  void store(EpochRecord& record) const {
    const double d_count = std::max<int64_t>(d_steps, 1), count = std::max<int64_t>(steps, 1);
    record.d_loss_real = d.real / d_count;
    record.d_loss_fake = d.fake / d_count;
    record.d_loss_noise = d.noise / d_count;
    record.d_trained = static_cast<double>(d_steps) / count;
    record.g_adversarial = g.adversarial / count;
    record.l1 = g.l1 / count;
  }
};

class Run {
 public:
  Run(Device& device, const TrainSettings& settings, const std::string& version)
      : device_(device),
        settings_(settings),
        version_(version),
        generator_(make_generator(settings.model, settings.width)),
        folder_(settings.out, settings.force),
        data_(load()),
        batch_size_(std::min<int64_t>(settings.batch_size, data_.train.count())),
        gan_(device, *generator_,
             {.lr_generator = settings.lr_generator,
              .lr_discriminator = settings.lr_discriminator,
              .l1_weight = settings.l1_weight,
              .dropout = settings.dropout,
              .seed = settings.seed}),
        batches_(device, data_.train, batch_size_),
        colorizer_(device, *generator_) {
    if (!settings.init.empty()) {
      load_parameters(generator_->parameters(), "", read_tensor_file(settings.init), settings.init);
    }
    folder_.create();
    data_.report.write_bad_files(folder_.bad_files());
  }

  void train(const std::function<bool()>& stop_requested) {
    introduce();
    start_ = Clock::now();
    for (int epoch = 1; epoch <= settings_.epochs && !stopping_; ++epoch) {
      EpochRecord record;
      record.epoch = epoch;
      run_steps(epoch, record, stop_requested);
      measure(record);
      records_.push_back(record);
      save();
      report(record);
    }
    conclude();
  }

 private:
  Dataset load() {
    std::unique_ptr<Progress> progress;
    const auto show = [&](int64_t done, int64_t total) {
      if (!progress) {
        progress =
            std::make_unique<Progress>("Loading", "photos", total, progress_style(settings_.quiet));
      }
      progress->update(done);
    };
    Dataset data = load_dataset(
        settings_.data, {.size = kWorkSize, .validation_fraction = settings_.validation}, show);
    if (progress) progress->finish();
    return data;
  }

  void introduce() const {
    std::cout << "data: " << data_.report.summary();
    if (!data_.report.bad.empty()) std::cout << " -> " << folder_.bad_files().string();
    std::cout << "\nmodel: " << settings_.model << ", width " << generator_->width() << ", "
              << grouped(generator_->parameters().learned_count()) << " parameters; recipe "
              << settings_.recipe << ", batch " << batch_size_;
    if (batch_size_ < settings_.batch_size) std::cout << " (there are no more training photos)";
    std::cout << ", seed " << settings_.seed << std::endl;
  }

  void run_steps(int epoch, EpochRecord& record, const std::function<bool()>& stop_requested) {
    const std::vector<int32_t> order = shuffled(
        data_.train.count(),
        Random(Random::State{settings_.seed, kOrderStream, static_cast<uint64_t>(epoch) << 32}));
    const int64_t steps = data_.train.count() / batch_size_;
    const ClassicGan::StepPlan plan = {
        .train_discriminator = d_accuracy_ <= settings_.d_accuracy_limit,
        .noise = settings_.noise_every > 0 && epoch % settings_.noise_every == 0};
    Progress progress(str("Epoch ", epoch, "/", settings_.epochs), "photos", steps * batch_size_,
                      progress_style(settings_.quiet));
    EpochSums sums;
    const auto epoch_start = Clock::now();
    for (int64_t step = 0; step < steps && !stopping_; ++step) {
      const auto batch = batches_.assemble(&order[step * batch_size_], batch_size_);
      const auto losses = gan_.step(batch.gray, batch.color, plan);
      check_finite(losses);
      sums.add(losses, plan.train_discriminator);
      progress.update((step + 1) * batch_size_, str("D ", fixed(losses.discriminator.sum(), 3),
                                                    ", G ", fixed(losses.generator.adversarial, 3),
                                                    ", L1 ", fixed(losses.generator.l1, 4)));
      stopping_ = stop_requested() || out_of_time();
    }
    record.photos_per_second =
        static_cast<double>(sums.steps * batch_size_) / seconds_since(epoch_start);
    record.step = gan_.steps();
    sums.store(record);
  }

  bool out_of_time() const {
    return settings_.time_limit_minutes > 0 &&
           seconds_since(start_) > settings_.time_limit_minutes * 60;
  }

  void check_finite(const ClassicGan::StepLosses& losses) const {
    if (std::isfinite(losses.discriminator.sum() + losses.generator.adversarial +
                      losses.generator.l1)) {
      return;
    }
    throw DataError(str("step ", gan_.steps(),
                        ": the losses are not finite any more (discriminator ",
                        losses.discriminator.sum(), ", generator ", losses.generator.adversarial,
                        ", L1 ", losses.generator.l1, "); files in ", settings_.out,
                        " are those of the last whole epoch; try smaller --lr-g and --lr-d"));
  }

  // Accuracy of the discriminator, colours of the generator, samples to look at.
  void measure(EpochRecord& record) {
    measure_accuracy(record);
    record.validation =
        summarize(evaluate(colorizer_, shown_photos(), kValidationPhotos, Output::own_luma));
    record.best = record.validation.score < best_score_;
    best_score_ = std::min(best_score_, record.validation.score);
    record.seconds = seconds_since(start_);
  }

  // Validation photos, or training photos when none were set aside.
  const PhotoSet& shown_photos() const {
    return data_.validation.count() > 0 ? data_.validation : data_.train;
  }

  void measure_accuracy(EpochRecord& record) {
    const std::vector<int32_t> order = shuffled(
        data_.train.count(), Random(Random::State{settings_.seed, kAccuracyStream,
                                                  static_cast<uint64_t>(record.epoch) << 32}));
    const int64_t total = std::min(kAccuracyPhotos, data_.train.count());
    int64_t right_real = 0, right_fake = 0;
    Tape tape(device_.memory);
    for (int64_t begin = 0; begin < total; begin += batch_size_) {
      const int64_t count = std::min(batch_size_, total - begin);
      const auto batch = batches_.assemble(&order[begin], count);
      tape.reset();
      Context context{.kernels = device_.kernels, .tape = tape, .training = false};
      const Variable& fake = generator_->forward(context, tape.constant(batch.gray));
      for (float logit : gan_.judge(batch.color)) right_real += logit > 0;
      for (float logit : gan_.judge(fake.value)) right_fake += logit <= 0;
    }
    record.accuracy_real = static_cast<double>(right_real) / static_cast<double>(total);
    record.accuracy_fake = static_cast<double>(right_fake) / static_cast<double>(total);
    d_accuracy_ = record.accuracy();
  }

  void save() {
    const EpochRecord& record = records_.back();
    try {
      folder_.write_log(records_);
      write_png(folder_.sample(record.epoch), samples());
      save_generator(folder_.last().string(), *generator_, metadata(record));
      if (record.best) save_generator(folder_.weights().string(), *generator_, metadata(record));
      unsaved_.clear();
    } catch (const DataError& error) {
      unsaved_ = error.what();
      std::cerr << "warning: " << unsaved_ << "; training goes on, saving is tried again after "
                << "the next epoch" << std::endl;
    }
  }

  Image samples() {
    const PhotoSet& photos = shown_photos();
    const int64_t count = std::min(kSamplePhotos, photos.count());
    std::vector<Image> truths;
    for (int64_t i = 0; i < count; ++i) truths.push_back(photos.image(i * photos.count() / count));
    return sample_grid(color_squares(colorizer_, truths, Output::own_luma), truths);
  }

  std::map<std::string, std::string> metadata(const EpochRecord& record) const {
    std::map<std::string, std::string> all = settings_.as_metadata();
    all["version"] = version_;
    all["color_head"] = "rgb";
    all["epoch"] = str(record.epoch);
    all["step"] = str(record.step);
    all["data"] = data_.report.summary();
    all["data_hash"] = str(std::hex, data_.hash);
    all["score"] = fixed(record.validation.score, 3);
    all["licence"] = "the weights belong to whoever trained them; mind the rights in the photos";
    return all;
  }

  void report(const EpochRecord& record) const {
    double left = record.seconds / record.epoch * (settings_.epochs - record.epoch);
    if (settings_.time_limit_minutes > 0) {
      left = std::min(left, settings_.time_limit_minutes * 60 - record.seconds);
    }
    std::cout << "epoch " << record.epoch << "/" << settings_.epochs << ": D "
              << fixed(record.d_loss_real + record.d_loss_fake + record.d_loss_noise, 3) << ", G "
              << fixed(record.g_adversarial, 3) << ", L1 " << fixed(record.l1, 4) << "; D right on "
              << fixed(100 * record.accuracy_real, 0) << "% of real, "
              << fixed(100 * record.accuracy_fake, 0) << "% of fake"
              << (record.d_trained > 0 ? "" : " (rested)") << "; CIEDE2000 "
              << fixed(record.validation.ciede2000, 2) << ", colour "
              << fixed(record.validation.colorfulness_ratio, 2) << " of truth, PSNR "
              << fixed(record.validation.psnr, 2) << (record.best ? " (best)" : "") << "; "
              << fixed(record.photos_per_second, 1) << " photos/s";
    if (!stopping_ && record.epoch < settings_.epochs) {
      std::cout << ", " << human_seconds(left) << " left";
    }
    std::cout << std::endl;
  }

  void conclude() const {
    if (!unsaved_.empty()) {
      throw DataError(str(unsaved_, "; ", settings_.out,
                          " holds what could be saved before: free some space and train again"));
    }
    const EpochRecord& last = records_.back();
    std::cout << "done: " << last.epoch << (last.epoch == 1 ? " epoch, " : " epochs, ")
              << human_seconds(last.seconds) << "; memory for a step "
              << human_bytes(gan_.peak_bytes()) << "\ncolour a photo: gan_colorize "
              << folder_.weights().string() << " photo.jpg" << std::endl;
  }

  Device& device_;
  const TrainSettings& settings_;
  std::string version_;
  std::unique_ptr<Generator> generator_;
  RunFolder folder_;
  Dataset data_;
  int64_t batch_size_;
  ClassicGan gan_;
  BatchSource batches_;
  Colorizer colorizer_;
  std::vector<EpochRecord> records_;
  Clock::time_point start_;
  double d_accuracy_ = 0.5;  // before anything was measured
  double best_score_ = std::numeric_limits<double>::infinity();
  bool stopping_ = false;
  std::string unsaved_;  // why the last save failed; empty when it did not
};

}  // namespace

void train(Device& device, const TrainSettings& settings, const std::string& program_version,
           const std::function<bool()>& stop_requested) {
  Run(device, settings, program_version).train(stop_requested);
}

}  // namespace gan
