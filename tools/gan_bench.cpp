// gan_bench: how fast the networks run here, down to single operations, and how that compares with what
// the machine and its vendor's library can do. Every result is checked before it is timed.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "engine/atomic_file.h"
#include "tools/bench/plot.h"
#include "tools/bench/run.h"
#include "tools/cli.h"
#include "tools/version.h"
#include "train/photo/photo.h"

namespace gan::bench {
namespace {

constexpr const char* kExamples =
    "  gan_bench --json results.json\n"
    "  gan_bench --level op --filter \"dec3 conv\" --backend cpu,onednn\n"
    "  gan_bench --level step --batch-size 16 --threads 1\n"
    "  gan_bench --level network --width 32 --csv network.csv\n"
    "  gan_bench --level step --sweep\n"
    "  gan_bench --plot results.json roofline.svg\n";

ExitCode measure_all(const Request& request) {
  if (request.options.size % 32 != 0)
    throw UsageError(str("--size ", request.options.size, ": use a multiple of 32"));
  Session session = open_session(request);
  for (const Subject& subject : session.subjects)
    std::cerr << "device: " << subject.device.description << std::endl;
  ExitCode code = ExitCode::ok;
  if (request.profile) {
    profile_steps(session, std::cout);
  } else {
    code = run(request, session, std::cout);
  }
  for (const Subject& subject : session.subjects) std::cerr << subject.device.tuning_report();
  return code;
}

ExitCode plot(const std::string& results, const std::string& picture) {
  const std::vector<uint8_t> json = read_bytes(results);
  AtomicFile file(picture);
  file.write(roofline_svg({json.begin(), json.end()}));
  file.commit();
  std::cout << picture << "\n";
  return ExitCode::ok;
}

}  // namespace
}  // namespace gan::bench

int main(int argc, char** argv) {
  CLI::App app("Measures how fast the networks run.", "gan_bench");
  gan::set_up(app, gan::bench::kExamples);
  gan::bench::Request request;
  request.program = gan::str("gan_bench ", gan::kVersion);
  gan::bench::Options& options = request.options;
  std::vector<std::string> level_names = {"all"};
  for (const auto& level : gan::bench::levels()) level_names.push_back(level.name);
  app.add_option("--level", request.level, "What to measure")->check(CLI::IsMember(level_names));
  app.add_option("--width", options.width, "Base width of the generator, a multiple of 4")
      ->check(CLI::Range(4, 512));
  app.add_option("--batch-size", options.batch_size, "Photos in a batch")
      ->check(CLI::Range(1, 1024));
  app.add_option("--seconds", options.seconds,
                 "Time to measure each row for; an operation gets a twentieth of it")
      ->check(CLI::Range(0.01, 3600.0));
  app.add_option("--filter", options.filter, "Only rows whose name has all these words");
  app.add_option("--size", options.size, "Level network: side of the photos, a multiple of 32")
      ->check(CLI::Range(32, 4096));
  app.add_flag("--sweep", request.sweep,
               "Levels step and network: how cost grows with batch, size and threads");
  app.add_flag("--profile", request.profile,
               "Level step: measure nothing, run one step, unrecorded, for a profiler to look at "
               "(ncu --profile-from-start off)");
  app.add_flag("--no-convolutions{false}", options.convolutions,
               "Do not time a network's convolutions alone, to compare with (in another --order "
               "they never are)");
  app.add_option("--json", request.json, "File for the results, as JSON");
  app.add_option("--csv", request.csv, "File for the results, as a table");
  std::vector<std::string> plot;
  app.add_option("--plot", plot,
                 "Measure nothing: draw the operations of RESULTS.json as PICTURE.svg")
      ->expected(2);
  gan::add_device_options(app, request.device);
  app.remove_option(app.get_option("--backend"));
  app.add_option("--backend", request.backends,
                 "Whose kernels to use; several, with commas between, are measured side by side")
      ->delimiter(',')
      ->check(CLI::IsMember(gan::backend_names()));
  gan::add_order_option(app, request.device);
  return gan::run_program(app, argc, argv, [&] {
    return static_cast<int>(plot.empty() ? gan::bench::measure_all(request)
                                         : gan::bench::plot(plot[0], plot[1]));
  });
}
