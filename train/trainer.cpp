#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/random.h"
#include "model/weights.h"
#include "train/dataset.h"
#include "train/evaluate.h"
#include "train/progress.h"
#include "train/recipe.h"
#include "train/run_folder.h"

namespace gan {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kValidationPhotos = 200;  // for the metrics of each epoch
constexpr int64_t kSamplePhotos = 8;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Run {
 public:
  Run(Device& device, const TrainSettings& settings, const std::string& version)
      : settings_(settings),
        version_(version),
        folder_(settings.out, settings.force),
        data_(load()) {
    // A whole batch at least, in whole batches from then on.
    asked_batch_ = settings_.batch_size;
    settings_.batch_size =
        static_cast<int>(std::min<int64_t>(settings_.batch_size, data_.train.count()));
    recipe_ = make_recipe(device, settings_, data_.train);
    colorizer_ = std::make_unique<Colorizer>(device, recipe_->result());
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
      stopping_ = stopping_ || recipe_->finished();
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

  void introduce() {
    std::cout << "data: " << data_.report.summary();
    if (!data_.report.bad.empty()) std::cout << " -> " << folder_.bad_files().string();
    const Generator& generator = recipe_->result();
    std::cout << "\nmodel: " << settings_.model << ", width " << generator.width() << ", "
              << grouped(generator.parameters().learned_count()) << " parameters; recipe "
              << settings_.recipe << ", batch " << settings_.batch_size;
    if (settings_.batch_size < asked_batch_) std::cout << " (there are no more training photos)";
    std::cout << ", seed " << settings_.seed << std::endl;
  }

  void run_steps(int epoch, EpochRecord& record, const std::function<bool()>& stop_requested) {
    const std::vector<int32_t> order = shuffled(
        data_.train.count(),
        Random(Random::State{settings_.seed, kOrderStream, static_cast<uint64_t>(epoch) << 32}));
    const int64_t batch = settings_.batch_size, steps = data_.train.count() / batch;
    Progress progress(str("Epoch ", epoch, "/", settings_.epochs), "photos", steps * batch,
                      progress_style(settings_.quiet));
    const auto epoch_start = Clock::now();
    int64_t done = 0;
    for (; done < steps && !stopping_; ++done) {
      moment_ = {epoch, progress_at(epoch - 1 + static_cast<double>(done) / double(steps))};
      recipe_->step(&order[done * batch], batch, moment_);
      progress.update((done + 1) * batch, recipe_->status());
      stopping_ = stop_requested() || out_of_time();
    }
    record.photos_per_second = static_cast<double>(done * batch) / seconds_since(epoch_start);
    record.step = recipe_->steps();
  }

  // Of the whole run, 0..1, after so many epochs: whichever of its limits is nearer.
  double progress_at(double epochs) const {
    double progress = epochs / settings_.epochs;
    if (settings_.time_limit_minutes > 0) {
      progress = std::max(progress, seconds_since(start_) / (settings_.time_limit_minutes * 60));
    }
    return std::min(progress, 1.0);
  }

  bool out_of_time() const {
    return settings_.time_limit_minutes > 0 &&
           seconds_since(start_) > settings_.time_limit_minutes * 60;
  }

  // The recipe's own numbers, and the colours on photos it has not seen.
  void measure(EpochRecord& record) {
    record.recipe = recipe_->end_epoch(moment_);
    record.validation =
        summarize(evaluate(*colorizer_, shown_photos(), kValidationPhotos, Output::own_luma));
    record.best = record.validation.score < best_score_;
    best_score_ = std::min(best_score_, record.validation.score);
    if (recipe_->supervised_only() && recipe_->knows_supervision()) {
      best_supervised_ = record.validation;
    }
    record.seconds = seconds_since(start_);
    for (const std::string& text : recipe_->respond(record.validation)) {
      events_.push_back({record.epoch, text});
      std::cout << "event: " << text << std::endl;
    }
  }

  // Validation photos, or training photos when none were set aside.
  const PhotoSet& shown_photos() const {
    return data_.validation.count() > 0 ? data_.validation : data_.train;
  }

  void save() {
    const EpochRecord& record = records_.back();
    try {
      folder_.write_log(records_);
      write_png(folder_.sample(record.epoch), samples());
      if (!events_.empty()) folder_.write_events(events_);
      const Generator& generator = recipe_->result();
      save_generator(folder_.last().string(), generator, metadata(record));
      if (record.best) save_generator(folder_.weights().string(), generator, metadata(record));
      if (recipe_->knows_supervision() && recipe_->supervised_only()) {
        save_generator(folder_.supervised().string(), generator, metadata(record));
      }
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
    return sample_grid(color_squares(*colorizer_, truths, Output::own_luma), truths);
  }

  std::map<std::string, std::string> metadata(const EpochRecord& record) const {
    std::map<std::string, std::string> all = settings_.as_metadata();
    all["version"] = version_;
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
    std::cout << "epoch " << record.epoch << "/" << settings_.epochs << ": " << recipe_->summary()
              << "; CIEDE2000 " << fixed(record.validation.ciede2000, 2) << ", colour "
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
              << human_bytes(recipe_->peak_bytes());
    if (best_supervised_) {
      std::cout << "\nwithout the discriminator: CIEDE2000 "
                << fixed(best_supervised_->ciede2000, 2) << ", colour "
                << fixed(best_supervised_->colorfulness_ratio, 2) << " of truth, PSNR "
                << fixed(best_supervised_->psnr, 2) << " (" << folder_.supervised().string() << ")";
    }
    std::cout << "\ncolour a photo: gan_colorize " << folder_.weights().string() << " photo.jpg"
              << std::endl;
  }

  TrainSettings settings_;
  std::string version_;
  RunFolder folder_;
  Dataset data_;
  int asked_batch_ = 0;
  std::unique_ptr<Recipe> recipe_;
  std::unique_ptr<Colorizer> colorizer_;
  std::vector<EpochRecord> records_;
  std::vector<EventRecord> events_;
  Clock::time_point start_;
  Moment moment_;
  double best_score_ = std::numeric_limits<double>::infinity();
  std::optional<MetricsSummary> best_supervised_;  // of supervised.bin
  bool stopping_ = false;
  std::string unsaved_;  // why the last save failed; empty when it did not
};

}  // namespace

void train(Device& device, const TrainSettings& settings, const std::string& program_version,
           const std::function<bool()>& stop_requested) {
  Run(device, settings, program_version).train(stop_requested);
}

}  // namespace gan
