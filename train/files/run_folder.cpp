#include "train/files/run_folder.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "train/files/event_file.h"

namespace gan {

namespace fs = std::filesystem;

namespace {

constexpr const char* kChecksum = "checksum";

// As the file will have it, where what is no UTF-8 is replaced.
std::string as_written(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Of all that the file says but the checksum itself.
std::string checksum(const TensorFile& file) {
  std::ostringstream text;
  for (const FileTensor& tensor : file.tensors) {
    const auto* data = reinterpret_cast<const char*>(tensor.data.data());
    text << tensor.name << ' ' << tensor.dtype << ' ' << shape_text(tensor.shape) << ' ' << std::hex
         << crc32c({data, tensor.data.size()}) << '\n';
  }
  for (const auto& [name, value] : file.metadata)
    if (name != kChecksum) text << as_written(name) << as_written(value) << '\n';
  std::ostringstream sum;
  sum << std::hex << std::setw(8) << std::setfill('0') << crc32c(text.str());
  return sum.str();
}

}  // namespace

NamedValues columns_of(const EpochRecord& e) {
  NamedValues all = {{"epoch", e.epoch},
                     {"step", static_cast<double>(e.step)},
                     {"seconds", e.seconds},
                     {"photos_per_second", e.photos_per_second}};
  all.insert(all.end(), e.recipe.begin(), e.recipe.end());
  const MetricsSummary& v = e.validation;
  const NamedValues metrics = {{"psnr", v.psnr},
                               {"ssim", v.ssim},
                               {"ciede2000", v.ciede2000},
                               {"ciede2000_p90", v.ciede2000_p90},
                               {"colorfulness_ratio", v.colorfulness_ratio},
                               {"bias_a", v.bias_a},
                               {"bias_b", v.bias_b},
                               {"white_chroma", v.white_chroma},
                               {"hue_distance", v.hue_distance},
                               {"blotch", v.blotch},
                               {"coherence", v.coherence},
                               {"entropy_ratio", v.entropy_ratio},
                               {"variety_ratio", v.variety_ratio},
                               {"score", v.score},
                               {"best", e.best ? 1.0 : 0.0}};
  all.insert(all.end(), metrics.begin(), metrics.end());
  return all;
}

std::string csv_names(const NamedValues& columns) {
  std::string text;
  for (const auto& [name, value] : columns) text += (text.empty() ? "" : ",") + name;
  return text;
}

std::string csv_cell(double value) {
  if (!std::isfinite(value)) return "";
  std::ostringstream text;
  text << std::setprecision(8) << value;
  return text.str();
}

std::string csv_cells(const NamedValues& columns) {
  std::string text;
  for (const auto& column : columns) {
    if (&column != &columns[0]) text += ",";
    text += csv_cell(column.second);
  }
  return text;
}

std::string shell_word(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::strchr("_-./+:,@%", c) != nullptr;
  });
  if (plain) return text;
  std::string word = "'";
  for (char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

RunFolder::RunFolder(fs::path root, Existing existing)
    : root_(std::move(root)), existing_(existing) {
  std::error_code error;
  if (fs::exists(root_, error) && !fs::is_directory(root_, error)) {
    throw DataError(str(root_.string(), ": is a file, expected a folder for the results"));
  }
  const bool holds_run =
      fs::exists(log(), error) || fs::exists(weights(), error) || !checkpoints().empty();
  if (existing == Existing::refuse && holds_run) {
    throw UsageError(str(root_.string(),
                         ": holds a training run already; --resume goes on with it, --force "
                         "replaces it, or choose another --out"));
  }
  if (existing == Existing::go_on && checkpoints().empty()) {
    throw UsageError(
        str(root_.string(), ": holds no checkpoint to go on from; train without --resume"));
  }
}

void RunFolder::create() const {
  std::error_code error;
  fs::create_directories(root_, error);
  if (error) {
    throw DataError(str(root_.string(), ": cannot create the folder for the results: ",
                        error.message(), "; choose another --out"));
  }
  remove_abandoned_temporaries(root_);
  remove_abandoned_temporaries(samples());
  const fs::path probe = root_ / ".writable";
  write_whole_file(probe, "x");
  fs::remove(probe, error);
  if (existing_ == Existing::go_on) return;
  for (const fs::path& old : checkpoints()) fs::remove(old, error);
  for (const fs::path& old : {log(), steps(), layers(), events(), weights(), supervised(), last(),
                              bad_files(), page(), curves()})
    fs::remove(old, error);
  fs::remove_all(samples(), error);
  fs::remove_all(tensorboard(), error);
  fs::create_directories(samples(), error);
}

bool RunFolder::restore() const {
  std::error_code error;
  const bool vanished = !fs::is_directory(root_, error);
  fs::create_directories(samples(), error);
  if (error) throw DataError(str(root_.string(), ": cannot create: ", error.message()));
  return vanished;
}

fs::path RunFolder::sample(int epoch) const {
  std::ostringstream name;
  name << "epoch-" << std::setw(4) << std::setfill('0') << epoch << ".png";
  return samples() / name.str();
}

std::vector<fs::path> RunFolder::checkpoints() const {
  std::vector<fs::path> found;
  for (const fs::path& path : files_in(root_)) {
    const std::string name = path.filename().string();
    if (name.rfind("checkpoint-", 0) == 0 && path.extension() == ".bin") found.push_back(path);
  }
  std::sort(found.rbegin(), found.rend());  // the number of steps has a fixed width
  return found;
}

void RunFolder::write_checkpoint(uint64_t step, TensorFile file) const {
  file.metadata[kChecksum] = checksum(file);
  std::ostringstream name;
  name << "checkpoint-" << std::setw(10) << std::setfill('0') << step << ".bin";
  write_tensor_file((root_ / name.str()).string(), file);
  const std::vector<fs::path> all = checkpoints();
  std::error_code ignored;
  for (size_t i = 2; i < all.size(); ++i) fs::remove(all[i], ignored);
}

TensorFile RunFolder::read_checkpoint(const fs::path& path) {
  TensorFile file = read_tensor_file(path.string());
  const auto written = file.metadata.find(kChecksum);
  if (written != file.metadata.end() && written->second != checksum(file)) {
    throw DataError(str(path.string(), ": damaged, its content is not what was written"));
  }
  return file;
}

void RunFolder::write_log(const std::vector<NamedValues>& epochs) const {
  std::string text = csv_names(epochs.front()) + "\n";
  for (const NamedValues& columns : epochs) text += csv_cells(columns) + "\n";
  write_whole_file(log(), text);
}

void RunFolder::write_events(const std::vector<EventRecord>& events_so_far) const {
  std::ostringstream text;
  text << "epoch,event\n";
  for (const EventRecord& event : events_so_far)
    text << event.epoch << ",\"" << event.text << "\"\n";
  write_whole_file(events(), text.str());
}

}  // namespace gan
