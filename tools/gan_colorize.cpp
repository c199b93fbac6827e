// gan_colorize WEIGHTS PHOTO...: colours photos.
#include <filesystem>
#include <iostream>
#include <set>
#include <vector>

#include "engine/error.h"
#include "model/weights.h"
#include "tools/cli.h"
#include "tools/color_options.h"

namespace {

using namespace gan;
namespace fs = std::filesystem;

struct Options {
  std::string weights;
  std::vector<std::string> photos;
  std::string out;
  std::string format = "png";
  int quality = 95;
  ColorOptions color;
  bool network_output = false, force = false;
};

bool is_photo_name(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" ||
         extension == ".PNG" || extension == ".JPG" || extension == ".JPEG";
}

// Whether the first of the files is a photo, and so the weights are left to us.
bool names_no_weights(const fs::path& first) {
  return is_photo_name(first) || first.extension() == ".bmp" || first.extension() == ".BMP";
}

// The weights that come with the program: in the source tree that it was built in, two folders up.
std::string shipped_weights() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  for (const char* place : {"../../data/weights", "../share/gan"}) {
    const fs::path weights = program.parent_path() / place / "flowers.bin";
    if (fs::exists(weights, error)) return weights.lexically_normal().string();
  }
  throw UsageError(
      "the weights that come with the program, data/weights/flowers.bin, are not there: name a "
      "weights file before the photos");
}

// Where the coloured photo goes: beside the photo, into the folder or to the file -o names.
fs::path target_of(const Options& options, const fs::path& photo) {
  const fs::path out(options.out);
  const std::string name = photo.stem().string() + "_color." + options.format;
  if (options.out.empty()) return photo.parent_path() / name;
  if (is_photo_name(out) && !fs::is_directory(out)) return out;
  return out / name;
}

// All that can be refused before any work is done.
std::vector<fs::path> plan_targets(const Options& options) {
  const fs::path out(options.out);
  const bool to_file = !options.out.empty() && is_photo_name(out) && !fs::is_directory(out);
  if (to_file && options.photos.size() > 1) {
    throw UsageError(str("-o ", options.out, " is one file, but there are ", options.photos.size(),
                         " photos: name a folder"));
  }
  std::vector<fs::path> targets;
  std::set<fs::path> seen;
  for (const std::string& photo : options.photos) {
    const fs::path target = target_of(options, photo);
    std::error_code ignored;
    if (fs::equivalent(photo, target, ignored)) {
      throw UsageError(str(target.string(), ": would overwrite the photo itself"));
    }
    if (fs::exists(target, ignored) && !options.force) {
      throw UsageError(str(target.string(), ": exists already; use --force to replace it"));
    }
    if (!seen.insert(fs::absolute(target).lexically_normal()).second) {
      throw UsageError(str(target.string(),
                           ": two photos would be written to this name; colour "
                           "them one by one with -o"));
    }
    targets.push_back(target);
  }
  return targets;
}

Image colored(Colorizer& colorizer, const Options& options, const Image& photo) {
  if (options.network_output) {
    return colorizer.predict({resize(photo, kWorkSize, kWorkSize)})[0];
  }
  return colorizer.colorize(photo);
}

int colorize(const Options& options, const DeviceOptions& device_options) {
  const std::vector<fs::path> targets = plan_targets(options);
  Device device = open_and_announce(device_options);
  const LoadedGenerator loaded = load_generator(options.weights, device.memory);
  Colorizer colorizer(device, *loaded.generator, colorize_options(options.color, loaded.metadata));

  size_t failed = 0;
  ExitCode only_failure = ExitCode::some_failed;
  for (size_t i = 0; i < targets.size(); ++i) {
    try {
      const Image photo = read_photo(options.photos[i]);
      if (targets[i].has_parent_path()) fs::create_directories(targets[i].parent_path());
      const Image result = colored(colorizer, options, photo);
      write_photo(targets[i], result, options.quality);
      std::cout << targets[i].string() << std::endl;
    } catch (const Error& error) {
      std::cerr << "gan_colorize: " << error.what() << std::endl;
      only_failure = error.code();
      ++failed;
    } catch (const fs::filesystem_error& error) {
      std::cerr << "gan_colorize: " << targets[i].string()
                << ": cannot be written: " << error.code().message() << std::endl;
      only_failure = ExitCode::data;
      ++failed;
    }
  }
  if (targets.size() == 1) return static_cast<int>(failed ? only_failure : ExitCode::ok);
  std::cerr << targets.size() - failed << " done, " << failed << " failed" << std::endl;
  return static_cast<int>(failed ? ExitCode::some_failed : ExitCode::ok);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  DeviceOptions device_options;
  CLI::App app(
      "Colours black-and-white photos (JPEG, PNG, BMP) at their own size and with their own "
      "brightness.",
      "gan_colorize");
  set_up(app,
         "  gan_colorize photo.png                              writes photo_color.png\n"
         "  gan_colorize run/weights.bin photo.jpg -o out.jpg   writes out.jpg\n"
         "  gan_colorize run/weights.bin album/*.jpg -o colored\n"
         "  gan_colorize run/weights.bin photo.png --tta flip --saturation 1.2\n");
  std::vector<std::string> files;
  app.add_option(
         "FILES", files,
         "[WEIGHTS] PHOTO...: the weights file that gan_train wrote, or none for those that "
         "come with the program; photos, whose colours are not looked at")
      ->required();
  app.add_option("-o,--out", options.out,
                 "A .png or .jpg file, or a folder; default: NAME_color.png beside the photo");
  app.add_option("--format", options.format, "Kind of file where -o names none")
      ->check(CLI::IsMember({"png", "jpg"}));
  app.add_option("--quality", options.quality, "Of JPEG files")->check(CLI::Range(1, 100));
  add_color_options(app, options.color);
  app.add_flag("--raw", options.network_output,
               "Write the network's own 128x128 output instead of the coloured photo");
  app.add_flag("--force", options.force, "Replace files that exist");
  add_device_options(app, device_options);
  return run_program(app, argc, argv, [&] {
    const bool ours = names_no_weights(files[0]);
    options.weights = ours ? shipped_weights() : files[0];
    options.photos.assign(files.begin() + (ours ? 0 : 1), files.end());
    if (options.photos.empty()) {
      throw UsageError(
          str("there is no photo beside the weights ", files[0], " (see gan_colorize ", "--help)"));
    }
    return colorize(options, device_options);
  });
}
