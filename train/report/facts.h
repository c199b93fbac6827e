// What is to be told about a training run: the one source of its page, its curves for papers, and
// its TensorBoard files.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "train/data/dataset.h"
#include "train/files/run_folder.h"

namespace gan {

enum class RunState { going_on, stopped, finished, failed };

struct RunFacts {
  std::string name;     // of the run's folder, as it was given
  std::string version;  // of the program
  std::string device;
  std::string model;  // "gan, width 32, 1,644,194 parameters"
  std::string data;   // the folder of photos
  DatasetReport photos;
  std::map<std::string, std::string> settings;  // TrainSettings::as_metadata
  int planned_epochs = 0;
  RunState state = RunState::going_on;
  std::string failure;            // why it failed
  size_t step_bytes = 0;          // memory that one step takes
  std::string colorize_command;   // that colours a photo with the result
  std::string resume_command;     // that goes on with the run
  std::vector<NamedValues> rows;  // of log.csv, all with the same names
  std::vector<EventRecord> events;

  // A column of log.csv, NaN where it is empty; no values at all when there is no such column.
  std::vector<double> column(const std::string& name) const;
  // The row of weights.bin: the last one that was the best so far. -1 when none was.
  int best_row() const;
};

// Epochs of the stable recipe's phases, in their order; empty for other recipes.
struct PhaseSpan {
  int first_epoch = 0, last_epoch = 0;
  std::string name;
};
std::vector<PhaseSpan> phases_of(const RunFacts& facts);

}  // namespace gan
