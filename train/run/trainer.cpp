#include "train/run/trainer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/progress.h"
#include "engine/random.h"
#include "model/weights.h"
#include "train/data/dataset.h"
#include "train/files/growing_table.h"
#include "train/files/run_folder.h"
#include "train/files/saving.h"
#include "train/metrics/evaluate.h"
#include "train/metrics/saturation.h"
#include "train/recipe/recipe.h"
#include "train/report/report.h"
#include "train/run/memory_plan.h"

namespace gan {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kValidationPhotos = 200;  // for the metrics of each epoch
constexpr int64_t kSaturationPhotos = 64;   // of the training set, to fit the colours' strength on
constexpr int64_t kSamplePhotos = 8;
constexpr uint64_t kNotedSteps = 10;        // from one row of steps.csv to the next
constexpr double kCheckpointSeconds = 300;  // between checkpoints within an epoch
// Short epochs are saved several at a time: training takes at least so many times as long as saving did.
constexpr double kLeastTrainingPerSaving = 4;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Rows of log.csv; what does not exist is null.
nlohmann::json to_json(const std::vector<NamedValues>& rows) {
  nlohmann::json all = nlohmann::json::array();
  for (const NamedValues& row : rows) {
    nlohmann::json& fields = all.emplace_back(nlohmann::json::array());
    for (const auto& [name, value] : row) fields.push_back({name, value});
  }
  return all;
}
std::vector<NamedValues> rows_from_json(const nlohmann::json& all) {
  std::vector<NamedValues> rows;
  for (const nlohmann::json& fields : all) {
    NamedValues& row = rows.emplace_back();
    for (const nlohmann::json& field : fields) {
      row.emplace_back(field.at(0), field.at(1).is_null() ? NAN : field.at(1).get<double>());
    }
  }
  return rows;
}

class Run {
 public:
  Run(Device& device, const TrainSettings& settings, const std::string& version)
      : settings_(settings),
        version_(version),
        device_(device.description),
        tuning_report_(device.tuning_report),
        folder_(settings.out, settings.resume  ? RunFolder::Existing::go_on
                              : settings.force ? RunFolder::Existing::replace
                                               : RunFolder::Existing::refuse),
        steps_table_(folder_.steps()),
        layers_table_(folder_.layers()),
        report_(folder_, settings.tensorboard),
        best_(folder_.weights()),
        last_(folder_.last()),
        before_discriminator_(folder_.supervised()),
        data_(load()) {
    // Settings may come from a checkpoint, which is only a file.
    if (settings_.batch_size < (settings_.resume ? 1 : 0) || settings_.penalty_every < 1 ||
        settings_.epochs < 1) {
      throw DataError(str(settings_.out, ": a batch size of ", settings_.batch_size,
                          ", a penalty every ", settings_.penalty_every, " steps and ",
                          settings_.epochs, " epochs cannot be trained with"));
    }
    shown_ =
        (data_.validation.count() > 0 ? data_.validation : data_.train).spread(kValidationPhotos);
    // A whole batch at least, in whole batches from then on.
    if (settings_.batch_size == kAutomaticBatch) {
      settings_.batch_size = automatic_batch(device, settings_, data_.train, shown_);
    }
    asked_batch_ = settings_.batch_size;
    settings_.batch_size =
        static_cast<int>(std::min<int64_t>(settings_.batch_size, data_.train.count()));
    room_ = device.memory.room();
    memory_bytes_ = training_bytes(device, settings_, data_.train, shown_);
    require_room(memory_bytes_, device, settings_, data_.train, shown_);
    recipe_ = make_recipe(device, settings_, data_.train, shown_);
    colorizer_ = std::make_unique<Colorizer>(device, recipe_->result());
    if (settings_.resume) go_back();
    folder_.create();
    steps_table_.begin(recipe_->steps());
    layers_table_.begin(recipe_->steps());
    data_.report.write_bad_files(folder_.bad_files());
    // All that training needs room for, before it begins; and from here on the run can go on.
    start_ = Clock::now();
    folder_.write_checkpoint(recipe_->steps(), checkpoint());
  }

  void train(const std::function<bool()>& stop_requested) {
    introduce();
    start_ = Clock::now();
    try {
      while (epoch_ <= settings_.epochs && !stopping_) train_epoch(stop_requested);
    } catch (const DataError& error) {
      give_up(error.what());
    }
    conclude();
  }

 private:
  void train_epoch(const std::function<bool()>& stop_requested) {
    EpochRecord record;
    record.epoch = epoch_;
    run_steps(record, stop_requested);
    const bool whole = epoch_steps_ == steps_per_epoch();
    // Of a part of an epoch the checkpoint is made before measuring, which ends the epoch's sums.
    TensorFile part;
    if (!whole) {
      part = checkpoint();
      save_checkpoint(part);
    }
    if (whole) note_layers();
    measure(record, whole);
    if (!whole && record.settled) Archive::saving(part).number("best_score", best_score_);
    rows_.push_back(columns_of(record));
    stopping_ = stopping_ || recipe_->finished();
    if (whole) {
      ++epoch_;
      epoch_steps_ = 0;
    }
    keep(record);
    save_samples(record.epoch);
    if (!whole || saving_is_due()) save(whole ? checkpoint() : part);
    announce(record);
  }

  Dataset load() {
    return load_dataset(settings_.data,
                        {.size = kWorkSize, .validation_fraction = settings_.validation},
                        loading_progress(settings_.quiet));
  }

  void introduce() {
    std::cout << "data: " << data_.report.summary();
    if (!data_.report.bad.empty()) std::cout << " -> " << folder_.bad_files().string();
    std::cout << "\nmodel: " << model_in_words() << "; recipe " << settings_.recipe << ", batch "
              << settings_.batch_size;
    if (settings_.batch_size < asked_batch_) std::cout << " (there are no more training photos)";
    std::cout << ", seed " << settings_.seed << "\nmemory: " << human_bytes(memory_bytes_)
              << " at most, " << human_bytes(room_.free) << " are free" << std::endl;
  }

  std::string model_in_words() const {
    const Generator& generator = recipe_->result();
    return str(settings_.model, ", width ", generator.width(), ", ",
               grouped(generator.parameters().learned_count()), " parameters");
  }

  int64_t steps_per_epoch() const { return data_.train.count() / settings_.batch_size; }

  void run_steps(EpochRecord& record, const std::function<bool()>& stop_requested) {
    const std::vector<int32_t> order = shuffled(
        data_.train.count(),
        Random(Random::State{settings_.seed, kOrderStream, static_cast<uint64_t>(epoch_) << 32}));
    const int64_t batch = settings_.batch_size, steps = steps_per_epoch();
    Progress progress(str("Epoch ", epoch_, "/", settings_.epochs), "photos", steps * batch,
                      progress_style(settings_.quiet));
    const auto epoch_start = Clock::now();
    const int64_t before = epoch_steps_;
    while (epoch_steps_ < steps && !stopping_) {
      moment_ = {epoch_, progress_at(epoch_ - 1 + static_cast<double>(epoch_steps_) / steps)};
      recipe_->step(&order[epoch_steps_ * batch], batch, moment_);
      ++epoch_steps_;
      if (!std::exchange(told_tuning_, true)) std::cerr << tuning_report_() << std::flush;
      note_step();
      const double done = epoch_ - 1 + static_cast<double>(epoch_steps_) / steps;
      progress.update(epoch_steps_ * batch,
                      str("run ", human_seconds(seconds_left(done)), ", ", recipe_->status(),
                          ", step ", grouped(static_cast<int64_t>(recipe_->steps()))));
      interrupted_ = stop_requested();
      stopping_ = interrupted_ || out_of_time();
      if (seconds_since(last_checkpoint_) > kCheckpointSeconds && epoch_steps_ < steps) {
        progress.clear();
        save_checkpoint(checkpoint());
      }
    }
    recipe_->wait();
    record.photos_per_second =
        static_cast<double>((epoch_steps_ - before) * batch) / seconds_since(epoch_start);
    record.step = recipe_->steps();
  }

  // Every so many steps into steps.csv, with what the epochs' means hide.
  void note_step() {
    const NamedValues values = recipe_->smoothed_steps();
    if (values.empty() || recipe_->steps() % kNotedSteps != 0) return;
    steps_table_.add("step,epoch," + csv_names(values), recipe_->steps(),
                     str(epoch_, ",", csv_cells(values)));
  }

  void note_layers() {
    for (const LayerNorms& layer : recipe_->layers()) {
      const NamedValues norms = {{"weight", layer.weight},
                                 {"gradient", layer.gradient},
                                 {"update_ratio", layer.update_ratio()}};
      layers_table_.add("step,epoch,layer," + csv_names(norms), recipe_->steps(),
                        str(epoch_, ",", layer.name, ",", csv_cells(norms)));
    }
  }

  // Seconds of training, those before an interruption included.
  double elapsed() const { return seconds_before_ + seconds_since(start_); }

  // Of the whole run, 0..1, after so many epochs: whichever of its limits is nearer.
  double progress_at(double epochs) const {
    double progress = epochs / settings_.epochs;
    if (settings_.time_limit_minutes > 0) {
      progress = std::max(progress, elapsed() / (settings_.time_limit_minutes * 60));
    }
    return std::min(progress, 1.0);
  }

  // Of the whole run, after so many epochs, if they go on taking as long as so far.
  double seconds_left(double epochs) const {
    const double left = elapsed() / epochs * (settings_.epochs - epochs);
    if (settings_.time_limit_minutes <= 0) return left;
    return std::clamp(settings_.time_limit_minutes * 60 - elapsed(), 0.0, left);
  }

  bool stopped_early() const { return interrupted_ && epoch_ <= settings_.epochs; }

  bool out_of_time() const {
    return settings_.time_limit_minutes > 0 && elapsed() > settings_.time_limit_minutes * 60;
  }

  // The recipe's own numbers, and the colours on photos it has not seen.
  void measure(EpochRecord& record, bool whole) {
    record.recipe = recipe_->end_epoch(moment_);
    record.validation = summarize(evaluate(*colorizer_, shown_, -1, Output::own_luma));
    record.saturation = fitted_saturation(*colorizer_, data_.train.spread(kSaturationPhotos));
    record.settled = whole || !interrupted_;
    // An epoch in which the generator rested has nothing new to keep; and one that will be gone through
    // again must not leave what a run without a stop would not have had. But something has to be there.
    const bool counts = recipe_->generator_learned() && record.settled;
    record.best = record.validation.score < best_score_ && (counts || !std::isfinite(best_score_));
    if (record.best) best_score_ = record.validation.score;
    if (recipe_->supervised_only() && recipe_->knows_supervision() && record.settled) {
      supervised_ = {record.validation.ciede2000, record.validation.colorfulness_ratio,
                     record.validation.psnr};
    }
    record.seconds = elapsed();
    for (const std::string& text : recipe_->respond(record.validation)) {
      events_.push_back({record.epoch, text});
      std::cout << "event: " << text << std::endl;
    }
  }

  void save_checkpoint(const TensorFile& file) {
    last_checkpoint_ = Clock::now();
    if (restore_folder()) write_checkpoint(file);
    saving_.end_round();
  }

  // Whatever a run that goes on is to find has to be there first.
  void write_checkpoint(const TensorFile& file) {
    const bool ready = saving_.attempt([&] {
      steps_table_.flush();
      layers_table_.flush();
      best_.write();
      before_discriminator_.write();
    });
    if (ready) saving_.attempt([&] { folder_.write_checkpoint(recipe_->steps(), file); });
  }

  bool restore_folder() {
    return saving_.attempt([&] {
      if (!folder_.restore()) return;
      std::cerr << "warning: " << settings_.out
                << ": the folder has vanished and is made anew with what is known of the run"
                << std::endl;
      data_.report.write_bad_files(folder_.bad_files());
    });
  }

  // Everything that going on exactly needs, after `epoch_steps_` steps of epoch `epoch_`.
  TensorFile checkpoint() {
    TensorFile file;
    Archive archive = Archive::saving(file);
    state(archive);
    file.metadata.merge(settings_.to_texts());
    file.metadata["version"] = version_;
    file.metadata["data_hash"] = data_hash();
    return file;
  }

  void state(Archive& archive) {
    recipe_->state(archive);
    double seconds = elapsed();
    archive.number("epoch", epoch_);
    archive.number("epoch_steps", epoch_steps_);
    archive.number("seconds", seconds);
    seconds_before_ = archive.is_loading() ? seconds : seconds_before_;
    archive.number("best_score", best_score_);
    for (size_t i = 0; i < supervised_.size(); ++i) {
      archive.number(str("supervised.", i), supervised_[i]);
    }
    std::string rows = to_json(rows_).dump(), events = nlohmann::json(events_).dump();
    archive.text("rows", rows);
    archive.text("events", events);
    if (archive.is_loading()) {
      rows_ = rows_from_json(nlohmann::json::parse(rows));
      events_ = nlohmann::json::parse(events).get<std::vector<EventRecord>>();
    }
  }

  // Puts the run to where this checkpoint was written. Throws DataError.
  void go_back_to(const std::string& path) {
    const TensorFile file = RunFolder::read_checkpoint(path);
    require_same_run(file, path);
    Archive archive = Archive::loading(file, path);
    try {
      state(archive);
    } catch (const nlohmann::json::exception&) {
      throw DataError(str(path, ": its log cannot be read"));
    }
    if (epoch_ < 1 || epoch_steps_ < 0 || epoch_steps_ >= steps_per_epoch() ||
        !(seconds_before_ >= 0)) {
      throw DataError(str(path, ": says it was written after step ", epoch_steps_, " of epoch ",
                          epoch_, ", which cannot be"));
    }
  }

  // To the newest one that can be read.
  void go_back() {
    const std::vector<std::filesystem::path> all = folder_.checkpoints();
    for (const std::filesystem::path& path : all) {
      try {
        go_back_to(path.string());
        break;
      } catch (const DataError& error) {
        if (path == all.back()) throw;
        std::cerr << "warning: " << error.what() << "; going back to the checkpoint before it"
                  << std::endl;
      }
    }
    if (epoch_ > settings_.epochs || recipe_->finished() ||
        (settings_.time_limit_minutes > 0 && seconds_before_ > settings_.time_limit_minutes * 60)) {
      throw UsageError(str(settings_.out, ": the run is finished, after ", epoch_ - 1,
                           epoch_ == 2 ? " epoch and " : " epochs and ",
                           human_seconds(seconds_before_),
                           "; to train longer give a larger --epochs or --time-limit"));
    }
  }

  void require_same_run(const TensorFile& file, const std::string& path) const {
    const auto hash = file.metadata.find("data_hash");
    if (hash == file.metadata.end() || hash->second != data_hash()) {
      throw UsageError(str(settings_.data, ": not the photos that the run in ", settings_.out,
                           " was trained on; start a new one from its weights: --init ",
                           folder_.last().string(), " --out another"));
    }
    for (const auto& [name, value] : settings_.to_texts()) {
      const auto found = file.metadata.find(name);
      if (name == "epochs" || name == "time_limit_minutes" || found == file.metadata.end())
        continue;
      if (found->second != value) {
        throw UsageError(str(path, ": the run was started with ", name, " = ", found->second,
                             ", not ", value, ", and goes on only as it began"));
      }
    }
  }

  std::string data_hash() const { return str(std::hex, data_.hash); }

  // Whether training has taken long enough since the last saving, or is over.
  bool saving_is_due() const {
    return stopping_ || epoch_ > settings_.epochs ||
           seconds_since(last_checkpoint_) >= kLeastTrainingPerSaving * saving_seconds_;
  }

  // The weights for the next saving.
  void keep(const EpochRecord& record) {
    TensorFile now = generator_file(recipe_->result(), metadata(record));
    if (recipe_->knows_supervision() && recipe_->supervised_only() && record.settled)
      before_discriminator_.set(now);
    if (record.best) best_.set(now);
    last_.set(std::move(now));
  }

  void save_samples(int epoch) {
    if (restore_folder()) {
      saving_.attempt([&] { write_png(folder_.sample(epoch), samples()); });
    }
  }

  // All files after an epoch or a part of one. The checkpoint comes last: a run that goes on from it does
  // not come by here again.
  void save(const TensorFile& now) {
    const Clock::time_point begin = Clock::now();
    if (restore_folder()) {
      save_results();
      write_checkpoint(now);
    }
    saving_.end_round();
    last_checkpoint_ = Clock::now();
    saving_seconds_ = seconds_since(begin);
  }

  // What is known of the run so far. A file that cannot be written does not keep the others from being.
  void save_results() {
    saving_.attempt([&] { best_.write(); });
    saving_.attempt([&] { before_discriminator_.write(); });
    saving_.attempt([&] { last_.write(); });
    saving_.attempt([&] { steps_table_.flush(); });
    saving_.attempt([&] { layers_table_.flush(); });
    saving_.attempt([&] {
      if (!events_.empty()) folder_.write_events(events_);
    });
    if (rows_.empty()) return;
    saving_.attempt([&] { folder_.write_log(rows_); });
    saving_.attempt([&] { report_.write(facts()); });
  }

  Image samples() {
    const PhotoSet& photos = shown_;
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
    all["data_hash"] = data_hash();
    all["score"] = fixed(record.validation.score, 3);
    all["ciede2000"] = fixed(record.validation.ciede2000, 3);
    all["colorfulness_ratio"] = fixed(record.validation.colorfulness_ratio, 3);
    all["psnr"] = fixed(record.validation.psnr, 3);
    all["saturation"] = fixed(record.saturation, 2);
    all["licence"] = "the weights belong to whoever trained them; mind the rights in the photos";
    return all;
  }

  // What the run's page and curves tell.
  RunFacts facts() const {
    RunFacts facts;
    facts.name = settings_.out;
    facts.version = version_;
    facts.device = device_;
    facts.model = model_in_words();
    facts.data = settings_.data;
    facts.photos = data_.report;
    facts.settings = settings_.as_metadata();
    facts.planned_epochs = settings_.epochs;
    facts.state = !failure_.empty()                        ? RunState::failed
                  : stopped_early()                        ? RunState::stopped
                  : stopping_ || epoch_ > settings_.epochs ? RunState::finished
                                                           : RunState::going_on;
    facts.failure = failure_;
    facts.step_bytes = recipe_->peak_bytes();
    facts.colorize_command = colorize_command();
    facts.resume_command = resume_command();
    facts.rows = rows_;
    facts.events = events_;
    return facts;
  }

  std::string colorize_command() const {
    return str("gan_colorize ", shell_word(folder_.weights().string()), " photo.jpg");
  }
  std::string resume_command() const {
    return str("gan_train ", shell_word(settings_.data), " --out ", shell_word(settings_.out),
               " --resume");
  }

  void announce(const EpochRecord& record) const {
    std::cout << "epoch " << record.epoch << "/" << settings_.epochs << ": " << recipe_->summary()
              << "; CIEDE2000 " << fixed(record.validation.ciede2000, 2) << ", colour "
              << fixed(record.validation.colorfulness_ratio, 2) << " of truth, PSNR "
              << fixed(record.validation.psnr, 2) << (record.best ? " (best)" : "") << "; "
              << fixed(record.photos_per_second, 1) << " photos/s";
    if (!stopping_ && record.epoch < settings_.epochs) {
      std::cout << ", " << human_seconds(seconds_left(record.epoch)) << " left";
    }
    std::cout << std::endl;
  }

  // Training itself cannot go on: the folder is left with what is known up to the last epoch, and says why.
  [[noreturn]] void give_up(const std::string& why) {
    failure_ = why;
    events_.push_back({epoch_, why});
    if (restore_folder()) save_results();
    saving_.end_round();
    throw DataError(rows_.empty() ? why
                                  : str(why, "; ", settings_.out, " holds the files of epoch ",
                                        rows_.size(), "; start from the best weights with --init ",
                                        shell_word(best_.path().string())));
  }

  void conclude() const {
    std::cerr << tuning_report_() << std::flush;
    if (!saving_.failure().empty()) {
      throw DataError(str(saving_.failure(), "; ", settings_.out,
                          " holds what could be saved before; ", resume_command(),
                          " goes on from there once there is room"));
    }
    const auto trained = static_cast<int64_t>(rows_.size());
    std::cout << (stopped_early() ? str("stopped in epoch ", trained, " of ", settings_.epochs)
                                  : str("done: ", trained, trained == 1 ? " epoch" : " epochs"))
              << ", " << human_seconds(elapsed()) << "; memory for a step "
              << human_bytes(recipe_->peak_bytes());
    if (recipe_->knows_supervision() && !std::isnan(supervised_[0])) {
      std::cout << "\nwithout the discriminator: CIEDE2000 " << fixed(supervised_[0], 2)
                << ", colour " << fixed(supervised_[1], 2) << " of truth, PSNR "
                << fixed(supervised_[2], 2) << " (" << folder_.supervised().string() << ")";
    }
    if (stopped_early()) {
      std::cout << "\ngo on: " << resume_command();
    }
    std::cout << "\nlook at it: " << folder_.page().string()
              << "\ncolour a photo: " << colorize_command() << std::endl;
  }

  TrainSettings settings_;
  std::string version_, device_;
  std::function<std::string()> tuning_report_;
  bool told_tuning_ = false;
  RunFolder folder_;
  GrowingTable steps_table_, layers_table_;
  Report report_;
  Saving saving_;
  KeptFile best_, last_, before_discriminator_;
  Dataset data_;
  PhotoSet shown_;  // measured after every epoch: validation photos, or training ones without any
  int asked_batch_ = 0;
  MemoryRoom room_;          // before training
  size_t memory_bytes_ = 0;  // that training takes of it
  std::unique_ptr<Recipe> recipe_;
  std::unique_ptr<Colorizer> colorizer_;
  std::vector<NamedValues> rows_;  // of log.csv
  std::vector<EventRecord> events_;
  Clock::time_point start_ = Clock::now(), last_checkpoint_ = Clock::now();
  double saving_seconds_ = 0;  // that the last saving took
  double seconds_before_ = 0;  // of training, before this process went on with it
  int epoch_ = 1;
  int64_t epoch_steps_ = 0;  // done of this epoch
  Moment moment_;
  double best_score_ = std::numeric_limits<double>::infinity();
  std::array<double, 3> supervised_ = {NAN, NAN, NAN};  // CIEDE2000, colour, PSNR of supervised.bin
  bool stopping_ = false, interrupted_ = false;
  std::string failure_;  // why training could not go on
};

}  // namespace

void train(Device& device, const TrainSettings& settings, const std::string& program_version,
           const std::function<bool()>& stop_requested) {
  Run(device, settings, program_version).train(stop_requested);
}

std::map<std::string, std::string> resumed_settings(const std::string& out) {
  const std::vector<std::filesystem::path> all =
      RunFolder(out, RunFolder::Existing::go_on).checkpoints();
  for (const std::filesystem::path& path : all) {
    try {
      return RunFolder::read_checkpoint(path).metadata;
    } catch (const DataError&) {  // the run itself says what is wrong with it
      if (path == all.back()) throw;
    }
  }
  return {};
}

}  // namespace gan
