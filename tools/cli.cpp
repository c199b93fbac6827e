#include "tools/cli.h"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <new>

#include "engine/error.h"
#include "tools/version.h"

namespace gan {
namespace {

volatile std::sig_atomic_t interrupt_seen = 0;

extern "C" void on_interrupt(int signal) {
  interrupt_seen = 1;
  std::signal(signal, SIG_DFL);
}

// The number of single-character changes that turn `a` into `b`.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row.back();
}

// ", did you mean --epochs?" for an option that is nearly one of ours.
std::string suggestion(const CLI::App& app, const std::string& wrong) {
  std::string best;
  size_t best_distance = 3;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const size_t distance = edit_distance("--" + name, wrong.substr(0, wrong.find('=')));
      if (distance < best_distance) {
        best_distance = distance;
        best = "--" + name;
      }
    }
  }
  return best.empty() ? "" : "; did you mean " + best + "?";
}

int usage_failure(const CLI::App& app, const CLI::ParseError& error) {
  std::string text = error.what();
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (dynamic_cast<const CLI::ExtrasError*>(&error)) {
    for (const std::string& extra : app.remaining(true)) {  // of subcommands, too
      if (extra.rfind("--", 0) == 0) {
        text = "unknown option " + extra + suggestion(app, extra);
        break;
      }
    }
  }
  std::cerr << app.get_name() << ": " << text << " (see " << app.get_name() << " --help)\n";
  return static_cast<int>(ExitCode::usage);
}

int failure(const CLI::App& app, const std::string& text, ExitCode code) {
  std::cerr << app.get_name() << ": " << text << "\n";
  return static_cast<int>(code);
}

}  // namespace

void set_up(CLI::App& app, const std::string& examples) {
  app.set_version_flag("--version", app.get_name() + " " + kVersion);
  app.footer("Examples:\n" + examples +
             "\nExit codes: 0 done, 1 some inputs failed, 2 wrong usage, 3 bad file or data, "
             "4 device or memory");
  app.option_defaults()->always_capture_default();
}

void add_device_options(CLI::App& app, DeviceOptions& options) {
  app.add_option("--device", options.device, "What to run on")
      ->check(CLI::IsMember(device_names()));
  app.add_option("--backend", options.backend, "Whose kernels to use")
      ->check(CLI::IsMember(backend_names()));
  const auto choose_precision = [&options](const std::string& name) {
    for (auto p : {DevicePrecision::fp32, DevicePrecision::tf32, DevicePrecision::bf16}) {
      if (name == name_of(p)) options.precision = p;
    }
  };
  app.add_option_function<std::string>(
         "--precision", choose_precision,
         "Of products: tf32 (GPU) and bf16 (GPU, or CPU with AVX512-BF16) are faster, less exact")
      ->check(CLI::IsMember({"fp32", "tf32", "bf16"}))
      ->default_str(name_of(options.precision));
  app.add_option("--threads", options.threads, "CPU threads; 0: all cores")
      ->check(CLI::Range(0, 1024));
}

void add_order_option(CLI::App& app, DeviceOptions& options) {
  const auto choose = [&options](const std::string& name) {
    for (auto order : {RecordedOrder::given, RecordedOrder::data, RecordedOrder::fastest}) {
      if (name == name_of(order)) options.order = order;
    }
  };
  app.add_option_function<std::string>(
         "--order", choose,
         "How a GPU repeats recorded steps: one operation after another, as they were given; each "
         "after those whose data it needs; or whichever of the two is found to be faster")
      ->check(CLI::IsMember({"given", "data", "fastest"}))
      ->default_str(name_of(options.order));
}

Device open_and_announce(const DeviceOptions& options) {
  Device device = open_device(options);
  std::cerr << "device: " << device.description << std::endl;
  return device;
}

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help and --version
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    return usage_failure(app, error);
  }
  try {
    return body();
  } catch (const Error& error) {
    return failure(app, error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return failure(app, "out of memory: use smaller photos, batches or networks", ExitCode::device);
  } catch (const std::exception& error) {
    return failure(app, str("internal error, please report it: ", error.what()), ExitCode::device);
  }
}

void watch_for_interrupt() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

bool interrupted() {
  return interrupt_seen != 0;
}

}  // namespace gan
