// A CSV file that grows with a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "train/files/growing_file.h"

namespace gan {

// Rows begin with the number of the step after which they were measured.
class GrowingTable {
 public:
  explicit GrowingTable(std::filesystem::path path) : file_(std::move(path)) {}

  // Goes on with the rows up to this step that the file holds and forgets later ones, which a run
  // wrote after the checkpoint that it now goes back to. 0: begins anew. Throws DataError.
  void begin(uint64_t last_step);
  // `header`: the names of all columns, the first one "step"; looked at for an empty table only.
  void add(const std::string& header, uint64_t step, const std::string& cells);
  // Throws DataError; the rows are kept and the next call tries again.
  void flush() { file_.flush(); }

 private:
  GrowingFile file_;
};

}  // namespace gan
