// gan_bench: how fast the networks run here. Every result is checked before it is timed.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "engine/parallel.h"
#include "tools/bench/bench.h"
#include "tools/bench/report.h"
#include "tools/cli.h"
#include "tools/version.h"

namespace gan::bench {
namespace {

constexpr const char* kExamples =
    "  gan_bench\n"
    "  gan_bench --level step --batch-size 16 --threads 1\n"
    "  gan_bench --level network --width 32 --json network.json\n";

struct Request {
  DeviceOptions device;
  Options options;
  std::string level = "all", json;
};

ExitCode run(const Request& request) {
  Device device = open_and_announce(request.device);
  const Header header = {str("gan_bench ", kVersion), device.description, threads(),
                         name_of(device.precision)};
  std::cout << header_line(header) << table_head() << std::flush;
  std::vector<Row> rows;
  bool all_correct = true;
  for (const auto& [name, level] : levels()) {
    if (request.level != "all" && request.level != name) continue;
    for (const Row& row : level(device, request.options)) {
      std::cout << table_row(row) << std::flush;
      all_correct = all_correct && row.correct();
      rows.push_back(row);
    }
  }
  if (!request.json.empty()) write_json(request.json, header, rows);
  return all_correct ? ExitCode::ok : ExitCode::some_failed;
}

}  // namespace
}  // namespace gan::bench

int main(int argc, char** argv) {
  CLI::App app("Measures how fast the networks run.", "gan_bench");
  gan::set_up(app, gan::bench::kExamples);
  gan::bench::Request request;
  std::vector<std::string> level_names = {"all"};
  for (const auto& level : gan::bench::levels()) level_names.push_back(level.first);
  app.add_option("--level", request.level, "What to measure")->check(CLI::IsMember(level_names));
  app.add_option("--width", request.options.width, "Base width of the generator, a multiple of 4")
      ->check(CLI::Range(4, 512));
  app.add_option("--batch-size", request.options.batch_size, "Photos in a batch")
      ->check(CLI::Range(1, 1024));
  app.add_option("--seconds", request.options.seconds, "Time to measure each row for")
      ->check(CLI::Range(0.01, 3600.0));
  app.add_option("--json", request.json, "File for the results, as JSON");
  gan::add_device_options(app, request.device);
  return gan::run_program(app, argc, argv,
                          [&] { return static_cast<int>(gan::bench::run(request)); });
}
