#include "tools/colorize/album.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <set>
#include <system_error>
#include <utility>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "engine/progress.h"
#include "tools/colorize/contact_sheet.h"
#include "tools/colorize/pipeline.h"
#include "train/data/dataset.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargeNeed = size_t{1} << 30;  // bytes that are announced
// Workers beyond one for each core: every file is brought to the disk before it gets its name, and who
// waits for that computes nothing.
constexpr int kWaitForDisk = 2;

struct AlbumPhoto : InFlight {
  Photo photo;
  std::vector<Image> views;         // what the network sees, one for each work size
  std::vector<ChromaPlane> colors;  // what it answers
  Image raw;                        // or this
};

// Memory for a photo: for its pixels, and with what libraries and the network take for any.
struct Need {
  size_t pixels = 0, all = 0;
};

// From the header alone.
Need need_of(const std::vector<uint8_t>& content, const std::string& name) {
  PhotoLimits limits;
  limits.on_header = [](int width, int height, int channels, int bits) {
    const size_t all = bytes_needed(width, height, channels, bits);
    throw Need{all - bytes_needed(0, 0, channels, bits), all};
  };
  try {
    decode_photo_file(content, name, limits);
  } catch (const Need& need) {
    return need;
  }
  return {};
}

// Judged by a few thousand of its pixels, evenly spread.
bool has_colors(const Photo& photo) {
  if (photo.channels != 3) return false;
  constexpr size_t kEnough = 4096;
  const size_t step = (photo.pixels() + kEnough - 1) / kEnough;
  const size_t count = (photo.pixels() + step - 1) / step;
  Image some(static_cast<int>(count), 1, 3);
  for (size_t i = 0; i < count; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      const size_t from = 3 * i * step + c;
      some.pixels[3 * i + c] = photo.bits == 8
                                   ? photo.samples[from]
                                   : static_cast<uint8_t>(photo.deep_samples[from] / 257);
    }
  }
  return !is_colorless(some);
}

class AlbumStages : public Stages {
 public:
  AlbumStages(Colorizer& colorizer, const std::vector<Job>& jobs, const AlbumOptions& options,
              const AlbumEvents& events)
      : colorizer_(colorizer), jobs_(jobs), options_(options), events_(events) {}

  bool is_remote(size_t job) const override { return jobs_[job].input.url; }

  std::vector<uint8_t> read(size_t job, const std::atomic<bool>& stop) override {
    const Input& input = jobs_[job].input;
    return input.url ? fetch(input.source, options_.fetch, stop) : read_bytes(input.source);
  }

  size_t bytes_needed(size_t job, const std::vector<uint8_t>& content) override {
    const std::string& name = jobs_[job].input.source;
    const Need need = need_of(content, name);
    if (need.all > kLargeNeed && events_.note) {
      events_.note(str(name, ": a large photo, takes up to ", human_bytes(need.all), " of memory"));
    }
    return need.pixels;
  }

  std::unique_ptr<InFlight> decode(size_t job, std::vector<uint8_t> content) override {
    auto item = std::make_unique<AlbumPhoto>();
    item->photo = decode_photo_file(content, jobs_[job].input.source);
    tell_of_colors(item->photo, jobs_[job].input.source);
    if (options_.raw) {
      item->views = {resize(to_image(item->photo), kWorkSize, kWorkSize)};
    } else {
      for (const int side : options_.work_sizes) {
        item->views.push_back(colorizer_.work_image(item->photo, side));
      }
    }
    return item;
  }

  bool same_batch(const InFlight& a, const InFlight& b) const override {
    const auto &views = static_cast<const AlbumPhoto&>(a).views,
               &others = static_cast<const AlbumPhoto&>(b).views;
    return std::equal(views.begin(), views.end(), others.begin(), others.end(),
                      [](const Image& x, const Image& y) { return x.same_size(y); });
  }

  void color(const std::vector<InFlight*>& batch) override {
    for (InFlight* photo : batch) static_cast<AlbumPhoto*>(photo)->colors.clear();
    const size_t sizes = options_.raw ? 1 : options_.work_sizes.size();
    for (size_t k = 0; k < sizes; ++k) {
      std::vector<Image> views;
      for (InFlight* photo : batch) views.push_back(static_cast<AlbumPhoto*>(photo)->views[k]);
      if (options_.raw) {
        std::vector<Image> answers = colorizer_.predict(views);
        for (size_t i = 0; i < batch.size(); ++i) {
          static_cast<AlbumPhoto*>(batch[i])->raw = std::move(answers[i]);
        }
      } else {
        std::vector<ChromaPlane> answers = colorizer_.chroma(views);
        for (size_t i = 0; i < batch.size(); ++i) {
          static_cast<AlbumPhoto*>(batch[i])->colors.push_back(std::move(answers[i]));
        }
      }
    }
  }

  void finish(size_t job, InFlight& in_flight) override {
    auto& item = static_cast<AlbumPhoto&>(in_flight);
    const fs::path& target = jobs_[job].target;
    const Photo result = result_of(item);
    std::error_code error;
    if (target.has_parent_path()) fs::create_directories(target.parent_path(), error);
    if (error) {
      throw DataError(
          str(target.string(), ": cannot write: cannot create its folder: ", error.message()));
    }
    // It was not there when the run began.
    if (!options_.force && fs::exists(fs::symlink_status(target, error)) &&
        !fs::is_other(target, error)) {
      throw DataError(str(target.string(), ": exists by now; --force replaces it"));
    }
    write_photo_file(target, result, options_.encode);
  }

 private:
  // Once: who gives photos in colour should know, and needs no list of them.
  void tell_of_colors(const Photo& photo, const std::string& name) {
    if (!events_.note || options_.compare || told_of_colors_ || !has_colors(photo)) return;
    if (told_of_colors_.exchange(true)) return;
    events_.note(
        str(name, ": has colours of its own, which are not looked at; --compare shows them, too"));
  }

  Photo result_of(AlbumPhoto& item) const {
    if (options_.raw) return to_photo(item.raw);
    if (options_.work_sizes.size() == 1 && !options_.compare) {
      return colorizer_.recolored(std::move(item.photo), item.colors[0]);
    }
    Photo sheet = to_photo(sheet_of(item));
    sheet.metadata = item.photo.metadata;
    return sheet;
  }

  Image sheet_of(const AlbumPhoto& item) const {
    const PanelSize size = panel_size(item.photo.width, item.photo.height);
    const auto shrunk = [&](const Photo& photo) {
      return resize(to_image(photo), size.width, size.height);
    };
    const Image original = shrunk(item.photo);
    std::vector<Panel> panels;
    if (options_.compare) panels.push_back({"gray", with_chroma(original, {1, 1, {0}, {0}})});
    for (size_t k = 0; k < item.colors.size(); ++k) {
      const std::string label =
          item.colors.size() == 1 ? "coloured" : std::to_string(options_.work_sizes[k]);
      panels.push_back({label, shrunk(colorizer_.recolored(item.photo, item.colors[k]))});
    }
    const bool has_color = original.channels == 3 && !is_colorless(original);
    if (options_.compare && has_color) panels.push_back({"original", original});
    return contact_sheet(panels);
  }

  Colorizer& colorizer_;
  const std::vector<Job>& jobs_;
  const AlbumOptions& options_;
  const AlbumEvents& events_;
  std::atomic<bool> told_of_colors_{false};
};

struct Failure {
  std::string why;
  ExitCode code;
};

Failure explain(const std::exception_ptr& error, const Job& job) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return {known.what(), known.code()};
  } catch (const std::bad_alloc&) {
    return {str(job.input.source, ": not enough memory for this photo"), ExitCode::device};
  } catch (const std::exception& other) {
    return {str(job.input.source, ": internal error, please report it: ", other.what()),
            ExitCode::device};
  }
}

// What killed runs left in the folders that are written to.
void tidy(const std::vector<Job>& jobs) {
  std::set<fs::path> folders;
  for (const Job& job : jobs) folders.insert(job.target.parent_path());
  for (const fs::path& folder : folders) remove_abandoned_temporaries(folder);
}

}  // namespace

void color_album(Colorizer& colorizer, const std::vector<Job>& jobs, const AlbumOptions& options,
                 const AlbumEvents& events) {
  tidy(jobs);
  AlbumStages stages(colorizer, jobs, options, events);
  PipelineOptions pipeline;
  pipeline.workers = static_cast<int>(
      std::clamp<size_t>(jobs.size(), 1, static_cast<size_t>(threads() + kWaitForDisk)));
  pipeline.threads_per_worker = std::max(1, threads() / pipeline.workers);
  pipeline.batch = options.batch;
  pipeline.bytes = options.memory_bytes > 0 ? options.memory_bytes
                                            : kBytesPerThread * static_cast<size_t>(threads());
  pipeline.network_has_the_cores = options.network_on_cpu;
  run_pipeline(
      stages, jobs.size(), pipeline,
      [&](size_t job, const std::exception_ptr& error) {
        if (error) {
          const Failure failure = explain(error, jobs[job]);
          events.failed(jobs[job], failure.why, failure.code);
        } else {
          events.done(jobs[job]);
        }
      },
      [&] { return events.stop_requested && events.stop_requested(); });
}

}  // namespace gan
