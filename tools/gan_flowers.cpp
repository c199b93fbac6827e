// gan_flowers DIR: paints a training set of flower photos, for places without a network.
#include <algorithm>
#include <iostream>
#include <string>
#include <thread>

#include "engine/error.h"
#include "tools/cli.h"
#include "tools/flowers/flower_set.h"

namespace {

constexpr const char* kExamples =
    "  gan_flowers data/flowers\n"
    "  gan_flowers data/flowers --count 8000 --seed 7\n"
    "  gan_flowers data/flowers --count 300 --force\n";

// Shows progress as a growing line of percentages, which reads well in a log too.
class Progress {
 public:
  explicit Progress(int count) : count_(count) { std::cerr << "painting " << count << " photos:"; }
  ~Progress() { std::cerr << std::endl; }

  // Throws to stop the work after Ctrl-C.
  void operator()(int done) {
    if (gan::interrupted()) {
      throw gan::DataError(gan::str("stopped after ", done, " of ", count_,
                                    " photos, no labels written; start again with --force"));
    }
    for (; shown_ < 10 && done * 10ll >= (shown_ + 1ll) * count_; ++shown_)
      std::cerr << " " << (shown_ + 1) * 10 << "%" << std::flush;
  }

 private:
  int count_;
  int shown_ = 0;  // tenths
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Paints flower photos to train on: ten species, 128x128 pixels, with labels in "
      "DIR/flower_images/flower_labels.csv. The same seed gives the same photos.",
      "gan_flowers");
  gan::set_up(app, kExamples);
  gan::flowers::SetOptions options;
  options.threads = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 256);
  std::string folder;
  app.add_option("DIR", folder, "Folder that receives flower_images/")->required();
  app.add_option("--count", options.count, "Number of photos")
      ->check(CLI::Range(1, gan::flowers::kMaxSetSize));
  app.add_option("--seed", options.seed, "Which photos; any whole number from 0")
      ->check([](const std::string& text) {  // CLI11 would wrap -1 round to the largest number
        return text.rfind('-', 0) == 0 ? "must not be negative" : "";
      });
  app.add_option("--threads", options.threads, "Photos painted at the same time")
      ->check(CLI::Range(1, 256));
  app.add_flag("--force", options.force,
               "Replace the labels and numbered photos in DIR/flower_images");
  return gan::run_program(app, argc, argv, [&] {
    gan::watch_for_interrupt();
    options.folder = folder;
    gan::flowers::prepare_folder(options);
    Progress progress(options.count);
    gan::flowers::write_set(options, [&](int done) { progress(done); });
    return 0;
  });
}
