// A folder of flower photos in the layout of the public set "flower-color-images".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace gan::flowers {

inline constexpr int kMaxSetSize = 100000;

struct SetOptions {
  std::filesystem::path folder;  // receives flower_images/
  int count = 1000;              // 1..kMaxSetSize
  uint64_t seed = 1;
  int threads = 1;
  bool force = false;  // replace the photos and labels of an earlier set
};

// The name of photo `index` (from 0) in a set of `count`: 0001.png, 0002.png, ...
std::string photo_name(int index, int count);

// Makes the folder for the photos; with `force`, removes an earlier set from it. Throws UsageError
// when it holds files and `force` is off, DataError when it cannot be made.
void prepare_folder(const SetOptions& options);

// Writes flower_images/0001.png ... into the prepared folder and, once all are there,
// flower_images/flower_labels.csv. `progress` is called with the number of photos written so far,
// by one thread at a time; what it throws ends the work. Throws DataError when a file cannot be
// written.
void write_set(const SetOptions& options, const std::function<void(int done)>& progress);

}  // namespace gan::flowers
