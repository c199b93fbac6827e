#include "tools/flowers/flower_set.h"

#include <algorithm>
#include <cctype>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "tools/flowers/photo.h"
#include "train/image/image.h"

namespace gan::flowers {

namespace {

namespace fs = std::filesystem;

constexpr const char* kLabelsName = "flower_labels.csv";

// Whether a set of any size may have given a file this name.
bool is_photo_name(const std::string& name) {
  constexpr size_t kSuffix = 4;
  if (name.size() < 4 + kSuffix || !name.ends_with(".png")) return false;
  return std::all_of(name.begin(), name.end() - kSuffix,
                     [](unsigned char letter) { return std::isdigit(letter) != 0; });
}

fs::path images_folder(const SetOptions& options) {
  return options.folder / "flower_images";
}

// Hands out photo numbers to threads and collects what went wrong.
class Queue {
 public:
  Queue(int count, const std::function<void(int)>& progress) : count_(count), progress_(progress) {}

  // The next photo, or -1 when there is nothing left to do.
  int next() {
    const std::lock_guard lock(mutex_);
    return failure_ || next_ == count_ ? -1 : next_++;
  }
  void finished() {
    const std::lock_guard lock(mutex_);
    progress_(++done_);
  }
  void failed(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  const int count_;
  const std::function<void(int)>& progress_;
  std::mutex mutex_;
  int next_ = 0, done_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

std::string photo_name(int index, int count) {
  const size_t digits = std::max<size_t>(4, std::to_string(count).size());
  const std::string number = std::to_string(index + 1);
  return std::string(digits - number.size(), '0') + number + ".png";
}

void prepare_folder(const SetOptions& options) {
  const fs::path images = images_folder(options);
  std::error_code error;
  fs::create_directories(images, error);
  if (error) {
    throw DataError(str(images.string(), ": cannot create the folder (", error.message(),
                        "); choose another DIR"));
  }
  std::vector<fs::path> old;
  bool empty = true;
  for (fs::directory_iterator entry(images, error), end; !error && entry != end;
       entry.increment(error)) {
    empty = false;
    if (is_photo_name(entry->path().filename().string())) old.push_back(entry->path());
  }
  if (error) {
    throw DataError(str(images.string(), ": cannot read the folder (", error.message(),
                        "); choose another DIR"));
  }
  if (!empty && !options.force) {
    throw UsageError(str(images.string(),
                         ": the folder is not empty; choose another DIR, or --force to replace "
                         "the photos in it"));
  }
  // The labels go first: a stop half-way must not leave labels that belong to other photos.
  old.insert(old.begin(), images / kLabelsName);
  for (const fs::path& path : old) {
    fs::remove(path, error);
    if (error) {
      throw DataError(str(path.string(), ": cannot replace the old file (", error.message(),
                          "); choose another DIR"));
    }
  }
}

void write_set(const SetOptions& options, const std::function<void(int done)>& progress) {
  require(options.count >= 1 && options.count <= kMaxSetSize, "no set of ", options.count,
          " photos");
  const fs::path images = images_folder(options);
  Queue queue(options.count, progress);
  const auto work = [&] {
    try {
      Image image(kPhotoSize, kPhotoSize, 3);
      for (int index = queue.next(); index >= 0; index = queue.next()) {
        image.pixels = take_photo(options.seed, static_cast<uint64_t>(index)).rgb;
        write_png(images / photo_name(index, options.count), image);
        queue.finished();
      }
    } catch (...) {
      queue.failed(std::current_exception());
    }
  };
  {
    std::vector<std::jthread> others;
    for (int k = 1; k < std::min(options.threads, options.count); ++k) others.emplace_back(work);
    work();
  }
  queue.rethrow();

  std::string labels = "file,label\n";
  for (int index = 0; index < options.count; ++index) {
    const auto label = static_cast<int>(species_of(options.seed, static_cast<uint64_t>(index)));
    labels += photo_name(index, options.count) + "," + std::to_string(label) + "\n";
  }
  AtomicFile file(images / kLabelsName);
  file.write(labels);
  file.commit();
}

}  // namespace gan::flowers
