// Photos per second through all that gan_colorize does with them.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "model/generator.h"
#include "tools/bench/bench.h"
#include "tools/bench/limits.h"
#include "tools/bench/photos.h"
#include "tools/colorize/album.h"
#include "tools/flowers/photo.h"

namespace gan::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kWidth = 640, kHeight = 480;
constexpr int kPhotos = 48;
constexpr int kQuality = 90;

// A folder of its own, removed in the end.
class ScratchFolder {
 public:
  ScratchFolder()
      : path_(fs::temp_directory_path() /
              str("gan_bench-", std::chrono::steady_clock::now().time_since_epoch().count())) {
    fs::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Flowers side by side: as much detail as a photo of this size has.
Image render(int number) {
  constexpr int kSide = flowers::kPhotoSize;
  Image photo(kWidth, kHeight, 3);
  uint64_t index = static_cast<uint64_t>(number) * 20;
  for (int top = 0; top < kHeight; top += kSide) {
    for (int left = 0; left < kWidth; left += kSide) {
      const flowers::Photo flower = flowers::take_photo(1, index++);
      for (int y = 0; y < std::min(kSide, kHeight - top); ++y) {
        std::copy_n(&flower.rgb[static_cast<size_t>(y) * kSide * 3], kSide * 3,
                    photo.at(left, top + y));
      }
    }
  }
  return photo;
}

std::vector<Job> make_jobs(const fs::path& folder) {
  // A few pictures under many names: rendering takes longer than colouring.
  constexpr int kRendered = 4;
  std::vector<Job> jobs;
  for (int i = 0; i < kPhotos; ++i) {
    const fs::path path = folder / str(i, ".jpg");
    if (i < kRendered) {
      write_photo(path, render(i), kQuality);
    } else {
      fs::copy_file(folder / str(i % kRendered, ".jpg"), path);
    }
    jobs.push_back(
        {{path.string(), false, folder, {}, path.stem().string()}, folder / str(i, "_color.jpg")});
  }
  return jobs;
}

// 0 when the album's files are, byte for byte, what colouring one photo at a time gives, else 1.
double difference(Colorizer& colorizer, const std::vector<Job>& jobs, const AlbumOptions& options,
                  const fs::path& folder) {
  for (size_t i = 0; i < std::min<size_t>(jobs.size(), 4); ++i) {
    const Photo photo = read_photo_file(jobs[i].input.source);
    const fs::path alone = folder / "alone.jpg";
    const ChromaPlane colors = colorizer.chroma({colorizer.work_image(photo)})[0];
    write_photo_file(alone, colorizer.recolored(photo, colors), options.encode);
    if (read_bytes(alone) != read_bytes(jobs[i].target)) return 1;
  }
  return 0;
}

constexpr const char* kSquares = "network alone, 128x128";
constexpr const char* kViews = "network alone, a photo's view";
constexpr const char* kFiles = "JPEG 640x480 to JPEG";

std::unique_ptr<Generator> ready_generator(Device& device, int width) {
  std::unique_ptr<Generator> generator = make_generator("gan", width, ColorHead::chroma64);
  generator->parameters().allocate(device.memory, DType::f32, Use::inference);
  generator->parameters().initialize(1);
  return generator;
}

// How far a small photo's colours are from the reference's.
double network_error(Session& session, Device& device, Generator& generator) {
  constexpr int kCheckSize = 32;
  const auto colors = [&](Device& on, Generator& by) {
    Arena inputs(on.memory);
    Tape tape(on.memory);
    Context context{on.kernels, tape, false};
    const Tensor gray = random_photos(inputs, 1, kCheckSize, 1);
    return to_host(on.memory, by.forward(context, tape.constant(gray)).value);
  };
  const Results& expected =
      session.reference(str("image ", generator.width()), [&](Device& reference) {
        return Results{colors(reference, *ready_generator(reference, generator.width()))};
      });
  const Results results =
      checked(device, [&](Device& on) { return Results{colors(on, generator)}; });
  return relative_error(results[0], expected[0]);
}

void measure_images(Session& session, Subject& subject) {
  const Options& options = session.options;
  Device& device = subject.device;
  const std::unique_ptr<Generator> generator = ready_generator(device, options.width);
  Colorizer colorizer(device, *generator);
  Row squares{"image", kSquares, subject.backend};
  squares.width = options.width;
  squares.batch_size = options.batch_size;
  squares.size = kWorkSize;
  squares.photos = options.batch_size;
  squares.peaks = subject.peaks;
  squares.limit = output_limit(device.precision);
  squares.error = network_error(session, device, *generator);
  Row views = squares, files = squares;
  const auto time = [&](Row& row, const std::function<void()>& work) {
    if (!row.correct()) return;
    const MemoryMark mark(device.memory);
    row.timing = measure(options.seconds, work);
    row.memory = mark.most();
  };

  // The network alone: the same weights, on squares that are there already.
  Arena inputs(device.memory);
  Tape tape(device.memory);
  const Tensor gray = random_photos(inputs, options.batch_size, kWorkSize, 1);
  time(squares, [&] {
    tape.reset();
    Context context{device.kernels, tape, false};
    to_host(device.memory, generator->forward(context, tape.constant(gray)).value);
  });

  const ScratchFolder folder;
  const std::vector<Job> jobs = make_jobs(folder.path());
  AlbumOptions album;
  album.force = true;
  album.batch = static_cast<size_t>(options.batch_size);
  album.encode.quality = kQuality;
  album.network_on_cpu = device.memory.device() == DeviceKind::cpu;
  const auto run = [&] {
    color_album(colorizer, jobs, album,
                {[](const Job&) {},
                 [](const Job&, const std::string& why, ExitCode code) { throw Error(code, why); },
                 {},
                 {}});
  };
  const Image view = colorizer.work_image(read_photo_file(jobs[0].input.source));
  const std::string view_size = str(view.width, "x", view.height);
  views.name = kViews;
  views.size = files.size = 0;
  views.note = str(view_size, ", what it sees of a ", kWidth, "x", kHeight, " photo");
  const std::vector<Image> batch(static_cast<size_t>(options.batch_size), view);
  time(views, [&] { colorizer.chroma(batch); });

  files.name = kFiles;
  files.photos = kPhotos;
  files.limit = 0;  // byte for byte
  run();
  files.error = difference(colorizer, jobs, album, folder.path());
  time(files, run);
  if (files.correct() && squares.correct()) {
    const double rate = files.photos / files.timing.median;
    const auto share = [&](const Row& of) {
      return fixed(100 * rate / (of.photos / of.timing.median), 0) + "%";
    };
    files.note =
        str(share(squares), " of the network alone at 128x128, ", share(views), " at ", view_size);
  }
  for (const Row& row : {squares, views, files}) {
    if (session.wants(row.name)) session.show(row);
  }
}

}  // namespace

std::vector<std::string> image_rows(const Options&) {
  return {kSquares, kViews, kFiles};
}

void image_level(Session& session) {
  for (Subject& subject : session.subjects) measure_images(session, subject);
}

}  // namespace gan::bench
