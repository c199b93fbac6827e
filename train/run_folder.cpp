#include "train/run_folder.h"

#include <cmath>
#include <iomanip>
#include <sstream>
#include <utility>

#include "engine/atomic_file.h"
#include "engine/error.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

// A row of log.csv: what is measured in any run around what the recipe reports.
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
                               {"score", v.score},
                               {"best", e.best ? 1.0 : 0.0}};
  all.insert(all.end(), metrics.begin(), metrics.end());
  return all;
}

void write_whole(const fs::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace

RunFolder::RunFolder(fs::path root, bool force) : root_(std::move(root)) {
  std::error_code error;
  if (fs::exists(root_, error) && !fs::is_directory(root_, error)) {
    throw DataError(str(root_.string(), ": is a file, expected a folder for the results"));
  }
  if (!force && (fs::exists(log(), error) || fs::exists(weights(), error))) {
    throw UsageError(str(root_.string(),
                         ": holds a training run already; choose another --out, or --force to "
                         "replace it"));
  }
}

void RunFolder::create() const {
  std::error_code error;
  fs::create_directories(root_, error);
  if (error) {
    throw DataError(str(root_.string(), ": cannot create the folder for the results: ",
                        error.message(), "; choose another --out"));
  }
  const fs::path probe = root_ / ".writable";
  AtomicFile file(probe);
  file.write("x");
  file.commit();
  fs::remove(probe, error);
  for (const fs::path& old : {log(), events(), weights(), supervised(), last(), bad_files()})
    fs::remove(old, error);
  fs::remove_all(root_ / "samples", error);
  fs::create_directories(root_ / "samples", error);
}

fs::path RunFolder::sample(int epoch) const {
  std::ostringstream name;
  name << "epoch-" << std::setw(4) << std::setfill('0') << epoch << ".png";
  return root_ / "samples" / name.str();
}

void RunFolder::write_log(const std::vector<EpochRecord>& epochs) const {
  std::ostringstream text;
  text << std::setprecision(8);
  for (const EpochRecord& epoch : epochs) {
    const NamedValues columns = columns_of(epoch);
    if (&epoch == &epochs.front()) {
      for (const auto& column : columns)
        text << (&column == &columns[0] ? "" : ",") << column.first;
      text << "\n";
    }
    for (const auto& column : columns) {
      if (&column != &columns[0]) text << ",";
      if (std::isfinite(column.second)) text << column.second;  // what does not exist stays empty
    }
    text << "\n";
  }
  write_whole(log(), text.str());
}

void RunFolder::write_events(const std::vector<EventRecord>& events_so_far) const {
  std::ostringstream text;
  text << "epoch,event\n";
  for (const EventRecord& event : events_so_far)
    text << event.epoch << ",\"" << event.text << "\"\n";
  write_whole(events(), text.str());
}

}  // namespace gan
