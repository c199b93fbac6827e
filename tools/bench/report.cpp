#include "tools/bench/report.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "engine/atomic_file.h"

namespace gan::bench {
namespace {

std::string in_milliseconds(double seconds) {
  const double ms = seconds * 1e3;
  return fixed(ms, ms < 10 ? 3 : ms < 1000 ? 1 : 0);
}

template <class... Cells>
std::string line(const char* format, const Cells&... cells) {
  char text[256];
  std::snprintf(text, sizeof(text), format, cells.c_str()...);
  return std::string(text) + "\n";
}

constexpr const char* kFormat = "%-8s %-34s %6s %6s %10s %10s %10s %9s %9s %8s";

}  // namespace

std::string header_line(const Header& header) {
  return str(header.program, ", ", header.device, ", ", header.precision, "\n");
}

std::string table_head() {
  const std::string names[] = {"level", "name",   "width",    "batch",   "median ms",
                               "p5 ms", "p95 ms", "photos/s", "GFLOP/s", "repeats"};
  return line(kFormat, names[0], names[1], names[2], names[3], names[4], names[5], names[6],
              names[7], names[8], names[9]);
}

std::string table_row(const Row& row) {
  if (!row.correct()) {
    char error[32];
    std::snprintf(error, sizeof(error), "%.1e", row.error);
    return str(row.level, " ", row.name, ": WRONG, off the reference backend by ", error,
               ", not timed\n");
  }
  const Timing& t = row.timing;
  return line(kFormat, row.level, row.name, std::to_string(row.width),
              std::to_string(row.batch_size), in_milliseconds(t.median), in_milliseconds(t.p5),
              in_milliseconds(t.p95), fixed(row.photos / t.median, 2),
              fixed(row.flop / t.median * 1e-9, 1), std::to_string(t.repeats));
}

void write_json(const std::string& path, const Header& header, const std::vector<Row>& rows) {
  nlohmann::ordered_json out = {{"program", header.program},
                                {"device", header.device},
                                {"threads", header.threads},
                                {"precision", header.precision}};
  out["rows"] = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    nlohmann::ordered_json fields = {{"level", row.level},       {"name", row.name},
                                     {"width", row.width},       {"batch_size", row.batch_size},
                                     {"correct", row.correct()}, {"error", row.error}};
    if (row.correct()) {
      const Timing& t = row.timing;
      fields["median_ms"] = t.median * 1e3;
      fields["p5_ms"] = t.p5 * 1e3;
      fields["p95_ms"] = t.p95 * 1e3;
      fields["repeats"] = t.repeats;
      fields["photos_per_s"] = row.photos / t.median;
      fields["gflop_per_s"] = row.flop / t.median * 1e-9;
    }
    out["rows"].push_back(fields);
  }
  AtomicFile file(path);
  file.write(out.dump(2) + "\n");
  file.commit();
}

}  // namespace gan::bench
