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
};

std::string header_line(const Header& header);
std::string table_head();
std::string table_row(const Row& row);

void write_json(const std::string& path, const Header& header, const std::vector<Row>& rows);

}  // namespace gan::bench
