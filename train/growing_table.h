// A CSV file that grows with a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace gan {

// Rows begin with the number of the step after which they were measured. They are kept in memory
// until flush() appends them. A write that fails, or a run that is killed, leaves at most rows that
// the next one takes back.
class GrowingTable {
 public:
  explicit GrowingTable(std::filesystem::path path) : path_(std::move(path)) {}

  // Goes on with the rows up to this step that the file holds and forgets later ones, which a run
  // wrote after the checkpoint that it now goes back to. 0: begins anew. Throws DataError.
  void begin(uint64_t last_step);
  // `header`: the names of all columns, the first one "step"; looked at for an empty table only.
  void add(const std::string& header, uint64_t step, const std::string& cells);
  // Throws DataError; the rows are kept and the next call tries again.
  void flush();

 private:
  std::filesystem::path path_;
  uintmax_t good_bytes_ = 0;  // what of the file is complete
  std::string waiting_;
};

}  // namespace gan
