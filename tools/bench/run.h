// A run of the benchmark: what was asked for, from opening devices to results in files.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "engine/error.h"
#include "tools/bench/bench.h"

namespace gan::bench {

struct Request {
  DeviceOptions device;                          // its backend is not looked at
  std::vector<std::string> backends = {"auto"};  // measured side by side
  std::string level = "all";
  Options options;
  bool sweep = false;     // levels step and network: how cost grows
  bool profile = false;   // level step: run for a profiler, without results
  std::string json, csv;  // files; empty: none
  std::string program;    // name, version and commit
};

// Opens what the request names, with the vendor's library to compare with. Throws UsageError when no row
// of the levels passes the filter, naming the rows there are.
Session open_session(const Request& request);

// Measures, prints each row as it comes, writes the files. some_failed when a kernel was wrong.
ExitCode run(const Request& request, Session& session, std::ostream& out);

}  // namespace gan::bench
