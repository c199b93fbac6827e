// The pictures of a run's samples/, as a page without files beside it holds them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gan {

// JPEG data URIs of strips of square photos, left to right.
struct SampleStrips {
  struct Output {
    int epoch;
    std::string image;
  };
  int photos = 0;
  std::string gray, truth;
  std::vector<Output> outputs;  // in the order of their epochs
};

// Reads each picture once and keeps what the page shows of it.
class SampleAlbum {
 public:
  // `file_of`: the picture (sample_grid) of an epoch. The strips take about `most_bytes` in all.
  SampleAlbum(std::function<std::filesystem::path(int epoch)> file_of, size_t most_bytes)
      : file_of_(std::move(file_of)), most_bytes_(most_bytes) {}

  // Strips of these epochs, which ascend: of all as long as there is room, then of every second,
  // fourth, ... and always of the first, the last and `best`. Pictures that are missing or cannot
  // be read are left out.
  SampleStrips strips(const std::vector<int>& epochs, int best);

 private:
  const std::string& output_of(int epoch);

  std::function<std::filesystem::path(int)> file_of_;
  size_t most_bytes_;
  int stride_ = 1;
  int photos_ = 0;
  std::string gray_, truth_;
  std::map<int, std::string> outputs_;  // empty: no picture
};

}  // namespace gan
