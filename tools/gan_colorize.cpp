// gan_colorize [WEIGHTS] PHOTO...: colours photos.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <vector>

#include "engine/error.h"
#include "engine/memory.h"
#include "model/weights.h"
#include "tools/cli.h"
#include "tools/color_options.h"
#include "tools/colorize/album.h"
#include "tools/colorize/checksum.h"
#include "tools/colorize/export.h"
#include "tools/colorize/info.h"
#include "tools/colorize/inputs.h"
#include "tools/colorize/outputs.h"
#include "tools/colorize/reporter.h"
#include "tools/version.h"

namespace {

using namespace gan;
namespace fs = std::filesystem;

constexpr int kSmallestWorkSize = 16, kLargestWorkSize = 1024;

struct Options {
  std::vector<std::string> arguments;  // [WEIGHTS] PHOTO...
  std::string list, weights, work_sizes = std::to_string(kWorkSize);
  bool info = false, half = false;
  std::string export_to;
  OutputOptions output;
  ColorOptions color;
  AlbumOptions album;
  double memory_megabytes = 0;
};

// The checksum in flowers.bin.sha256, as sha256sum writes it, has to be the file's: a download or a
// checkout may have gone wrong.
void check_shipped(const fs::path& weights) {
  std::ifstream file(weights.string() + ".sha256");
  std::string expected;
  if (!(file >> expected)) return;
  const std::string found = sha256_of_file(weights.string());
  if (found.empty() || found == expected) return;  // empty: a build that cannot tell
  throw DataError(str(weights.string(), ": is not what came with the program: SHA-256 ", found,
                      ", expected ", expected, "; fetch the file again"));
}

// The weights that come with the program: in the source tree that it was built in, two folders up.
std::string shipped_weights() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  for (const char* place : {"../../data/weights", "../share/gan"}) {
    const fs::path weights = program.parent_path() / place / "flowers.bin";
    if (!fs::exists(weights, error)) continue;
    check_shipped(weights.lexically_normal());
    return weights.lexically_normal().string();
  }
  throw UsageError(
      "the weights that come with the program, data/weights/flowers.bin, are not there: name a "
      "weights file before the photos");
}

// Whether the first argument is something to colour, and so the weights are left to us.
bool names_photos(const std::string& first) {
  std::error_code ignored;
  if (fs::is_directory(first, ignored)) {
    if (fs::exists(fs::path(first) / "weights.bin", ignored)) {
      throw UsageError(str(first, ": is the folder of a training run; name its weights, ",
                           (fs::path(first) / "weights.bin").string(), ", and then the photos"));
    }
    return true;
  }
  return first == "-" || is_url(first) || is_pattern(first) || is_photo_file_name(first);
}

// Sorts the arguments into weights and the names of what there is to colour.
std::vector<std::string> sort_arguments(Options& options) {
  std::vector<std::string> names = options.arguments;
  if (!names.empty() && !names_photos(names[0])) {
    options.weights = names[0];
    names.erase(names.begin());
  }
  if (!options.list.empty()) names.push_back("-");
  if (names.empty()) {
    throw UsageError(options.weights.empty()
                         ? std::string("name photos to colour (see gan_colorize --help)")
                         : str("there is no photo beside the weights ", options.weights,
                               " (see gan_colorize --help)"));
  }
  if (options.weights.empty()) options.weights = shipped_weights();
  std::vector<std::string> all;
  for (const std::string& name : names) {
    if (name != "-") {
      all.push_back(name);
      continue;
    }
    const std::vector<std::string> listed = read_list(options.list.empty() ? "-" : options.list);
    all.insert(all.end(), listed.begin(), listed.end());
  }
  return all;
}

// "128,192" as numbers.
std::vector<int> parse_work_sizes(const std::string& text) {
  std::vector<int> sizes;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    const bool digits = !part.empty() && part.size() <= 4 &&
                        part.find_first_not_of("0123456789") == std::string::npos;
    const int size = digits ? std::stoi(part) : 0;
    if (size < kSmallestWorkSize || size > kLargestWorkSize) {
      throw UsageError(str("--work-size: '", part, "' is no size in ", kSmallestWorkSize, "..",
                           kLargestWorkSize, "; several sizes are written as 128,192"));
    }
    sizes.push_back(size);
  }
  if (sizes.empty()) throw UsageError("--work-size: names no size");
  return sizes;
}

// What a result says about how it was made.
std::map<std::string, std::string> notes(const Options& options, double saturation) {
  std::string settings = str("--tta ", options.color.tta, " --saturation ", saturation,
                             options.color.smooth ? "" : " --no-smooth");
  if (options.album.raw) {
    settings += " --raw";
  } else {
    settings += " --work-size ";
    for (size_t i = 0; i < options.album.work_sizes.size(); ++i) {
      settings += str(i > 0 ? "," : "", options.album.work_sizes[i]);
    }
    if (options.album.compare) settings += " --compare";
  }
  std::map<std::string, std::string> all = {
      {"Software", str("gan_colorize ", kVersion)},
      {"Settings", settings},
      {"Weights", fs::path(options.weights).filename().string()}};
  const std::string checksum = sha256_of_file(options.weights);
  if (!checksum.empty()) all["Weights-SHA-256"] = checksum;
  return all;
}

std::string left_out(const InputList& list) {
  std::string text;
  const auto add = [&](int64_t count, const char* what) {
    if (count > 0) text += str(text.empty() ? "" : ", ", grouped(count), " ", what);
  };
  add(list.results, "earlier results (NAME_color.*)");
  add(list.ignored, "other files");
  return text.empty() ? "" : "; left out: " + text;
}

std::string summary(const Reporter& reporter, int64_t skipped, int64_t unread, int64_t left) {
  std::string text = str(grouped(reporter.count_done()), " done, ", grouped(skipped), " skipped, ",
                         grouped(reporter.count_failed() + unread), " failed");
  if (left > 0) text += str(", ", grouped(left), " left; --skip-existing goes on with them");
  return text;
}

ExitCode colorize(Options& options, const DeviceOptions& device_options) {
  options.album.work_sizes = parse_work_sizes(options.work_sizes);
  const std::vector<std::string> names = sort_arguments(options);
  if (!is_writable_photo_name("x." + options.output.format)) {
    throw UsageError(str("--format ", options.output.format, ": this build cannot write it"));
  }
  const InputList list = find_inputs(names, options.output.out);
  const OutputPlan plan = plan_outputs(list, options.output);
  if (list.inputs.empty() && list.unreadable.empty()) {
    throw DataError(str(names[0], ": no photos there", left_out(list)));
  }

  Device device = open_and_announce(device_options);
  const LoadedGenerator loaded = load_generator(options.weights, device.memory);
  const ColorizeOptions color = colorize_options(options.color, loaded.metadata);
  Colorizer colorizer(device, *loaded.generator, color);
  options.album.encode.texts = notes(options, color.saturation);
  options.album.force = options.output.force;
  options.album.memory_bytes = static_cast<size_t>(options.memory_megabytes * 1e6);
  options.album.network_on_cpu = device.memory.device() == DeviceKind::cpu;

  Reporter reporter(static_cast<int64_t>(plan.jobs.size()));
  for (const std::string& why : list.unreadable) std::cerr << "gan_colorize: " << why << std::endl;
  watch_for_interrupt();
  color_album(
      colorizer, plan.jobs, options.album,
      {[&](const Job& job) { reporter.done(job.target.string()); },
       [&](const Job&, const std::string& why, ExitCode code) { reporter.failed(why, code); },
       [&](const std::string& text) { reporter.note(text); }, interrupted});
  reporter.finish();
  std::cerr << device.tuning_report() << std::flush;

  const auto jobs = static_cast<int64_t>(plan.jobs.size());
  const auto unread = static_cast<int64_t>(list.unreadable.size());
  const int64_t failed = reporter.count_failed() + unread;
  const int64_t left = jobs - reporter.count_done() - reporter.count_failed();
  const bool single = list.inputs.size() == 1 && list.folders.empty();
  if (!single || plan.skipped > 0 || left > 0) {
    std::cerr << summary(reporter, plan.skipped, unread, left) << left_out(list) << std::endl;
  }
  if (single && failed > 0) return reporter.last_failure();
  return failed + left > 0 ? ExitCode::some_failed : ExitCode::ok;
}

void add_options(CLI::App& app, Options& options) {
  FetchLimits& fetch = options.album.fetch;
  app.add_option(
      "FILES", options.arguments,
      "[WEIGHTS] PHOTO...: the weights file that gan_train wrote, or none for those that "
      "come with the program; then files, folders (with all below them), patterns in "
      "quotes, http and https URLs, or - for a list of these on standard input. The "
      "colours of colour photos are not looked at");
  app.add_option("--list", options.list, "A file with one photo, folder or URL a line");
  app.add_flag("--info", options.info, "Print all that the weights file says about itself");
  auto* to =
      app.add_option("--export", options.export_to,
                     "Write the weights to this file, a safetensors file, and colour nothing");
  app.add_flag("--half", options.half, "With --export: convolutions' weights in half precision")
      ->needs(to);
  app.add_option("-o,--out", options.output.out,
                 "A file for a single photo, or a folder, in which folders are mirrored; default: "
                 "NAME_color.png beside the photo, of a URL in the current folder");
  app.add_option("--format", options.output.format, "Kind of file where -o names none")
      ->check(CLI::IsMember({"png", "jpg", "webp"}));
  app.add_option("--quality", options.album.encode.quality, "Of JPEG and WebP files")
      ->check(CLI::Range(1, 100));
  auto* force = app.add_flag("--force", options.output.force, "Replace files that exist");
  app.add_flag("--skip-existing", options.output.skip_existing,
               "Leave out photos whose results exist: to go on where a run ended")
      ->excludes(force);
  add_color_options(app, options.color);
  auto* sizes = app.add_option(
      "--work-size", options.work_sizes,
      "The network sees the photo with about as many pixels as a square of this side has, 16 to "
      "1024: fewer show it more of the whole in one look, more of them more detail. Several, as "
      "128,192,256, give a sheet with all of them to choose from");
  auto* compare = app.add_flag("--compare", options.album.compare,
                               "Write a sheet instead: gray, coloured and, where the photo has "
                               "colours, the original");
  app.add_flag("--raw", options.album.raw,
               "Write the network's own 128x128 output instead of the coloured photo")
      ->excludes(sizes)
      ->excludes(compare);
  app.add_option("--url-max-mb", fetch.megabytes, "Largest answer to a URL, in MB")
      ->check(CLI::Range(0.001, 1000.0));
  app.add_option("--url-timeout", fetch.seconds, "Longest time for a URL, in seconds")
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--url-stall", fetch.stall_seconds,
                 str("Longest time below ", kStallSpeed, " bytes/s, in whole seconds"))
      ->check(CLI::Range(1, 3600));
  app.add_option("--url-redirects", fetch.redirects, "Most redirects of a URL")
      ->check(CLI::Range(0, 50));
  app.add_option("--memory", options.memory_megabytes,
                 "MB for photos under way; a larger photo goes alone; 0: 256 a thread")
      ->check(CLI::Range(0.0, 1e6));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  DeviceOptions device_options;
  CLI::App app("Colours black-and-white photos at their own size and with their own brightness. " +
                   supported_photo_kinds() + ".",
               "gan_colorize");
  set_up(app,
         "  gan_colorize photo.png                              writes photo_color.png\n"
         "  gan_colorize run/weights.bin photo.jpg -o out.jpg   writes out.jpg\n"
         "  gan_colorize run/weights.bin album -o colored --skip-existing\n"
         "  find album -name '*.jpg' | gan_colorize - -o colored --format jpg\n"
         "  gan_colorize https://example.org/photo.jpg --compare\n"
         "  gan_colorize photo.png --tta flip --saturation auto --work-size 128,192,256\n"
         "  gan_colorize --info run/weights.bin\n"
         "  gan_colorize run/weights.bin --export smaller.safetensors --half\n");
  add_options(app, options);
  add_device_options(app, device_options);
  return run_program(app, argc, argv, [&] {
    if (options.info || !options.export_to.empty()) {
      if (options.arguments.size() > 1) {
        throw UsageError(str(options.info ? "--info" : "--export", " takes one weights file"));
      }
      const std::string weights =
          options.arguments.empty() ? shipped_weights() : options.arguments[0];
      if (options.info) print_info(std::cout, weights);
      if (!options.export_to.empty()) {
        export_weights(weights, options.export_to, options.half, options.output.force);
        std::cout << options.export_to << ": " << human_bytes(fs::file_size(options.export_to))
                  << std::endl;
      }
      return static_cast<int>(ExitCode::ok);
    }
    return static_cast<int>(colorize(options, device_options));
  });
}
