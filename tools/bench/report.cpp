#include "tools/bench/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/atomic_file.h"

namespace gan::bench {
namespace {

using Json = nlohmann::ordered_json;

std::string in_milliseconds(double seconds) {
  const double ms = seconds * 1e3;
  return seconds <= 0 ? "-" : fixed(ms, ms < 10 ? 3 : ms < 1000 ? 1 : 0);
}

std::string rate(double amount, const Row& row, double unit, int digits) {
  return amount > 0 ? fixed(amount / row.timing.median / unit, digits) : "-";
}

std::string percent(double share) {
  return share > 0 ? fixed(100 * share, 0) + "%" : "-";
}

// The vendor's better time; 0 when there is none.
double vendors_best(const Row& row) {
  if (row.vendor == 0 || row.vendor_free == 0) return std::max(row.vendor, row.vendor_free);
  return std::min(row.vendor, row.vendor_free);
}

struct Column {
  const char* head;
  int width;  // negative: to the left
  std::string (*text)(const Row& row);
};

const Column kName = {"name", -44, [](const Row& r) { return r.name; }};
const Column kBackend = {"backend", -9, [](const Row& r) { return r.backend; }};
const Column kTimes[] = {
    {"median ms", 10, [](const Row& r) { return in_milliseconds(r.timing.median); }},
    {"p5 ms", 9, [](const Row& r) { return in_milliseconds(r.timing.p5); }},
    {"p95 ms", 9, [](const Row& r) { return in_milliseconds(r.timing.p95); }}};
const Column kFlop = {"GFLOP/s", 9, [](const Row& r) { return rate(r.flop, r, 1e9, 1); }};
const Column kBytes = {"GB/s", 7, [](const Row& r) { return rate(r.bytes, r, 1e9, 1); }};
const Column kShare = {"of peak", 8, [](const Row& r) { return percent(r.share_of_peak()); }};
const Column kMemory = {"MB", 8,
                        [](const Row& r) { return fixed(static_cast<double>(r.memory) / 1e6, 1); }};

const std::vector<Column>& columns(const std::string& level) {
  static const std::vector<Column> of_operations = {
      kName,
      {"input > output", -36, [](const Row& r) { return r.shape; }},
      kBackend,
      kTimes[0],
      kTimes[1],
      kTimes[2],
      kFlop,
      kBytes,
      kShare,
      kMemory,
      {"vendor", 9, [](const Row& r) { return in_milliseconds(r.vendor); }},
      {"any layout", 10, [](const Row& r) { return in_milliseconds(r.vendor_free); }},
      {"faster by", 9, [](const Row& r) {
         const double best = vendors_best(r);
         return best > 0 ? fixed(best / r.timing.median, 2) : "-";
       }}};
  static const std::vector<Column> of_networks = {
      kName,
      kBackend,
      {"width", 6, [](const Row& r) { return std::to_string(r.width); }},
      {"size", 5, [](const Row& r) { return r.size > 0 ? std::to_string(r.size) : "-"; }},
      {"batch", 6, [](const Row& r) { return std::to_string(r.batch_size); }},
      {"threads", 8, [](const Row& r) { return std::to_string(r.threads); }},
      kTimes[0],
      kTimes[1],
      kTimes[2],
      {"photos/s", 9, [](const Row& r) { return rate(r.photos, r, 1, 2); }},
      kFlop,
      kShare,
      kMemory,
      {"repeats", 8, [](const Row& r) { return std::to_string(r.timing.repeats); }}};
  return level == "op" ? of_operations : of_networks;
}

template <class Text>
std::string line(const std::vector<Column>& columns, Text&& text) {
  std::string line;
  for (const Column& column : columns) {
    const std::string cell = text(column);
    const auto width = static_cast<size_t>(std::abs(column.width));
    const std::string space(cell.size() < width ? width - cell.size() : 0, ' ');
    line += (line.empty() ? "" : " ") + (column.width < 0 ? cell + space : space + cell);
  }
  return line + "\n";
}

std::string convolutions_note(const Row& row) {
  return str(fixed(row.timing.median / row.convolutions, 2),
             " times its convolutions, each at the ", "best found alone (",
             in_milliseconds(row.convolutions), " ms)");
}

// Every field that a row has; null where it has no value.
Json fields_of(const Row& row) {
  const Timing& t = row.timing;
  const auto if_any = [](double value) { return value > 0 ? Json(value) : Json(nullptr); };
  const auto per_second = [&](double amount, double unit) {
    return t.median > 0 ? if_any(amount / t.median / unit) : Json(nullptr);
  };
  return {
      {"level", row.level},
      {"name", row.name},
      {"backend", row.backend},
      {"shape", row.shape},
      {"width", row.width},
      {"batch_size", row.batch_size},
      {"size", row.size > 0 ? Json(row.size) : Json(nullptr)},
      {"threads", row.threads},
      {"correct", row.correct()},
      {"error", row.error},
      {"error_limit", row.limit},
      {"median_ms", if_any(t.median * 1e3)},
      {"p5_ms", if_any(t.p5 * 1e3)},
      {"p95_ms", if_any(t.p95 * 1e3)},
      {"repeats", t.repeats},
      {"photos_per_s", per_second(row.photos, 1)},
      {"gflop", if_any(row.flop / 1e9)},
      {"gbyte", if_any(row.bytes / 1e9)},
      {"gflop_per_s", per_second(row.flop, 1e9)},
      {"gbyte_per_s", per_second(row.bytes, 1e9)},
      {"share_of_peak", if_any(row.share_of_peak())},
      {"memory_mb", if_any(static_cast<double>(row.memory) / 1e6)},
      {"vendor_ms", if_any(row.vendor * 1e3)},
      {"vendor_any_layout_ms", if_any(row.vendor_free * 1e3)},
      {"convolutions_ms", if_any(row.convolutions * 1e3)},
      {"times_its_convolutions", if_any(row.convolutions > 0 ? t.median / row.convolutions : 0)},
      {"note", row.note}};
}

// A cell of a CSV file; text with commas or quotes goes between quotes.
std::string cell(const Json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return value.dump();
  const auto text = value.get<std::string>();
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

void write(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace

std::string header_lines(const Header& header) {
  return str(header.program, ", ", header.device, ", ", header.precision,
             "\npeaks: ", fixed(header.peaks.flop / 1e9, 0), " GFLOP/s, ",
             fixed(header.peaks.bytes / 1e9, 1), " GB/s (", header.peaks.how, ")\n");
}

std::string table_head(const std::string& level) {
  return str("\n", level, "\n",
             line(columns(level), [](const Column& column) { return std::string(column.head); }));
}

std::string table_row(const Row& row) {
  if (!row.correct()) {
    const std::string what = row.wrong.empty() ? str("off the reference by ", row.error,
                                                     ", at most ", row.limit, " is right")
                                               : row.wrong;
    return str("FAIL ", row.name, " (", row.backend, "), not timed: ", what, "\n");
  }
  std::string text =
      line(columns(row.level), [&](const Column& column) { return column.text(row); });
  if (row.convolutions > 0) text += "         " + convolutions_note(row) + "\n";
  if (!row.note.empty()) text += "         " + row.note + "\n";
  return text;
}

void write_json(const std::string& path, const Header& header, const std::vector<Row>& rows) {
  Json out = {{"program", header.program},
              {"device", header.device},
              {"threads", header.threads},
              {"precision", header.precision},
              {"peak_gflop_per_s", header.peaks.flop / 1e9},
              {"peak_gbyte_per_s", header.peaks.bytes / 1e9},
              {"peaks", header.peaks.how}};
  out["rows"] = Json::array();
  for (const Row& row : rows) {
    Json fields = fields_of(row);
    for (auto it = fields.begin(); it != fields.end();) {
      const bool empty = it->is_null() || (it->is_string() && it->get<std::string>().empty());
      it = empty ? fields.erase(it) : std::next(it);
    }
    out["rows"].push_back(fields);
  }
  write(path, out.dump(2) + "\n");
}

void write_csv(const std::string& path, const Header& header, const std::vector<Row>& rows) {
  std::string text;
  const Row none;
  const Json names = fields_of(none);
  for (auto it = names.begin(); it != names.end(); ++it) text += it.key() + ",";
  text += "precision,program,device\n";
  for (const Row& row : rows) {
    const Json fields = fields_of(row);
    for (const Json& value : fields) text += cell(value) + ",";
    text += str(header.precision, ",", cell(header.program), ",", cell(header.device), "\n");
  }
  write(path, text);
}

}  // namespace gan::bench
