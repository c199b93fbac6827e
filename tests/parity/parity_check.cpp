// parity_check FILE...: compares whole networks and training steps with golden values.
#include <CLI/CLI.hpp>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/parity/golden.h"
#include "tools/cli.h"

namespace gan::parity {
namespace {

constexpr const char* kExamples =
    "  parity_check golden.safetensors\n"
    "  parity_check demo_weights.safetensors demo_io.safetensors --backend reference\n"
    "  parity_check *.safetensors --threads 1\n";

// Training files are checked one by one; a weights file goes with the file that holds its input
// and output, whatever their order.
ExitCode check(const std::vector<std::string>& paths, const DeviceOptions& options) {
  std::vector<std::pair<std::string, TensorFile>> trainings;
  std::optional<std::string> weights;
  std::optional<std::pair<std::string, TensorFile>> pair;
  for (const std::string& path : paths) {
    TensorFile file = read_tensor_file(path);
    switch (kind_of(file, path)) {
      case FileKind::training:
        trainings.emplace_back(path, std::move(file));
        break;
      case FileKind::weights:
        if (weights) throw UsageError("give one weights file at a time, got a second: " + path);
        weights = path;
        break;
      case FileKind::pair:
        if (pair) throw UsageError("give one file with x and y at a time, got a second: " + path);
        pair.emplace(path, std::move(file));
        break;
    }
  }
  if (weights && !pair) throw UsageError(*weights + " needs a file with its input x and output y");
  if (pair && !weights) throw UsageError(pair->first + " needs the weights file it belongs to");

  Device device = open_and_announce(options);
  bool all_ok = true;
  const auto show = [&](const Report& report) {
    std::cout << report.text() << std::flush;
    all_ok = all_ok && report.ok();
  };
  for (const auto& [path, file] : trainings) show(check_training(device, file, path));
  if (weights) show(check_generator(device, *weights, pair->second, pair->first));
  std::cout << (all_ok ? "all within limits\n" : "some values are off limits\n");
  return all_ok ? ExitCode::ok : ExitCode::some_failed;
}

}  // namespace
}  // namespace gan::parity

int main(int argc, char** argv) {
  CLI::App app("Compares networks and training steps with golden values.", "parity_check");
  gan::set_up(app, gan::parity::kExamples);
  std::vector<std::string> paths;
  gan::DeviceOptions options;
  app.add_option("FILE", paths, "Golden files: training runs, or a weights file and its x and y")
      ->required();
  gan::add_device_options(app, options);
  return gan::run_program(app, argc, argv,
                          [&] { return static_cast<int>(gan::parity::check(paths, options)); });
}
