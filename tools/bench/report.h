// Benchmark results for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/bench.h"

namespace gan::bench {

// What was measured, on what.
struct Header {
  std::string program;  // name, version and commit
  std::string device;
  int threads = 0;
  std::string precision = "fp32";
  Peaks peaks = {};
};

std::string header_lines(const Header& header);
// A table's first line: operations have other columns than whole networks.
std::string table_head(const std::string& level);
std::string table_row(const Row& row);

void write_json(const std::string& path, const Header& header, const std::vector<Row>& rows);
// One line for each row, with the names of the JSON's fields above.
void write_csv(const std::string& path, const Header& header, const std::vector<Row>& rows);

}  // namespace gan::bench
