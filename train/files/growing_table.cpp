#include "train/files/growing_table.h"

#include <charconv>
#include <fstream>

#include "engine/error.h"

namespace gan {
namespace {

// Whether a line is a complete row up to this step, or the header.
bool belongs(const std::string& line, uint64_t last_step) {
  if (line.rfind("step,", 0) == 0) return true;
  uint64_t step = 0;
  const auto result = std::from_chars(line.data(), line.data() + line.size(), step);
  return result.ec == std::errc() && step <= last_step;
}

}  // namespace

void GrowingTable::begin(uint64_t last_step) {
  std::string kept;
  if (last_step > 0) {
    std::ifstream file(file_.path());
    for (std::string line; std::getline(file, line) && !file.eof();) {  // a torn line ends the file
      if (belongs(line, last_step)) kept += line + "\n";
    }
  }
  file_.begin(kept);
}

void GrowingTable::add(const std::string& header, uint64_t step, const std::string& cells) {
  if (file_.empty()) file_.add(header + "\n");
  file_.add(str(step, ",", cells, "\n"));
}

}  // namespace gan
