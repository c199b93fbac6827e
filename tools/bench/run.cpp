#include "tools/bench/run.h"

#include <algorithm>
#include <ostream>
#include <set>

#include "engine/parallel.h"
#include "tools/bench/report.h"
#include "tools/bench/sweep.h"

namespace gan::bench {
namespace {

bool asked_for(const Request& request, const Level& level) {
  if (request.sweep && !level.can_be_swept) return false;
  return request.level == "all" || request.level == level.name;
}

// The names to filter by: of whole networks as they are, of operations the layers and the functions.
std::string known_names(const Request& request) {
  std::string text;
  for (const Level& level : levels()) {
    if (!asked_for(request, level)) continue;
    std::set<std::string> names;
    for (const std::string& name : level.rows(request.options)) {
      if (std::string("op") != level.name) {
        names.insert("'" + name + "'");
        continue;
      }
      names.insert(name.substr(0, name.find(' ')));
      names.insert(name.substr(name.rfind(' ') + 1));
    }
    text += str(text.empty() ? "" : "; ", level.name, ":");
    for (const std::string& name : names) text += " " + name;
  }
  return text;
}

void check_request(const Request& request, const Session& session) {
  if (request.sweep && (request.level == "op" || request.level == "image"))
    throw UsageError("--sweep is for the levels step and network");
  if (request.profile && (request.level != "step" || request.sweep))
    throw UsageError("--profile is for --level step, without --sweep");
  // A single operation's runs are on tensors of their own, so by their data they would all run at once.
  if (request.device.order != RecordedOrder::given && !request.sweep &&
      (request.level == "op" || request.level == "all"))
    throw UsageError(str("--order ", name_of(request.device.order),
                         " is not for level op: name another one, step say, with --level"));
  for (const Level& level : levels()) {
    if (!asked_for(request, level)) continue;
    for (const std::string& name : level.rows(request.options)) {
      if (session.wants(name)) return;
    }
  }
  throw UsageError(str("--filter '", request.options.filter,
                       "' leaves nothing to measure; names are made of: ", known_names(request)));
}

// The vendor's library on the device of `like`.
void open_vendor(const Request& request, const Device& like, Session& session) {
  const bool gpu = like.memory.device() == DeviceKind::gpu;
  session.vendor_backend = gpu ? "cudnn" : "onednn";
  DeviceOptions options = request.device;
  options.device = gpu ? "gpu" : "cpu";
  options.backend = session.vendor_backend;
  try {
    session.vendor.emplace(open_device(options));
  } catch (const DeviceError&) {
    // Not in this build, or not in this precision: there are no times beside ours then.
  }
}

}  // namespace

Session open_session(const Request& request) {
  Session session;
  session.options = request.options;
  session.options.convolutions &= request.device.order == RecordedOrder::given;
  check_request(request, session);
  for (const std::string& backend : request.backends) {
    DeviceOptions options = request.device;
    options.backend = backend;
    Device device = open_device(options);
    const Peaks peaks = request.profile ? Peaks() : measure_peaks(device);
    session.subjects.push_back({backend, std::move(device), peaks});
  }
  if (request.profile) return session;
  open_vendor(request, session.subjects[0].device, session);
  // What a GPU can do is what the best of its libraries gets out of it.
  if (session.vendor && session.vendor->memory.device() == DeviceKind::gpu) {
    const Peaks peaks = measure_peaks(*session.vendor);
    for (Subject& subject : session.subjects)
      subject.peaks.flop = std::max(subject.peaks.flop, peaks.flop);
  }
  return session;
}

ExitCode run(const Request& request, Session& session, std::ostream& out) {
  const Subject& first = session.subjects[0];
  const Header header = {request.program, first.device.description, threads(),
                         name_of(first.device.precision), first.peaks};
  out << header_lines(header) << std::flush;
  if (!session.vendor) {
    out << "no " << session.vendor_backend << " in this precision or build: no times beside ours\n";
  }
  std::vector<Row> rows;
  std::string table;  // whose head was printed last
  session.show = [&](Row row) {
    row.threads = threads();
    if (row.level != table) out << table_head(row.level);
    table = row.level;
    out << table_row(row) << std::flush;
    rows.push_back(row);
  };
  for (const Level& level : levels()) {
    if (!asked_for(request, level)) continue;
    request.sweep ? sweep(level, session) : level.run(session);
  }
  if (rows.empty())
    throw UsageError("nothing measured: the backends asked for leave all of this to others");
  if (!request.json.empty()) write_json(request.json, header, rows);
  if (!request.csv.empty()) write_csv(request.csv, header, rows);
  const bool all_correct =
      std::all_of(rows.begin(), rows.end(), [](const Row& row) { return row.correct(); });
  return all_correct ? ExitCode::ok : ExitCode::some_failed;
}

}  // namespace gan::bench
