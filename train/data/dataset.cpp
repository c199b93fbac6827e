#include "train/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <new>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "engine/memory.h"
#include "engine/parallel.h"
#include "engine/progress.h"
#include "train/data/photo_pack.h"
#include "train/image/color.h"

namespace gan {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSplitParts = 1000;

class Scanner {
 public:
  explicit Scanner(FolderScan& scan) : scan_(scan) {}

  void visit(const fs::path& folder) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    if (!error && !visited_.insert(real).second) return;
    // In a fixed order, so that it is always the same name under which a linked folder is found.
    std::vector<fs::directory_entry> entries;
    fs::directory_iterator it(folder, error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) entries.push_back(*it);
    if (error)
      scan_.bad.push_back(
          {relative(folder), "cannot open the folder: " + error.message(), BadKind::unreadable});
    std::sort(entries.begin(), entries.end());
    for (const fs::directory_entry& entry : entries) visit_entry(entry);
  }

 private:
  void visit_entry(const fs::directory_entry& entry) {
    std::error_code error;
    const bool hidden = entry.path().filename().string().starts_with(".");
    if (entry.is_directory(error)) {
      if (!hidden) visit(entry.path());
    } else if (hidden || !is_photo_file_name(entry.path())) {
      ++scan_.ignored;
    } else {
      scan_.names.push_back(relative(entry.path()));
    }
  }

  std::string relative(const fs::path& path) const {
    return path.lexically_relative(scan_.root).generic_string();
  }

  FolderScan& scan_;
  std::set<fs::path> visited_;
};

std::string photos(int64_t count) {
  return grouped(count) + (count == 1 ? " photo" : " photos");
}

// What became of a file.
struct Loaded {
  uint64_t hash = 0;
  BadKind kind = BadKind::unreadable;
  std::string reason;  // why it is not used; empty: it is
  int short_side = 0;
};

// Puts the training photo of a file at `pixels`.
Loaded load_photo(const fs::path& path, int size, uint8_t* pixels) {
  Loaded loaded;
  try {
    const std::vector<uint8_t> content = read_bytes(path);
    loaded.hash = content_hash(content);
    const Image photo = decode_photo(content, path);
    loaded.short_side = std::min(photo.width, photo.height);
    const Image square = to_square(photo, size);
    std::copy(square.pixels.begin(), square.pixels.end(), pixels);
    if (is_colorless(square)) {
      loaded.kind = BadKind::colorless;
      loaded.reason = "without colour";
    }
  } catch (const Error& error) {
    // The message starts with the path, which the list of bad files has in a place of its own.
    std::string_view reason = error.what();
    const std::string prefix = path.string() + ": ";
    if (reason.starts_with(prefix)) reason.remove_prefix(prefix.size());
    loaded.reason = reason;
  }
  return loaded;
}

// Photo i goes to place i of all.pixels.
std::vector<Loaded> load_all(const FolderScan& scan, PhotoSet& all, const LoadProgress& progress) {
  const auto total = static_cast<int64_t>(scan.names.size());
  const size_t bytes = scan.names.size() * all.photo_bytes();
  try {
    all.pixels.resize(bytes);
  } catch (const std::bad_alloc&) {
    throw DeviceError(str(scan.root.string(), ": ", photos(total), " of ", all.size, "x", all.size,
                          " need ", human_bytes(bytes), ", which is more than there is"));
  }
  std::vector<Loaded> files(scan.names.size());
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(total, [&](int64_t i) {
    const auto index = static_cast<size_t>(i);
    files[index] = load_photo(scan.root / scan.names[index], all.size,
                              all.pixels.data() + index * all.photo_bytes());
    if (!progress) return;
    const std::lock_guard lock(mutex);
    progress(++done, total);
  });
  return files;
}

void reject_duplicates(const FolderScan& scan, std::vector<Loaded>& files) {
  std::unordered_map<uint64_t, size_t> first;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!files[i].reason.empty()) continue;
    const auto [original, fresh] = first.emplace(files[i].hash, i);
    if (!fresh)
      files[i] = {files[i].hash, BadKind::duplicate,
                  "the same content as " + scan.names[original->second], 0};
  }
}

// Which of these photos are for validation.
std::vector<bool> split(const std::vector<uint64_t>& hashes, double fraction) {
  const auto limit = std::llround(fraction * kSplitParts);
  std::vector<bool> validation;
  for (const uint64_t hash : hashes)
    validation.push_back(static_cast<long long>(hash % kSplitParts) < limit);
  if (hashes.size() == 1) validation[0] = false;
  if (hashes.size() < 2 || fraction <= 0) return validation;
  // Neither side may stay empty: the photo nearest to the border changes sides.
  const auto order = [](uint64_t x, uint64_t y) {
    return std::pair(x % kSplitParts, x) < std::pair(y % kSplitParts, y);
  };
  const auto [lowest, highest] = std::minmax_element(hashes.begin(), hashes.end(), order);
  validation[static_cast<size_t>(lowest - hashes.begin())] = true;
  validation[static_cast<size_t>(highest - hashes.begin())] = false;
  return validation;
}

uint64_t hash_bytes(const uint8_t* bytes, size_t count) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < count; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

// Moves the photos at `places`, which ascend, to the beginning of the set's pixels and drops all others,
// so that no second copy of the data set is needed.
void keep_pixels(const std::vector<size_t>& places, PhotoSet& photos) {
  const size_t bytes = photos.photo_bytes();
  uint8_t* to = photos.pixels.data();
  for (const size_t place : places) {
    std::memmove(to, photos.pixels.data() + place * bytes, bytes);
    to += bytes;
  }
  photos.pixels.resize(places.size() * bytes);
}

// The photos at `places`.
PhotoSet copied(const std::vector<size_t>& places, const PhotoSet& photos) {
  PhotoSet some;
  some.size = photos.size;
  some.pixels.reserve(places.size() * photos.photo_bytes());
  for (const size_t place : places) {
    const uint8_t* photo = photos.photo(static_cast<int64_t>(place));
    some.pixels.insert(some.pixels.end(), photo, photo + photos.photo_bytes());
    some.names.push_back(photos.names[place]);
    some.hashes.push_back(photos.hashes[place]);
  }
  return some;
}

FolderScan scan(const fs::path& folder, bool only_color) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found)
    throw DataError(str(folder.string(), ": no such folder; give a folder of colour photos"));
  if (!fs::is_directory(status))
    throw DataError(str(folder.string(), ": ", error ? error.message() : "not a folder",
                        "; give a folder of colour photos"));
  FolderScan scan;
  scan.root = folder;
  scan.color_and_gray = only_color;
  Scanner(scan).visit(only_color ? folder / "color" : folder);
  std::sort(scan.names.begin(), scan.names.end());
  return scan;
}

Collection collect_folder(const fs::path& folder, int size, const LoadProgress& progress) {
  const FolderScan scan = scan_folder(folder);
  Collection all;
  PhotoSet& photos = all.photos;
  DatasetReport& report = all.report;
  photos.size = size;
  std::vector<Loaded> files = load_all(scan, photos, progress);
  reject_duplicates(scan, files);
  report.found = static_cast<int64_t>(scan.names.size());
  report.ignored = scan.ignored;
  report.bad = scan.bad;
  std::vector<size_t> used;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!files[i].reason.empty()) {
      report.bad.push_back({scan.names[i], files[i].reason, files[i].kind});
      continue;
    }
    used.push_back(i);
    photos.names.push_back(scan.names[i]);
    photos.hashes.push_back(files[i].hash);
    report.short_sides.push_back(files[i].short_side);
  }
  keep_pixels(used, photos);
  std::sort(report.bad.begin(), report.bad.end(),
            [](const BadFile& x, const BadFile& y) { return x.path < y.path; });
  return all;
}

void check_size(int size) {
  constexpr int kMaxSize = 12000;
  if (size < 1 || size > kMaxSize)
    throw UsageError(str("photo size ", size, " is not in 1..", kMaxSize));
}

void check_options(const DatasetOptions& options) {
  check_size(options.size);
  if (!(options.validation_fraction >= 0 && options.validation_fraction < 1))
    throw UsageError(str("validation fraction ", options.validation_fraction,
                         " is not in 0 (included) .. 1 (excluded)"));
}

}  // namespace

FolderScan scan_folder(const fs::path& folder) {
  std::error_code error;
  const bool both =
      fs::is_directory(folder / "color", error) && fs::is_directory(folder / "gray", error);
  return scan(folder, both);
}

FolderScan scan_photos(const fs::path& folder) {
  return scan(folder, false);
}

PhotoSet PhotoSet::spread(int64_t limit) const {
  const int64_t kept = std::min(limit, count());
  PhotoSet some;
  some.size = size;
  for (int64_t k = 0; k < kept; ++k) {
    const int64_t i = k * count() / kept;
    some.pixels.insert(some.pixels.end(), photo(i), photo(i) + photo_bytes());
    some.names.push_back(names[i]);
    some.hashes.push_back(hashes[i]);
  }
  return some;
}

Image PhotoSet::image(int64_t i) const {
  Image image(size, size, 3);
  std::memcpy(image.pixels.data(), photo(i), photo_bytes());
  return image;
}

int64_t DatasetReport::count(BadKind kind) const {
  return std::count_if(bad.begin(), bad.end(), [&](const BadFile& b) { return b.kind == kind; });
}

std::string DatasetReport::not_used() const {
  std::string text;
  const auto add = [&](int64_t count, const char* what) {
    if (count > 0) text += str(", ", grouped(count), " ", what);
  };
  add(count(BadKind::colorless), "without colour");
  add(count(BadKind::unreadable), "unreadable");
  add(count(BadKind::duplicate), "duplicates");
  add(ignored, "other files ignored");
  return text;
}

std::string DatasetReport::summary() const {
  std::string text = str(grouped(found), " found, ", grouped(used()), " used");
  if (used() > 0)
    text += str(" (", grouped(train), " for training, ", grouped(validation), " for validation)");
  return text + not_used();
}

void DatasetReport::write_bad_files(const fs::path& path) const {
  AtomicFile file(path);
  for (const BadFile& b : bad) file.write(str(b.path, "\t", b.reason, "\n"));
  file.commit();
}

Collection collect_photos(const fs::path& data, int size, const LoadProgress& progress) {
  check_size(size);
  std::error_code error;
  if (fs::is_regular_file(data, error)) return read_photo_pack(data, size);
  return collect_folder(data, size, progress);
}

Dataset load_dataset(const fs::path& data, const DatasetOptions& options,
                     const LoadProgress& progress) {
  check_options(options);
  Collection all = collect_photos(data, options.size, progress);
  const std::vector<bool> validation = split(all.photos.hashes, options.validation_fraction);
  std::vector<size_t> train_places, validation_places;
  for (size_t i = 0; i < validation.size(); ++i)
    (validation[i] ? validation_places : train_places).push_back(i);

  Dataset dataset;
  dataset.hash = hash_of_all(all.photos.hashes);
  dataset.report = std::move(all.report);
  DatasetReport& report = dataset.report;
  report.validation = std::ssize(validation_places);
  report.train = std::ssize(train_places);
  if (report.used() < options.min_photos)
    throw DataError(str(data.string(), ": ", photos(report.used()), " to use, at least ",
                        grouped(options.min_photos), " needed (", report.summary(), "); ",
                        supported_photo_kinds()));

  dataset.validation = copied(validation_places, all.photos);
  dataset.train.size = options.size;
  for (const size_t place : train_places) {
    dataset.train.names.push_back(std::move(all.photos.names[place]));
    dataset.train.hashes.push_back(all.photos.hashes[place]);
  }
  keep_pixels(train_places, all.photos);
  dataset.train.pixels = std::move(all.photos.pixels);
  return dataset;
}

uint64_t hash_of_all(std::vector<uint64_t> hashes) {
  std::sort(hashes.begin(), hashes.end());
  std::vector<uint8_t> bytes;
  for (const uint64_t hash : hashes)
    for (int shift = 0; shift < 64; shift += 8)
      bytes.push_back(static_cast<uint8_t>(hash >> shift));
  return hash_bytes(bytes.data(), bytes.size());
}

uint64_t content_hash(const std::vector<uint8_t>& content) {
  return hash_bytes(content.data(), content.size());
}

bool is_colorless(const Image& image) {
  require_valid(image);
  require(image.channels == 3, "chroma needs RGB, got ", image.channels, " channels");
  constexpr float kTint = 4;
  size_t tinted = 0;
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    const uint8_t* p = image.pixels.data() + i;
    const YCbCr color = to_ycbcr(p[0], p[1], p[2]);
    tinted += std::abs(color.cb) >= kTint || std::abs(color.cr) >= kTint;
  }
  return tinted * 100 <= image.pixels.size() / 3;
}

Image to_square(const Image& photo, int size) {
  return resize(center_crop_square(photo), size, size);
}

}  // namespace gan
