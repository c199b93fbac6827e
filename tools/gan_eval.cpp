// gan_eval WEIGHTS DATA: measures how well a generator colours photos.
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/progress.h"
#include "model/weights.h"
#include "tools/cli.h"
#include "tools/color_options.h"
#include "train/metrics/evaluate.h"
#include "train/metrics/saturation.h"
#include "train/metrics/two_sample.h"

namespace {

using namespace gan;

struct Options {
  std::string weights, data;
  std::string baseline;
  std::string split = "all";
  double validation = 0.1;
  ColorOptions color;
  bool network_output = false, c2st = false, json = false, quiet = false;
  bool fit_saturation = false;
};

Dataset load(const Options& options) {
  Dataset data = load_dataset(
      options.data, {.size = kWorkSize, .validation_fraction = options.validation, .min_photos = 1},
      loading_progress(options.quiet));
  std::cerr << "data: " << data.report.summary() << std::endl;
  return data;
}

// Whose colours are measured.
struct Subject {
  Painter painter;
  nlohmann::json description;
  std::unique_ptr<Colorizer> colorizer;  // the painter's
};

Subject baseline(const std::string& name, const Dataset& data) {
  const YCbCr color = name == "mean" ? mean_color(data.train) : YCbCr{};
  return {plain_painter(color.cb, color.cr),
          {{"baseline", name}, {"cb", color.cb}, {"cr", color.cr}},
          nullptr};
}

Subject network(const Options& options, const LoadedGenerator& loaded, Device& device) {
  const ColorizeOptions color = colorize_options(options.color, loaded.metadata);
  auto colorizer = std::make_unique<Colorizer>(device, *loaded.generator, color);
  return {painter_of(*colorizer, options.network_output ? Output::network : Output::own_luma),
          {{"weights", options.weights},
           {"output", options.network_output ? "network" : "own luma"},
           {"tta", options.color.tta},
           {"saturation", color.saturation},
           {"smooth", color.smooth}},
          std::move(colorizer)};
}

// The photos of the wanted split; all of them are both splits.
std::vector<const PhotoSet*> wanted(const Options& options, const Dataset& data) {
  std::vector<const PhotoSet*> sets;
  if (options.split != "validation") sets.push_back(&data.train);
  if (options.split != "train") sets.push_back(&data.validation);
  return sets;
}

void print_table(const MetricsSummary& s, const MetricsInterval& interval) {
  const auto line = [&](const char* name, double MetricsSummary::*number, int digits,
                        const char* note) {
    const std::string range = str("[", fixed(interval.low.*number, digits), ", ",
                                  fixed(interval.high.*number, digits), "]");
    std::cout << "  " << std::left << std::setw(24) << name << std::setw(9)
              << fixed(s.*number, digits) << std::setw(18) << range << note << "\n";
  };
  using S = MetricsSummary;
  std::cout << s.photos << " photos; in brackets the 95% confidence interval\n";
  line("PSNR", &S::psnr, 2, "dB, higher is better");
  line("PSNR of a and b", &S::psnr_ab, 2, "dB");
  line("SSIM", &S::ssim, 4, "1 is identical");
  line("SSIM of luma", &S::ssim_luma, 4, "");
  line("AuC", &S::auc, 4, "errors of a and b below any threshold, 1 is identical");
  line("CIEDE2000", &S::ciede2000, 2, "mean, lower is better");
  line("CIEDE2000 90%", &S::ciede2000_p90, 2, "");
  line("colourfulness ratio", &S::colorfulness_ratio, 3, "1 is as colourful as the truth");
  line("hue distance", &S::hue_distance, 3, "0 is the truth's hues as often as there");
  line("blotch", &S::blotch, 2, "unevenness within one surface, 0 is none");
  line("coherence", &S::coherence, 3, "share of the variance of colour that is between surfaces");
  line("bias a", &S::bias_a, 2, "above 0: too red, below: too green");
  line("bias b", &S::bias_b, 2, "above 0: too yellow, below: too blue");
  line("white chroma", &S::white_chroma, 2, "colour on what should be white");
  line("score", &S::score, 2, "CIEDE2000 plus a penalty for too little or too much colour");
}

// The same painter; what it paints is given to the test, too.
Painter observed(Painter painter, ChromaTwoSampleTest& test) {
  return [painter = std::move(painter), &test](const std::vector<Image>& photos) {
    std::vector<Image> outputs = painter(photos);
    for (size_t i = 0; i < photos.size(); ++i) test.add(outputs[i], photos[i]);
    return outputs;
  };
}

TwoSampleResult run_two_sample_test(const Options& options, const ChromaTwoSampleTest& test,
                                    Device& device) {
  Progress progress("Two-sample test", "steps", test.settings().steps,
                    progress_style(options.quiet));
  const TwoSampleResult result = test.run(device, [&](int step) { progress.update(step); });
  progress.finish();
  return result;
}

void print_two_sample(const TwoSampleResult& result) {
  std::cout << "  " << std::setw(24) << "C2ST accuracy" << std::setw(9) << fixed(result.accuracy, 3)
            << std::setw(18) << str("+- ", fixed(1.96 * result.standard_error, 3))
            << "colours alone, 0.5 cannot be told from true\n";
}

nlohmann::json to_json(const TwoSampleResult& result, const TwoSampleSettings& settings) {
  return {{"accuracy", result.accuracy}, {"standard_error", result.standard_error},
          {"trained", result.trained},   {"tested", result.tested},
          {"steps", settings.steps},     {"batch", settings.batch},
          {"seed", settings.seed}};
}

void print_json(const Options& options, nlohmann::json out, const std::vector<std::string>& names,
                const std::vector<PhotoMetrics>& all, const MetricsSummary& summary,
                const MetricsInterval& interval) {
  out["data"] = options.data;
  out["split"] = options.split;
  out["mean"] = to_json(summary);
  out["confidence95"] = to_json(interval);
  out["validation_fraction"] = options.validation;
  out["photos"] = nlohmann::json::array();
  for (size_t i = 0; i < all.size(); ++i) {
    nlohmann::json photo = to_json(all[i]);
    photo["name"] = names[i];
    out["photos"].push_back(std::move(photo));
  }
  std::cout << out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

int evaluate_subject(const Options& options, const DeviceOptions& device_options) {
  Device device = open_and_announce(device_options);
  const bool with_network = options.baseline.empty();
  LoadedGenerator loaded;
  if (with_network) loaded = load_generator(options.weights, device.memory);
  const Dataset data = load(options);
  const Subject subject =
      with_network ? network(options, loaded, device) : baseline(options.baseline, data);
  const std::vector<const PhotoSet*> sets = wanted(options, data);
  int64_t count = 0;
  for (const PhotoSet* set : sets) count += set->count();
  if (count == 0) {
    throw DataError(str(options.data, ": no photo is in the ", options.split, " split"));
  }
  if (options.c2st && count < 4) {
    throw DataError(str(options.data, ": the two-sample test needs 4 photos or more, got ", count));
  }
  ChromaTwoSampleTest test;
  const Painter painter = options.c2st ? observed(subject.painter, test) : subject.painter;
  Progress progress("Measuring", "photos", count, progress_style(options.quiet));
  std::vector<std::string> names;
  std::vector<PhotoMetrics> all;
  for (const PhotoSet* set : sets) {
    const auto some = evaluate(painter, *set, -1, [&](int64_t done) {
      progress.update(static_cast<int64_t>(all.size()) + done);
    });
    all.insert(all.end(), some.begin(), some.end());
    names.insert(names.end(), set->names.begin(), set->names.end());
  }
  progress.finish();
  std::cerr << device.tuning_report() << std::flush;
  const MetricsSummary summary = summarize(all);
  const MetricsInterval interval = confidence(all);
  nlohmann::json description = subject.description;
  TwoSampleResult two_sample;
  if (options.c2st) {
    two_sample = run_two_sample_test(options, test, device);
    description["c2st"] = to_json(two_sample, test.settings());
  }
  if (options.json) {
    print_json(options, std::move(description), names, all, summary, interval);
  } else {
    print_table(summary, interval);
    if (options.c2st) print_two_sample(two_sample);
  }
  return static_cast<int>(ExitCode::ok);
}

constexpr int64_t kSaturationPhotos = 512;

// What gan_train stores in the weights it writes, for weights that lack it or for other photos.
int fit_saturation(const Options& options, const DeviceOptions& device_options) {
  if (!options.baseline.empty()) throw UsageError("--fit-saturation needs weights");
  std::error_code ignored;
  if (std::filesystem::exists(options.weights + ".sha256", ignored)) {
    throw UsageError(str(options.weights,
                         ": --fit-saturation changes the file, which its checksum, ",
                         options.weights, ".sha256, forbids; copy it elsewhere first"));
  }
  Device device = open_and_announce(device_options);
  const LoadedGenerator loaded = load_generator(options.weights, device.memory);
  const Dataset data = load(options);
  Colorizer colorizer(device, *loaded.generator);
  const PhotoSet photos = data.train.spread(kSaturationPhotos);
  const std::string gain = fixed(fitted_saturation(colorizer, photos), 2);
  TensorFile file = read_tensor_file(options.weights);
  file.metadata["saturation"] = gain;
  write_tensor_file(options.weights, file);
  std::cout << options.weights << ": --saturation auto is now " << gain << ", fitted on "
            << photos.count() << " training photos" << std::endl;
  return static_cast<int>(ExitCode::ok);
}

// A baseline has no weights, so the only argument is the folder.
void sort_arguments(Options& options) {
  if (!options.baseline.empty()) {
    if (!options.data.empty()) {
      throw UsageError("--baseline needs no weights: gan_eval --baseline gray DATA");
    }
    options.data.swap(options.weights);
  }
  if (options.data.empty()) throw UsageError("DATA is required: gan_eval WEIGHTS DATA");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  DeviceOptions device_options;
  CLI::App app("Colours photos whose colours are known, and measures the difference.", "gan_eval");
  set_up(app,
         "  gan_eval run/weights.bin my_photos\n"
         "  gan_eval run/weights.bin data/flowers --split validation --json > quality.json\n"
         "  gan_eval run/weights.bin my_photos --raw\n"
         "  gan_eval run/weights.bin my_photos --split validation --c2st\n"
         "  gan_eval --baseline gray my_photos\n");
  app.add_option("WEIGHTS", options.weights, "Weights file of a generator; not with --baseline")
      ->required();
  app.add_option("DATA", options.data,
                 "Folder of colour photos, or a pack of them (gan_data pack)");
  app.add_option("--baseline", options.baseline,
                 "Measure what needs no network instead: photos left gray, or all in the mean "
                 "colour of the training split")
      ->check(CLI::IsMember({"gray", "mean"}));
  app.add_option("--split", options.split, "Which of the photos, as gan_train splits them")
      ->check(CLI::IsMember({"all", "validation", "train"}));
  app.add_option("--validation", options.validation, "Share set aside for validation")
      ->check(CLI::Range(0.001, 0.9));
  add_color_options(app, options.color);
  app.add_flag("--raw", options.network_output,
               "Measure the network's own RGB instead of the photo with its own luma");
  app.add_flag(
      "--c2st", options.c2st,
      "Also train a fresh small network on half of the photos to tell the outputs' colours "
      "from the true ones, and test it on the other half: its accuracy is 0.5 where they "
      "cannot be told apart, 1 where they always can. Always the same seed, network and "
      "number of steps, so accuracies on the same photos compare");
  app.add_flag("--fit-saturation", options.fit_saturation,
               "Measure nothing; fit what --saturation auto is on the training split, and store it "
               "in the weights file");
  app.add_flag("--json", options.json, "Print all metrics, of each photo and their means, as JSON");
  app.add_flag("--quiet", options.quiet, "No progress lines");
  add_device_options(app, device_options);
  return run_program(app, argc, argv, [&] {
    sort_arguments(options);
    if (options.fit_saturation) return fit_saturation(options, device_options);
    return evaluate_subject(options, device_options);
  });
}
