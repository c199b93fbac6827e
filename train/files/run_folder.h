// The folder that a training run writes: weights, log, samples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/tensor_file.h"
#include "train/recipe/recipe.h"

namespace gan {

// What one epoch measured: one row of log.csv.
struct EpochRecord {
  int epoch = 0;
  uint64_t step = 0;             // updates so far
  double seconds = 0;            // since the start of training
  double photos_per_second = 0;  // training alone
  NamedValues recipe;            // what the recipe reports: the same names in every epoch
  MetricsSummary validation;
  double saturation = 1;  // the gain that --saturation auto is to use (saturation.h)
  bool best = false;
  bool settled = true;  // false: it was interrupted, and is gone through again when the run goes on
};

// Something that happened to a run: one row of events.csv.
struct EventRecord {
  int epoch = 0;
  std::string text;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(EventRecord, epoch, text)
};

// A row of log.csv: what is measured in any run around what the recipe reports.
NamedValues columns_of(const EpochRecord& epoch);
// A line of a CSV file, without its end; what is not finite stays empty.
std::string csv_cell(double value);
std::string csv_names(const NamedValues& columns);
std::string csv_cells(const NamedValues& columns);

// The text as one word of a shell's command line: quoted where it has to be.
std::string shell_word(const std::string& text);

class RunFolder {
 public:
  // What to do with a run that the folder holds already.
  enum class Existing { refuse, replace, go_on };

  // Touches nothing yet. Throws UsageError when the folder holds a run already and that is to be
  // refused, or none that could go on; DataError when it is a file.
  RunFolder(std::filesystem::path root, Existing existing);

  // Makes the folder, proves that it can be written, removes what killed programs left half-written and,
  // unless the run goes on, what an older one left there. Throws DataError.
  void create() const;
  // Makes it anew where it has vanished since; true when it had. Throws DataError.
  bool restore() const;

  std::filesystem::path weights() const { return root_ / "weights.bin"; }
  std::filesystem::path last() const { return root_ / "last.bin"; }
  std::filesystem::path supervised() const { return root_ / "supervised.bin"; }
  std::filesystem::path events() const { return root_ / "events.csv"; }
  std::filesystem::path bad_files() const { return root_ / "bad_files.txt"; }
  std::filesystem::path log() const { return root_ / "log.csv"; }
  std::filesystem::path steps() const { return root_ / "steps.csv"; }
  std::filesystem::path layers() const { return root_ / "layers.csv"; }
  std::filesystem::path page() const { return root_ / "index.html"; }
  std::filesystem::path curves() const { return root_ / "curves.svg"; }
  std::filesystem::path tensorboard() const { return root_ / "tensorboard"; }
  std::filesystem::path sample(int epoch) const;

  // Checkpoints, the newest first.
  std::vector<std::filesystem::path> checkpoints() const;
  // Writes a checkpoint after so many steps and removes all but the newest two. Its metadata gets a
  // checksum of its tensors and of all other metadata.
  void write_checkpoint(uint64_t step, TensorFile file) const;
  // Throws DataError, also when the content is not what was written.
  static TensorFile read_checkpoint(const std::filesystem::path& path);

  // Writes log.csv anew with all rows.
  void write_log(const std::vector<NamedValues>& epochs) const;
  // Writes events.csv anew with all rows.
  void write_events(const std::vector<EventRecord>& events) const;

 private:
  std::filesystem::path samples() const { return root_ / "samples"; }

  std::filesystem::path root_;
  Existing existing_;
};

}  // namespace gan
