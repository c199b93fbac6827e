// gan_data: makes photo sets into what is quicker to load, or looks like the original's.
#include <filesystem>
#include <iostream>

#include "engine/error.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "engine/progress.h"
#include "tools/cli.h"
#include "train/color/colorizer.h"
#include "train/data/photo_pack.h"
#include "train/data/photo_pairs.h"

namespace {

namespace fs = std::filesystem;
using namespace gan;

struct Options {
  std::string data, out;
  bool force = false, quiet = false;
  int threads = 0;
  int samples = 0;  // 0: all photos
};

Collection load(const Options& options) {
  Collection all = collect_photos(options.data, kWorkSize, loading_progress(options.quiet));
  if (all.photos.count() == 0) {
    throw DataError(str(options.data, ": no photo to use (", all.report.summary(), "); ",
                        supported_photo_kinds()));
  }
  return all;
}

// Some of the photos that are set aside to measure with.
PhotoSet samples(const Options& options) {
  const Dataset data = load_dataset(options.data, {.size = kWorkSize, .min_photos = 1},
                                    loading_progress(options.quiet));
  return (data.validation.count() > 0 ? data.validation : data.train).spread(options.samples);
}

int pack(const Options& options) {
  std::error_code error;
  if (!options.force && fs::exists(options.out, error)) {
    throw UsageError(str(options.out, ": exists already; --force replaces it"));
  }
  const Collection all = load(options);
  write_photo_pack(options.out, all);
  std::cout << options.out << ": " << grouped(all.report.found) << " found, "
            << grouped(all.photos.count()) << " used" << all.report.not_used() << "; "
            << human_bytes(fs::file_size(options.out, error)) << "\ntrain on it: gan_train "
            << options.out << std::endl;
  return static_cast<int>(ExitCode::ok);
}

int pairs(const Options& options) {
  if (!options.force) require_no_pairs(options.out);
  const PhotoSet photos = options.samples > 0 ? samples(options) : load(options).photos;
  write_photo_pairs(options.out, photos);
  std::cout << options.out << ": " << grouped(photos.count()) << " pairs in color/ and gray/, "
            << kWorkSize << "x" << kWorkSize << "\ntrain on them: gan_train " << options.out
            << std::endl;
  return static_cast<int>(ExitCode::ok);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Prepares photos for training.", "gan_data");
  set_up(app,
         "  gan_data pack my_photos my_photos.pack\n"
         "  gan_train my_photos.pack\n"
         "  gan_data pairs my_photos my_pairs\n");
  app.require_subcommand(1);
  const auto command = [&](const char* name, const char* text, const char* out, const char* what) {
    CLI::App* sub = app.add_subcommand(name, text);
    sub->add_option("DATA", options.data, "Folder of colour photos, or a pack of them")->required();
    sub->add_option(out, options.out, what)->required();
    sub->add_flag("--force", options.force, "Replace what is there");
    sub->add_flag("--quiet", options.quiet, "No progress lines");
    sub->add_option("--threads", options.threads, "CPU threads; 0: all cores")
        ->check(CLI::Range(0, 1024));
    return sub;
  };
  const CLI::App* packing = command(
      "pack",
      "Decodes all photos once and writes them into one file, which trains the same weights",
      "FILE", "Where to");
  command(
      "pairs",
      "Writes the photos as the original had them: color/ and gray/, 128x128, in the same order",
      "OUT", "Folder to write to")
      ->add_option(
          "--samples", options.samples,
          "Only so many photos, of those that gan_train sets aside to measure with; 0: all")
      ->check(CLI::Range(0, 1000000));
  return run_program(app, argc, argv, [&] {
    set_threads(options.threads);
    return packing->parsed() ? pack(options) : pairs(options);
  });
}
