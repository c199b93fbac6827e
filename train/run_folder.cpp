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

struct Column {
  const char* name;
  double (*value)(const EpochRecord&);
};

constexpr Column kColumns[] = {
    {"epoch", [](const EpochRecord& e) { return double(e.epoch); }},
    {"step", [](const EpochRecord& e) { return double(e.step); }},
    {"seconds", [](const EpochRecord& e) { return e.seconds; }},
    {"photos_per_second", [](const EpochRecord& e) { return e.photos_per_second; }},
    {"d_loss_real", [](const EpochRecord& e) { return e.d_loss_real; }},
    {"d_loss_fake", [](const EpochRecord& e) { return e.d_loss_fake; }},
    {"d_loss_noise", [](const EpochRecord& e) { return e.d_loss_noise; }},
    {"d_trained", [](const EpochRecord& e) { return e.d_trained; }},
    {"g_adversarial", [](const EpochRecord& e) { return e.g_adversarial; }},
    {"l1", [](const EpochRecord& e) { return e.l1; }},
    {"d_accuracy_real", [](const EpochRecord& e) { return e.accuracy_real; }},
    {"d_accuracy_fake", [](const EpochRecord& e) { return e.accuracy_fake; }},
    {"d_accuracy", [](const EpochRecord& e) { return e.accuracy(); }},
    {"psnr", [](const EpochRecord& e) { return e.validation.psnr; }},
    {"ssim", [](const EpochRecord& e) { return e.validation.ssim; }},
    {"ciede2000", [](const EpochRecord& e) { return e.validation.ciede2000; }},
    {"colorfulness_ratio", [](const EpochRecord& e) { return e.validation.colorfulness_ratio; }},
    {"bias_a", [](const EpochRecord& e) { return e.validation.bias_a; }},
    {"bias_b", [](const EpochRecord& e) { return e.validation.bias_b; }},
    {"white_chroma", [](const EpochRecord& e) { return e.validation.white_chroma; }},
    {"score", [](const EpochRecord& e) { return e.validation.score; }},
    {"best", [](const EpochRecord& e) { return double(e.best); }},
};

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
  for (const fs::path& old : {log(), weights(), last(), bad_files()}) fs::remove(old, error);
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
  for (const Column& column : kColumns) text << (&column == kColumns ? "" : ",") << column.name;
  text << "\n" << std::setprecision(8);
  for (const EpochRecord& epoch : epochs) {
    for (const Column& column : kColumns) {
      const double value = column.value(epoch);
      if (&column != kColumns) text << ",";
      if (std::isfinite(value)) text << value;  // what does not exist stays empty
    }
    text << "\n";
  }
  AtomicFile file(log());
  file.write(text.str());
  file.commit();
}

}  // namespace gan
