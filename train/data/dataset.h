// Folders of colour photos, made into arrays to train on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "train/image/image.h"

namespace gan {

// Why a file that looked like a photo is not used.
enum class BadKind { unreadable, colorless, duplicate };

struct BadFile {
  std::string path;  // relative to the folder that was given
  std::string reason;
  BadKind kind;
};

// What a folder holds.
struct FolderScan {
  std::filesystem::path root;
  std::vector<std::string> names;  // of image files: relative to root, '/' between, sorted by bytes
  int64_t ignored = 0;             // files that are hidden or have another extension
  bool color_and_gray = false;     // two parallel folders: only color/ was searched
  std::vector<BadFile> bad;        // folders that could not be opened
};

// Finds image files in `folder` and everything below it, by extension; nothing is opened. Hidden
// files and folders are passed over. Links are followed, each folder is visited once. When `folder`
// holds both `color` and `gray`, only `color` is searched. Kinds that cannot be decoded (.heic, ...)
// are found, too, so that they are not lost in silence. Throws DataError when
// `folder` is missing or not a folder.
FolderScan scan_folder(const std::filesystem::path& folder);
// The same without a special meaning of `color` and `gray`.
FolderScan scan_photos(const std::filesystem::path& folder);

// Square photos of one size in one array: photo, row, column, R G B.
struct PhotoSet {
  int size = 0;
  std::vector<uint8_t> pixels;     // count() x size x size x 3
  std::vector<std::string> names;  // relative paths
  std::vector<uint64_t> hashes;    // content_hash of the files

  int64_t count() const { return static_cast<int64_t>(names.size()); }
  size_t photo_bytes() const { return static_cast<size_t>(size) * static_cast<size_t>(size) * 3; }
  const uint8_t* photo(int64_t i) const {
    return pixels.data() + static_cast<size_t>(i) * photo_bytes();
  }
  Image image(int64_t i) const;
  // At most `limit` photos, evenly spread over the set: names are sorted, so the first ones may be of
  // one kind.
  PhotoSet spread(int64_t limit) const;
};

struct DatasetReport {
  int64_t found = 0, train = 0, validation = 0;
  int64_t ignored = 0;
  std::vector<BadFile> bad;          // sorted by path
  std::vector<int32_t> short_sides;  // of the used files' photos, in pixels

  int64_t used() const { return train + validation; }
  int64_t count(BadKind kind) const;
  // "8,189 found, 8,181 used (7,380 for training, 801 for validation), 5 without colour, ..."
  std::string summary() const;
  // ", 5 without colour, ...", or nothing: what a summary ends with.
  std::string not_used() const;
  // One line per bad file: path, tab, reason. Throws DataError when it cannot be written.
  void write_bad_files(const std::filesystem::path& path) const;
};

// All usable photos of a folder, before they are split.
struct Collection {
  PhotoSet photos;       // in the order of their names
  DatasetReport report;  // nothing is for training or validation yet
};

struct DatasetOptions {
  int size = 128;                    // side of the photos, in pixels
  double validation_fraction = 0.1;  // 0 or more, less than 1
  int64_t min_photos = 2;            // with fewer usable photos, loading fails
};

struct Dataset {
  PhotoSet train, validation;  // both in the order of their names
  uint64_t hash = 0;           // of the contents of all used files, whatever their names
  DatasetReport report;
};

// Called now and then while loading, by one thread at a time.
using LoadProgress = std::function<void(int64_t done, int64_t total)>;

// Reads every photo of scan_folder, on all cores. A photo is used unless it cannot be decoded, is a
// copy of another one (the first name counts), or is_colorless. Where `data` is a file, it is a pack of
// such photos (photo_pack.h), of this size. Throws DataError when there is neither.
Collection collect_photos(const std::filesystem::path& data, int size,
                          const LoadProgress& progress = nullptr);

// Collects photos and splits them. A photo is for validation when content_hash modulo 1000 < 1000 *
// validation_fraction. So the split depends on nothing but the file's content: other names, other
// folders and additional photos do not move it. Among two or more photos at least one is for training
// and, unless the fraction is 0, at least one for validation.
//
// Throws DataError, with counts per reason, when there are too few photos; UsageError for options
// out of range.
Dataset load_dataset(const std::filesystem::path& data, const DatasetOptions& options = {},
                     const LoadProgress& progress = nullptr);

// The 64-bit FNV-1a hash.
uint64_t content_hash(const std::vector<uint8_t>& content);
// The same of many hashes together, whatever their order.
uint64_t hash_of_all(std::vector<uint64_t> hashes);

// Whether an RGB image is as good as gray: |cb| and |cr| stay below 4 levels in 99% of the pixels.
// JPEG noise of gray photos does, the faintest tint of a colour photo does not.
bool is_colorless(const Image& image);

// How a photo becomes a training photo: the middle square, resized to size x size.
Image to_square(const Image& photo, int size);

}  // namespace gan
