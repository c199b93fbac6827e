// All that a run's folder tells about the run beside its tables: page, curves, TensorBoard.
#pragma once

#include <memory>

#include "train/files/event_file.h"
#include "train/files/run_folder.h"
#include "train/report/facts.h"
#include "train/report/samples.h"

namespace gan {

class Report {
 public:
  Report(const RunFolder& folder, bool tensorboard);

  // Writes index.html and curves.svg anew and, if wanted, new rows into tensorboard/. The samples
  // of the last epoch must be there. Throws DataError; what could not be written is the next call's.
  void write(const RunFacts& facts);

 private:
  void write_event_file(const RunFacts& facts);

  RunFolder folder_;
  bool tensorboard_;
  SampleAlbum album_;
  std::unique_ptr<EventFile> event_file_;
  size_t noted_rows_ = 0;  // in the event file
};

}  // namespace gan
